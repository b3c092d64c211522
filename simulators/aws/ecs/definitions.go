package ecs

import (
	"context"
	"fmt"
	"path"
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
	family := aws.ToString(in.Family)
	switch {
	case family == "":
		return nil, clientError("Family should not be null or empty.")
	case len(in.ContainerDefinitions) == 0:
		return nil, clientError("Container list cannot be empty.")
	case len(in.ContainerDefinitions) > 1:
		return nil, clientError("The simulator runs tasks of one container.")
	}
	for _, d := range in.ContainerDefinitions {
		if aws.ToString(d.Name) == "" || aws.ToString(d.Image) == "" {
			return nil, clientError("Container.image should not be null or empty.")
		}
	}
	e.running.Lock() // so that a revision is given once
	defer e.running.Unlock()
	revision := e.latest(family) + 1
	d := definition{Tags: in.Tags, TaskDefinition: types.TaskDefinition{
		Family: in.Family, Revision: revision, Status: types.TaskDefinitionStatusActive, TaskDefinitionArn: aws.String(e.arn(c.Region, "task-definition", fmt.Sprintf("%s:%d", family, revision))),
		ContainerDefinitions: in.ContainerDefinitions, Cpu: in.Cpu, Memory: in.Memory, NetworkMode: in.NetworkMode, Volumes: in.Volumes,
		TaskRoleArn: in.TaskRoleArn, ExecutionRoleArn: in.ExecutionRoleArn, RequiresCompatibilities: in.RequiresCompatibilities,
		Compatibilities: []types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate}, RuntimePlatform: in.RuntimePlatform,
		EphemeralStorage: in.EphemeralStorage, PidMode: in.PidMode, IpcMode: in.IpcMode,
		RegisteredAt: aws.Time(e.config.Now()), RegisteredBy: aws.String("arn:aws:iam::" + e.config.Account + ":user/" + c.Key),
	}}
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition, Tags: d.Tags}, e.definitions.Put(ctx, key(family, revision), d)
}

func key(family string, revision int32) string { return fmt.Sprintf("%s:%d", family, revision) }

// latest is the highest revision of a family; 0 without one.
func (e *ECS) latest(family string) int32 {
	var highest int32
	for _, d := range e.definitions.All() {
		if aws.ToString(d.Family) == family {
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
		number, err = int64(e.latest(family)), nil
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
	return &ecs.DescribeTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition, Tags: d.Tags}, nil
}
