package ecs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

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
}

func (t *task) status() string { return aws.ToString(t.LastStatus) }

func (e *ECS) runTask(ctx context.Context, c *wire.Call, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	d, err := e.definition(in.TaskDefinition)
	if err != nil || d.Status != types.TaskDefinitionStatusActive {
		return nil, clientError("TaskDefinition is inactive or not found.")
	}
	if d.NetworkMode == types.NetworkModeAwsvpc && (in.NetworkConfiguration == nil || in.NetworkConfiguration.AwsvpcConfiguration == nil) {
		return nil, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	count := max(aws.ToInt32(in.Count), 1)
	if count > 10 {
		return nil, invalid("count should be less than or equal to 10.")
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
	for range count {
		if r, hit := e.config.Faults.Hit(faults.Capacity, "ecs", "RunTask"); hit {
			out.Failures = append(out.Failures, types.Failure{Reason: aws.String(reason(r.Code, "Capacity is unavailable at this time. Please try again later or in a different availability zone"))})
			continue
		}
		t := e.newTask(c, in, cluster, d)
		t.Token, t.Request = aws.ToString(in.ClientToken), string(request)
		if err := e.tasks.Put(ctx, t.ID, t); err != nil {
			return nil, err
		}
		e.live(t.ID)
		out.Tasks = append(out.Tasks, t.Task)
	}
	return out, nil
}

func reason(given, usual string) string {
	if given != "" {
		return given
	}
	return usual
}

// byToken is the answer to a request that was made before with the same token; nil for a new one.
func (e *ECS) byToken(token, request string) (*ecs.RunTaskOutput, error) {
	out := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, t := range e.tasks.All() {
		if t.Token != token {
			continue
		}
		if t.Request != request {
			return nil, &wire.Error{Code: "ConflictException", Message: "A task with this client token was started by another request."}
		}
		out.Tasks = append(out.Tasks, t.Task)
	}
	if len(out.Tasks) == 0 {
		return nil, nil
	}
	return out, nil
}

// newTask is a task of which nothing has begun.
func (e *ECS) newTask(c *wire.Call, in *ecs.RunTaskInput, cluster types.Cluster, d definition) task {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	name := aws.ToString(cluster.ClusterName) + "/" + id
	t := task{ID: id, Region: c.Region, Definition: key(aws.ToString(d.Family), d.Revision), Task: types.Task{
		TaskArn: aws.String(e.arn(c.Region, "task", name)), ClusterArn: cluster.ClusterArn, TaskDefinitionArn: d.TaskDefinitionArn,
		CreatedAt: aws.Time(e.config.Now()), LastStatus: aws.String(provisioning), DesiredStatus: aws.String(running), Cpu: d.Cpu, Memory: d.Memory,
		LaunchType: types.LaunchTypeFargate, PlatformFamily: aws.String("Linux"), PlatformVersion: aws.String("1.4.0"), StartedBy: in.StartedBy, Group: in.Group,
		Overrides: in.Overrides, Tags: in.Tags, Connectivity: types.ConnectivityConnected, ConnectivityAt: aws.Time(e.config.Now()), Version: 1,
		EphemeralStorage: d.EphemeralStorage, EnableExecuteCommand: in.EnableExecuteCommand, AvailabilityZone: aws.String(c.Region + "a"),
		Attachments: []types.Attachment{}, Attributes: []types.Attribute{},
	}}
	if t.Group == nil {
		t.Group = aws.String("family:" + aws.ToString(d.Family))
	}
	if len(in.CapacityProviderStrategy) > 0 {
		t.CapacityProviderName = in.CapacityProviderStrategy[0].CapacityProvider
	}
	if o := in.Overrides; o != nil {
		t.Cpu, t.Memory = or(o.Cpu, t.Cpu), or(o.Memory, t.Memory)
	}
	for _, definition := range d.ContainerDefinitions {
		t.Containers = append(t.Containers, types.Container{
			ContainerArn: aws.String(e.arn(c.Region, "container", name+"/"+aws.ToString(definition.Name))), TaskArn: t.TaskArn, Name: definition.Name,
			Image: definition.Image, LastStatus: aws.String(pending), NetworkInterfaces: []types.NetworkInterface{}, Cpu: aws.String("0"),
		})
	}
	return t
}

func or(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

// find is the task of an id or ARN in a cluster.
func (e *ECS) find(cluster types.Cluster, name string) (task, bool) {
	t, ok := e.tasks.Get(path.Base(name))
	return t, ok && aws.ToString(t.ClusterArn) == aws.ToString(cluster.ClusterArn)
}

func (e *ECS) describeTasks(_ context.Context, c *wire.Call, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if len(in.Tasks) == 0 {
		return nil, invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, invalid("Tasks cannot have more than 100 elements.")
	}
	out := &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, name := range in.Tasks {
		t, ok := e.find(cluster, name)
		if ok {
			if r, hit := e.config.Faults.Hit(faults.Stale, "ecs", "DescribeTasks"); hit {
				ok = e.config.Now().Sub(aws.ToTime(t.CreatedAt)) > r.For
			}
		}
		if !ok {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(name), Reason: aws.String("MISSING")})
			continue
		}
		if !slices.Contains(in.Include, types.TaskFieldTags) {
			t.Tags = nil
		}
		out.Tasks = append(out.Tasks, t.Task)
	}
	return out, nil
}

func (e *ECS) listTasks(_ context.Context, _ *wire.Call, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if in.StartedBy != nil && in.Family != nil {
		return nil, invalid("startedBy cannot be combined with other filters.")
	}
	var arns []string
	for _, t := range e.tasks.All() {
		desired := reason(string(in.DesiredStatus), running)
		switch {
		case aws.ToString(t.ClusterArn) != aws.ToString(cluster.ClusterArn), aws.ToString(t.DesiredStatus) != desired,
			in.StartedBy != nil && aws.ToString(t.StartedBy) != *in.StartedBy,
			in.Family != nil && aws.ToString(t.Group) != "family:"+*in.Family:
			continue
		}
		arns = append(arns, aws.ToString(t.TaskArn))
	}
	page, next, err := wire.Page(arns, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 100)
	return &ecs.ListTasksOutput{TaskArns: page, NextToken: next}, err
}

func (e *ECS) stopTask(ctx context.Context, _ *wire.Call, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	found, ok := e.find(cluster, aws.ToString(in.Task))
	if !ok {
		return nil, invalid("The referenced task was not found.")
	}
	t, err := e.tasks.Update(ctx, found.ID, func(t task, _ bool) (task, error) {
		if aws.ToString(t.DesiredStatus) == stopped {
			return t, nil
		}
		t.DesiredStatus, t.StoppingAt = aws.String(stopped), aws.Time(e.config.Now())
		t.StopCode, t.StoppedReason = types.TaskStopCodeUserInitiated, aws.String(reason(aws.ToString(in.Reason), "Task stopped by user"))
		t.Version++
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	e.end(t)
	return &ecs.StopTaskOutput{Task: &t.Task}, nil
}

// stopTimeout is how long a container has after SIGTERM.
func (d definition) stopTimeout() int {
	for _, c := range d.ContainerDefinitions {
		if c.StopTimeout != nil {
			return int(*c.StopTimeout)
		}
	}
	return int((30 * time.Second).Seconds())
}
