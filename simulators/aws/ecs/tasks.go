package ecs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/ec2"
	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// The states of a task, in their order.
const (
	provisioning   = "PROVISIONING"
	pending        = "PENDING"
	activating     = "ACTIVATING"
	running        = "RUNNING"
	deactivating   = "DEACTIVATING"
	stopping       = "STOPPING"
	deprovisioning = "DEPROVISIONING"
	stopped        = "STOPPED"
)

// task is one that was asked for.
type task struct {
	types.Task
	ID         string
	Region     string
	Definition string // key
	Token      string // of the client, by which a second request for it is known
	Request    string // what was asked for with that token
	Subnets    types.AwsVpcConfiguration
	Interface  ec2.Interface
	ReclaimAt  time.Time // when spot capacity is taken away; zero is never
}

func (t *task) status() string { return aws.ToString(t.LastStatus) }

// wanted tells whether nobody has stopped it.
func (t *task) wanted() bool { return aws.ToString(t.DesiredStatus) != stopped }

// eachContainer changes the containers, in a list of their own: that of a record is never changed in place.
func (t *task) eachContainer(f func(c *types.Container)) {
	t.Containers = slices.Clone(t.Containers)
	for i := range t.Containers {
		f(&t.Containers[i])
	}
}

// The limits of RunTask.
const (
	mostTasks     = 10
	mostOverrides = 8192 // characters of JSON
)

func (e *ECS) runTask(ctx context.Context, c *wire.Call, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	d, err := e.definition(in.TaskDefinition)
	if err != nil {
		return nil, clientError("TaskDefinition not found.")
	}
	if d.Status != types.TaskDefinitionStatusActive {
		return nil, clientError("TaskDefinition is inactive")
	}
	count := int(max(aws.ToInt32(in.Count), 1))
	if err := e.checkRun(ctx, c, in, d, count); err != nil {
		return nil, err
	}
	where, err := places(in, cluster, count)
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	e.running.Lock()
	defer e.running.Unlock()
	if token := aws.ToString(in.ClientToken); token != "" {
		if known, err := e.byToken(token, string(request)); known != nil || err != nil {
			return known, err
		}
	}
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, provider := range where {
		if r, hit := e.config.Faults.Hit(faults.Capacity, "ecs", "RunTask"); hit {
			out.Failures = append(out.Failures, types.Failure{Reason: aws.String(cmp.Or(r.Code, "Capacity is unavailable at this time. Please try again later or in a different availability zone"))})
			continue
		}
		t, err := e.newTask(c, in, cluster, d, provider)
		if err != nil {
			return nil, err
		}
		t.Token, t.Request = aws.ToString(in.ClientToken), string(request)
		if err := e.tasks.Put(ctx, t.ID, t); err != nil {
			return nil, err
		}
		e.live(t.ID)
		out.Tasks = append(out.Tasks, t.Task)
	}
	return out, nil
}

// checkRun refuses what the definition does not go with.
func (e *ECS) checkRun(ctx context.Context, c *wire.Call, in *ecs.RunTaskInput, d definition, count int) error {
	if count > mostTasks {
		return invalid("count should be less than or equal to %d.", mostTasks)
	}
	if !slices.Contains(d.RequiresCompatibilities, types.CompatibilityFargate) {
		return invalid("Task definition does not support launch_type FARGATE.")
	}
	if in.NetworkConfiguration == nil || in.NetworkConfiguration.AwsvpcConfiguration == nil {
		return invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	subnets := *in.NetworkConfiguration.AwsvpcConfiguration
	switch {
	case len(subnets.Subnets) == 0:
		return invalid("subnets can not be empty.")
	case len(subnets.Subnets) > 16:
		return invalid("subnets can have at most 16 items.")
	case len(subnets.SecurityGroups) > 5:
		return invalid("securityGroups can have at most 5 items.")
	case len(in.PlacementConstraints) > 0, len(in.PlacementStrategy) > 0:
		return invalid("Placement constraints and strategies are not supported with FARGATE launch type.")
	case len(in.VolumeConfigurations) > 0:
		return invalid("The simulator has no volumes that are configured at launch.")
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	if err := checkOverrides(in.Overrides, d); err != nil {
		return err
	}
	if err := e.checkRoles(c, in.Overrides, d); err != nil {
		return err
	}
	if err := e.config.Network.Check(ctx, attachment(c.Region, "", subnets)); err != nil {
		return invalid("Error retrieving network information for %v: %s (ErrorCode: %s)", append(slices.Clone(subnets.Subnets), subnets.SecurityGroups...), wire.AsError(err).Message, wire.AsError(err).Code)
	}
	return nil
}

// principal is the service that takes the roles of tasks on.
const principal = "ecs-tasks.amazonaws.com"

// checkRoles refuses roles that are not there, or that are not for tasks.
func (e *ECS) checkRoles(c *wire.Call, o *types.TaskOverride, d definition) error {
	execution, own := d.ExecutionRoleArn, d.TaskRoleArn
	if o != nil {
		execution, own = cmp.Or(o.ExecutionRoleArn, execution), cmp.Or(o.TaskRoleArn, own)
	}
	if err := e.mayPass(c, execution, own); err != nil {
		return err
	}
	for _, role := range []*string{execution, own} {
		if role != nil && !e.config.Roles.Trusts(*role, principal) {
			return clientError("ECS was unable to assume the role '%s' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.", *role)
		}
	}
	return nil
}

// mayPass refuses roles that the caller may not give away.
func (e *ECS) mayPass(c *wire.Call, roles ...*string) error {
	for _, role := range roles {
		if role != nil && !e.config.Roles.MayPass(c.Role, *role) {
			return &wire.Error{Code: "AccessDeniedException", Message: fmt.Sprintf("User: %s is not authorized to perform: iam:PassRole on resource: %s because no identity-based policy allows the iam:PassRole action", c.Role, *role)}
		}
	}
	return nil
}

func checkOverrides(o *types.TaskOverride, d definition) error {
	if o == nil {
		return nil
	}
	text, err := json.Marshal(o)
	switch {
	case err != nil:
		return err
	case len(compact(text)) > mostOverrides:
		return invalid("Container Overrides length must be at most %d", mostOverrides)
	}
	for _, container := range o.ContainerOverrides {
		known := slices.ContainsFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool { return aws.ToString(c.Name) == aws.ToString(container.Name) })
		switch {
		case !known:
			return invalid("Override for container named %s is not a container in the TaskDefinition.", aws.ToString(container.Name))
		case len(container.EnvironmentFiles) > 0, len(container.ResourceRequirements) > 0:
			return invalid("The simulator reads no environment from files, and has no GPUs.")
		}
	}
	if s := o.EphemeralStorage; s != nil && (s.SizeInGiB < 21 || s.SizeInGiB > 200) {
		return invalid("Ephemeral storage size must be between 21 and 200 GiB.")
	}
	if _, _, err := fargateSize(cmp.Or(o.Cpu, d.Cpu), cmp.Or(o.Memory, d.Memory)); err != nil {
		return invalid("%s", err)
	}
	return nil
}

// compact is JSON without the members that nobody gave, which the SDK's structures have as null.
func compact(text []byte) []byte {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return text
	}
	var clean func(v any) any
	clean = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name, item := range v {
				if item == nil {
					delete(v, name)
					continue
				}
				v[name] = clean(item)
			}
		case []any:
			for i := range v {
				v[i] = clean(v[i])
			}
		}
		return v
	}
	text, _ = json.Marshal(clean(v)) // it was JSON
	return text
}

// byToken is the answer to a request that was made before with the same token; nil for a new one.
func (e *ECS) byToken(token, request string) (*ecs.RunTaskOutput, error) {
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, t := range e.tasks.All() {
		if t.Token != token {
			continue
		}
		if t.Request != request {
			return nil, &wire.Error{Code: "ConflictException", Message: "A task with this client token was started by another request.", Fields: map[string]any{"resourceIds": []string{aws.ToString(t.TaskArn)}}}
		}
		out.Tasks = append(out.Tasks, t.Task)
	}
	if len(out.Tasks) == 0 {
		return nil, nil
	}
	return out, nil
}

// newTask is a task of which nothing has begun.
func (e *ECS) newTask(c *wire.Call, in *ecs.RunTaskInput, cluster types.Cluster, d definition, provider string) (task, error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	name := aws.ToString(cluster.ClusterName) + "/" + id
	overrides := types.TaskOverride{}
	if in.Overrides != nil {
		overrides = *in.Overrides
	}
	cpu, memory, err := fargateSize(cmp.Or(overrides.Cpu, d.Cpu), cmp.Or(overrides.Memory, d.Memory))
	if err != nil {
		return task{}, invalid("%s", err)
	}
	t := task{ID: id, Region: c.Region, Definition: key(aws.ToString(d.Family), d.Revision), Subnets: *in.NetworkConfiguration.AwsvpcConfiguration, Task: types.Task{
		TaskArn: aws.String(e.arn(c.Region, "task", name)), ClusterArn: cluster.ClusterArn, TaskDefinitionArn: d.TaskDefinitionArn,
		CreatedAt: aws.Time(e.config.Now()), LastStatus: aws.String(provisioning), DesiredStatus: aws.String(running), Cpu: &cpu, Memory: &memory,
		LaunchType: types.LaunchTypeFargate, PlatformFamily: aws.String("Linux"), PlatformVersion: aws.String("1.4.0"), StartedBy: in.StartedBy, Group: in.Group,
		Overrides: &overrides, Connectivity: types.ConnectivityConnected, ConnectivityAt: aws.Time(e.config.Now()), Version: 1, HealthStatus: types.HealthStatusUnknown,
		EphemeralStorage: cmp.Or(overrides.EphemeralStorage, d.EphemeralStorage), EnableExecuteCommand: in.EnableExecuteCommand, AvailabilityZone: aws.String(c.Region + "a"),
		Tags: append([]types.Tag{}, in.Tags...), Attributes: []types.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String(d.architecture())}},
	}}
	t.Attachments = []types.Attachment{attaching(id, t.Subnets)}
	if t.Group == nil {
		t.Group = aws.String("family:" + aws.ToString(d.Family))
	}
	if provider != "" {
		t.CapacityProviderName = aws.String(provider)
	}
	if t.EphemeralStorage == nil {
		t.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 20}
	}
	if in.PropagateTags == types.PropagateTagsTaskDefinition {
		t.Tags = with(d.Tags, in.Tags)
	}
	if in.EnableECSManagedTags {
		t.Tags = append(t.Tags, types.Tag{Key: aws.String("aws:ecs:clusterName"), Value: cluster.ClusterName})
	}
	//lint:ignore SA1019 the service still answers with the list
	overrides.InferenceAcceleratorOverrides = []types.InferenceAcceleratorOverride{}
	if len(overrides.ContainerOverrides) == 0 {
		overrides.ContainerOverrides = []types.ContainerOverride{{Name: d.ContainerDefinitions[0].Name}}
	}
	for _, definition := range d.ContainerDefinitions {
		t.Containers = append(t.Containers, types.Container{
			ContainerArn: aws.String(e.arn(c.Region, "container", name+"/"+uuid(id))), TaskArn: t.TaskArn, Name: definition.Name, Image: definition.Image,
			LastStatus: aws.String(pending), NetworkInterfaces: []types.NetworkInterface{}, Cpu: aws.String("0"), HealthStatus: types.HealthStatusUnknown,
		})
	}
	return t, nil
}

// architecture is the processor that a definition asks for.
func (d definition) architecture() string {
	if d.RuntimePlatform != nil && d.RuntimePlatform.CpuArchitecture == types.CPUArchitectureArm64 {
		return "arm64"
	}
	return "x86_64"
}

// stopTimeout is how many seconds a container has after SIGTERM.
func (d definition) stopTimeout() int {
	for _, c := range d.ContainerDefinitions {
		if c.StopTimeout != nil {
			return int(*c.StopTimeout)
		}
	}
	return 30
}
