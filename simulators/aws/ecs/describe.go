package ecs

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// remembered is how long a task is told of after it has stopped.
const remembered = time.Hour

// forgotten tells whether a task has stopped so long ago that nobody knows it any more.
func (e *ECS) forgotten(t task) bool {
	return t.status() == stopped && e.config.Now().Sub(aws.ToTime(t.StoppedAt)) > remembered
}

// forget removes the tasks that nobody knows any more.
func (e *ECS) forget(ctx context.Context) error {
	for _, t := range e.tasks.All() {
		if e.forgotten(t) {
			if err := e.tasks.Delete(ctx, t.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// find is the task of an id or ARN in a cluster.
func (e *ECS) find(cluster types.Cluster, name string) (task, bool) {
	t, ok := e.tasks.Get(path.Base(name))
	return t, ok && aws.ToString(t.ClusterArn) == aws.ToString(cluster.ClusterArn) && !e.forgotten(t)
}

func (e *ECS) describeTasks(ctx context.Context, c *wire.Call, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
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
			if !strings.HasPrefix(name, "arn:") {
				name = e.arn(c.Region, "task", aws.ToString(cluster.ClusterName)+"/"+name)
			}
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(name), Reason: aws.String("MISSING")})
			continue
		}
		if !slices.Contains(in.Include, types.TaskFieldTags) {
			t.Tags = []types.Tag{}
		}
		e.health(ctx, &t)
		out.Tasks = append(out.Tasks, t.Task)
	}
	return out, nil
}

// health asks for the health of a task whose definition says how.
func (e *ECS) health(ctx context.Context, t *task) {
	d, _ := e.definitions.Get(t.Definition)
	if t.status() != running || len(d.ContainerDefinitions) == 0 || d.ContainerDefinitions[0].HealthCheck == nil {
		return
	}
	seen, err := e.config.Machine.ContainerInspect(ctx, t.ID, false)
	if err != nil || seen.State == nil || seen.State.Health == nil {
		return // it is over by now
	}
	known := map[string]types.HealthStatus{"healthy": types.HealthStatusHealthy, "unhealthy": types.HealthStatusUnhealthy}
	t.HealthStatus = cmp.Or(known[string(seen.State.Health.Status)], types.HealthStatusUnknown)
	t.eachContainer(func(c *types.Container) { c.HealthStatus = t.HealthStatus })
}

func (e *ECS) listTasks(_ context.Context, _ *wire.Call, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if in.StartedBy != nil && (in.Family != nil || in.ServiceName != nil || in.ContainerInstance != nil) {
		return nil, invalid("startedBy cannot be combined with other filters.")
	}
	var arns []string
	for _, t := range e.tasks.All() {
		family, _, _ := strings.Cut(t.Definition, ":")
		switch {
		case aws.ToString(t.ClusterArn) != aws.ToString(cluster.ClusterArn), aws.ToString(t.DesiredStatus) != cmp.Or(string(in.DesiredStatus), running), e.forgotten(t),
			in.ServiceName != nil, in.ContainerInstance != nil, in.DaemonName != nil, // of which there are none
			in.LaunchType != "" && in.LaunchType != types.LaunchTypeFargate,
			in.StartedBy != nil && aws.ToString(t.StartedBy) != *in.StartedBy,
			in.Family != nil && family != *in.Family:
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
	t, err := e.unwanted(ctx, found.ID, types.TaskStopCodeUserInitiated, cmp.Or(aws.ToString(in.Reason), "Task stopped by user"))
	return &ecs.StopTaskOutput{Task: &t.Task}, err
}

// unwanted writes down that a task is to stop, and lets it.
func (e *ECS) unwanted(ctx context.Context, id string, code types.TaskStopCode, reason string) (task, error) {
	t, err := e.tasks.Update(ctx, id, func(t task, _ bool) (task, error) {
		if !t.wanted() {
			return t, nil
		}
		t.DesiredStatus, t.StoppingAt = aws.String(stopped), aws.Time(e.config.Now())
		t.StopCode, t.StoppedReason = code, aws.String(reason)
		t.Version++
		return t, nil
	})
	if err == nil {
		e.end(t)
	}
	return t, err
}

// executeCommand finds no agent of the Systems Manager in a task: the simulator starts none.
func (e *ECS) executeCommand(_ context.Context, _ *wire.Call, in *ecs.ExecuteCommandInput) (*ecs.ExecuteCommandOutput, error) {
	cluster, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	t, ok := e.find(cluster, aws.ToString(in.Task))
	switch {
	case !ok:
		return nil, invalid("The referenced task was not found.")
	case t.status() != running:
		return nil, invalid("The execute command failed because the task is not running.")
	case !t.EnableExecuteCommand:
		return nil, invalid("The execute command failed because execute command was not enabled when the task was run or the execute command agent isn’t running. Wait and try again or run a new task with execute command enabled and try again.")
	}
	return nil, &wire.Error{Code: "TargetNotConnectedException", Message: "The execute command failed due to an internal error. Try again later."}
}
