package ecs

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// definition is a revision of a task definition, by "family:revision".
type definition struct {
	types.TaskDefinition
	Tags []types.Tag
}

func (e *ECS) registerTaskDefinition(ctx context.Context, c *wire.Call, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	if err := e.checkDefinition(in); err != nil {
		return nil, err
	}
	if err := e.mayPass(c, in.ExecutionRoleArn, in.TaskRoleArn); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	family := aws.ToString(in.Family)
	e.running.Lock() // so that a revision is given once
	defer e.running.Unlock()
	revision := e.latest(family, "") + 1
	d := definition{Tags: in.Tags, TaskDefinition: types.TaskDefinition{
		Family: in.Family, Revision: revision, Status: types.TaskDefinitionStatusActive, TaskDefinitionArn: aws.String(e.arn(c.Region, "task-definition", key(family, revision))),
		ContainerDefinitions: slices.Clone(in.ContainerDefinitions), Cpu: in.Cpu, Memory: in.Memory, NetworkMode: in.NetworkMode, Volumes: append([]types.Volume{}, in.Volumes...),
		TaskRoleArn: in.TaskRoleArn, ExecutionRoleArn: in.ExecutionRoleArn, RequiresCompatibilities: in.RequiresCompatibilities,
		Compatibilities: []types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate}, RuntimePlatform: in.RuntimePlatform,
		EphemeralStorage: in.EphemeralStorage, PidMode: in.PidMode, IpcMode: in.IpcMode, PlacementConstraints: []types.TaskDefinitionPlacementConstraint{}, RequiresAttributes: []types.Attribute{},
		RegisteredAt: aws.Time(e.config.Now()), RegisteredBy: aws.String("arn:aws:iam::" + e.config.Account + ":user/" + c.Key),
	}}
	if slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate) {
		cpu, memory, _ := fargateSize(in.Cpu, in.Memory) // it was checked
		d.Cpu, d.Memory = aws.String(cpu), aws.String(memory)
	}
	for i := range d.ContainerDefinitions {
		filled(&d.ContainerDefinitions[i])
	}
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition, Tags: d.Tags}, e.definitions.Put(ctx, key(family, revision), d)
}

// filled gives a container what ECS tells of it though nobody said it.
func filled(c *types.ContainerDefinition) {
	if c.Essential == nil {
		c.Essential = aws.Bool(true)
	}
	c.Environment = append([]types.KeyValuePair{}, c.Environment...)
	c.MountPoints = append([]types.MountPoint{}, c.MountPoints...)
	c.VolumesFrom = append([]types.VolumeFrom{}, c.VolumesFrom...)
	c.SystemControls = append([]types.SystemControl{}, c.SystemControls...)
	c.PortMappings = slices.Clone(c.PortMappings)
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		p.Protocol = cmp.Or(p.Protocol, types.TransportProtocolTcp)
		if p.HostPort == nil {
			p.HostPort = p.ContainerPort
		}
	}
	if c.PortMappings == nil {
		c.PortMappings = []types.PortMapping{}
	}
	if h := c.HealthCheck; h != nil {
		next := *h
		for at, usual := range map[**int32]int32{&next.Interval: 30, &next.Timeout: 5, &next.Retries: 3} {
			if *at == nil {
				*at = aws.Int32(usual)
			}
		}
		c.HealthCheck = &next
	}
}

func key(family string, revision int32) string { return fmt.Sprintf("%s:%d", family, revision) }

// latest is the highest revision of a family in a state, or in any; 0 without one.
func (e *ECS) latest(family string, status types.TaskDefinitionStatus) int32 {
	var highest int32
	for _, d := range e.definitions.All() {
		if aws.ToString(d.Family) == family && (status == "" || d.Status == status) {
			highest = max(highest, d.Revision)
		}
	}
	return highest
}

// definition finds one by "family", "family:revision" or ARN.
func (e *ECS) definition(name *string) (definition, error) {
	family, revision, exact := strings.Cut(path.Base(aws.ToString(name)), ":")
	number, err := strconv.ParseInt(revision, 10, 32)
	if !exact {
		number, err = int64(e.latest(family, types.TaskDefinitionStatusActive)), nil
	}
	d, ok := e.definitions.Get(key(family, int32(number)))
	if err != nil || !ok {
		return d, clientError("Unable to describe task definition.")
	}
	return d, nil
}

func (e *ECS) describeTaskDefinition(_ context.Context, _ *wire.Call, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	d, err := e.definition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition, Tags: []types.Tag{}}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = append(out.Tags, d.Tags...)
	}
	return out, nil
}

func (e *ECS) deregisterTaskDefinition(ctx context.Context, _ *wire.Call, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	if name := path.Base(aws.ToString(in.TaskDefinition)); !strings.Contains(name, ":") {
		return nil, clientError("Invalid revision number. Number: %s", name)
	}
	d, err := e.definition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	d, err = e.definitions.Update(ctx, key(aws.ToString(d.Family), d.Revision), func(d definition, _ bool) (definition, error) {
		if d.Status == types.TaskDefinitionStatusActive {
			d.Status, d.DeregisteredAt = types.TaskDefinitionStatusInactive, aws.Time(e.config.Now())
		}
		return d, nil
	})
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition}, err
}

// deleteTaskDefinitions marks revisions. As in ECS they are described, as being deleted, as long as a task may be of them, and their
// numbers do not come again.
func (e *ECS) deleteTaskDefinitions(ctx context.Context, _ *wire.Call, in *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) == 0 || len(in.TaskDefinitions) > 10 {
		return nil, invalid("taskDefinitions must have from 1 to 10 elements.")
	}
	out := &ecs.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
	for _, name := range in.TaskDefinitions {
		fail := func(text string) {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(name), Reason: aws.String(text)})
		}
		d, err := e.definition(&name)
		switch {
		case err != nil || !strings.Contains(path.Base(name), ":"):
			fail("The specified task definition was not found.")
			continue
		case d.Status == types.TaskDefinitionStatusActive:
			fail("The specified task definition is still in ACTIVE status. Please deregister the target and try again.")
			continue
		}
		d.Status, d.DeleteRequestedAt = types.TaskDefinitionStatusDeleteInProgress, aws.Time(e.config.Now())
		if err := e.definitions.Put(ctx, key(aws.ToString(d.Family), d.Revision), d); err != nil {
			return nil, err
		}
		out.TaskDefinitions = append(out.TaskDefinitions, d.TaskDefinition)
	}
	return out, nil
}

func (e *ECS) listTaskDefinitions(_ context.Context, _ *wire.Call, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	all := slices.DeleteFunc(e.definitions.All(), func(d definition) bool {
		return in.FamilyPrefix != nil && aws.ToString(d.Family) != *in.FamilyPrefix || d.Status != cmp.Or(in.Status, types.TaskDefinitionStatusActive)
	})
	slices.SortFunc(all, func(a, b definition) int {
		return cmp.Or(cmp.Compare(aws.ToString(a.Family), aws.ToString(b.Family)), cmp.Compare(a.Revision, b.Revision))
	})
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(all)
	}
	var arns []string
	for _, d := range all {
		arns = append(arns, aws.ToString(d.TaskDefinitionArn))
	}
	page, next, err := wire.Page(arns, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 100)
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: page, NextToken: next}, err
}

func (e *ECS) listTaskDefinitionFamilies(_ context.Context, _ *wire.Call, in *ecs.ListTaskDefinitionFamiliesInput) (*ecs.ListTaskDefinitionFamiliesOutput, error) {
	status := map[string]types.TaskDefinitionFamilyStatus{}
	for _, d := range e.definitions.All() {
		family := aws.ToString(d.Family)
		switch {
		case !strings.HasPrefix(family, aws.ToString(in.FamilyPrefix)):
		case d.Status == types.TaskDefinitionStatusActive:
			status[family] = types.TaskDefinitionFamilyStatusActive
		case status[family] == "":
			status[family] = types.TaskDefinitionFamilyStatusInactive
		}
	}
	families := []string{}
	for family, of := range status {
		if in.Status == types.TaskDefinitionFamilyStatusAll || of == cmp.Or(in.Status, types.TaskDefinitionFamilyStatusActive) {
			families = append(families, family)
		}
	}
	slices.Sort(families)
	page, next, err := wire.Page(families, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 100)
	return &ecs.ListTaskDefinitionFamiliesOutput{Families: page, NextToken: next}, err
}
