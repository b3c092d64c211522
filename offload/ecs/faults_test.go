//go:build linux

package ecs_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
)

// faults has the simulator go wrong from now on, as its own interface takes it.
func (c *cloud) faults(rules ...map[string]any) {
	c.t.Helper()
	if rules == nil {
		rules = []map[string]any{}
	}
	body, err := json.Marshal(map[string]any{"seed": 1, "rules": rules})
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPut, "http://"+c.simulator.Host()+"/_simulator/faults", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		c.t.Fatalf("faults: %s", answer.Status)
	}
}

// tasks counts those that the simulator knows, in any state.
func (c *cloud) tasks() int {
	c.t.Helper()
	known := map[string]bool{} // one may end between the two lists
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		out, err := c.client.ListTasks(c.t.Context(), &awsecs.ListTasksInput{DesiredStatus: desired})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, arn := range out.TaskArns {
			known[arn] = true
		}
	}
	return len(known)
}

// TestVolumes has an image's volumes in the task: with what the image has there, else empty.
func TestVolumes(t *testing.T) {
	dir := t.TempDir()
	c := newCloud(t, dir)
	s := runtimetest.Open(t, dir, c.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "ls /etc /data/new && echo x > /data/new/f && cat /data/new/f"}, Volumes: map[string]struct{}{"/etc": {}, "/data/new": {}}}, container.HostConfig{})
	w := s.Waiting(id, container.WaitConditionNextExit)
	if err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	code := s.Code(w)
	if o := s.Log(id, runtime.LogsOptions{Stdout: true, Stderr: true, Tail: -1}); code != 0 || !strings.Contains(o.String(1), "/data/new:\n\n") || !strings.Contains(o.String(1), "passwd\n") || !strings.HasSuffix(o.String(1), "\nx\n") {
		t.Errorf("exit code %d, output %q, %q", code, o.String(1), o.String(2))
	}
	if n := c.tasks(); n != 1 {
		t.Errorf("%d tasks ran", n)
	}
}

// TestSpot has a task on spot capacity, and on demand where there is none.
func TestSpot(t *testing.T) {
	for _, test := range []struct {
		name     string
		faults   []map[string]any
		provider string
		launch   types.LaunchType
		code     int64
	}{
		{"there is spot capacity", nil, "FARGATE_SPOT", types.LaunchTypeFargate, 7},
		{"there is none", []map[string]any{{"kind": "capacity", "count": 1}}, "", types.LaunchTypeFargate, 7},
		{"it is taken away", []map[string]any{{"kind": "reclaim", "for": 2e9}}, "FARGATE_SPOT", types.LaunchTypeFargate, 143},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			c := newCloud(t, dir)
			c.settings.Spot = true
			if _, err := c.client.PutClusterCapacityProviders(t.Context(), &awsecs.PutClusterCapacityProvidersInput{Cluster: awssdk.String("default"),
				CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}, DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{}}); err != nil {
				t.Fatal(err)
			}
			s := runtimetest.Open(t, dir, c.Backend(t))
			script := "exit 7"
			if test.code != 7 {
				script = "trap 'exit 143' TERM; while :; do sleep 0.1; done"
			}
			id := s.Create("", container.Config{Cmd: []string{"sh", "-c", script}}, container.HostConfig{})
			c.faults(test.faults...)
			w := s.Waiting(id, container.WaitConditionNextExit)
			switch err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{}); {
			case err == nil:
				if code := s.Code(w); code != test.code {
					t.Errorf("exit code %d", code)
				}
			case test.code == 7 || !strings.Contains(err.Error(), "SpotInterruption"): // else it was taken away before its agent answered
				t.Fatal(err)
			default:
				w.Close()
			}
			task := c.onlyTask()
			if awssdk.ToString(task.CapacityProviderName) != test.provider || task.LaunchType != test.launch {
				t.Errorf("on %q, %s", awssdk.ToString(task.CapacityProviderName), task.LaunchType)
			}
		})
	}
}

// onlyTask is the one that the simulator knows, in any state.
func (c *cloud) onlyTask() types.Task {
	c.t.Helper()
	if n := c.tasks(); n != 1 {
		c.t.Fatalf("%d tasks ran", n)
	}
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		out, err := c.client.ListTasks(c.t.Context(), &awsecs.ListTasksInput{DesiredStatus: desired})
		if err != nil {
			c.t.Fatal(err)
		}
		if len(out.TaskArns) == 0 {
			continue
		}
		described, err := c.client.DescribeTasks(c.t.Context(), &awsecs.DescribeTasksInput{Tasks: out.TaskArns})
		if err != nil {
			c.t.Fatal(err)
		}
		return described.Tasks[0]
	}
	c.t.Fatal("it is in neither list")
	return types.Task{}
}

// TestFaults has one thing after the other go wrong: exactly one task runs, with its exit code and output, or none and why.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []map[string]any
		why   string // of a start that fails
	}{
		{"the answer to RunTask is lost", []map[string]any{{"kind": "lose", "operation": "RunTask", "count": 1}}, ""},
		{"calls are throttled", []map[string]any{{"kind": "throttle", "service": "ecs", "rate": 0.5, "count": 6}}, ""},
		{"services fail", []map[string]any{{"kind": "fail", "code": "ServerException", "service": "ecs", "rate": 0.5, "count": 6}}, ""},
		{"credentials have expired", []map[string]any{{"kind": "expire", "service": "ecs", "count": 2}}, ""},
		{"a new task is not seen at once", []map[string]any{{"kind": "stale", "service": "ecs", "for": 3e9, "count": 3}}, ""},
		{"the network comes late", []map[string]any{{"kind": "attach", "for": 5e8, "count": 1}}, ""},
		{"there is no room", []map[string]any{{"kind": "capacity"}}, "Capacity is unavailable at this time"},
		{"the image cannot be pulled", []map[string]any{{"kind": "pull"}}, "CannotPullContainerError"},
		{"the network does not come", []map[string]any{{"kind": "attach", "code": "Timeout waiting for network interface provisioning to complete."}}, "Timeout waiting for network interface"},
		{"the rate of definitions is exceeded", []map[string]any{{"kind": "throttle", "operation": "RegisterTaskDefinition", "count": 2}}, ""},
		{"the answer to a definition is lost", []map[string]any{{"kind": "lose", "operation": "RegisterTaskDefinition", "count": 1}}, ""},
		{"the answer to StopTask is lost", []map[string]any{{"kind": "lose", "operation": "StopTask", "count": 1}}, ""},
		{"the registry's token has expired", []map[string]any{{"kind": "expire", "service": "ecr", "operation": "registry", "count": 1}}, ""},
		{"answers come late", []map[string]any{{"kind": "delay", "service": "ecs", "for": 3e8, "count": 5}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			c := newCloud(t, dir)
			s := runtimetest.Open(t, dir, c.Backend(t))
			id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo once; exit 7"}}, container.HostConfig{})
			c.faults(test.rules...)
			w := s.Waiting(id, container.WaitConditionNextExit)
			err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{})
			if test.why != "" {
				if err == nil || !strings.Contains(err.Error(), test.why) {
					t.Errorf("start: %v", err)
				}
				w.Close()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if code := s.Code(w); code != 7 {
				t.Errorf("exit code %d", code)
			}
			if o := s.Log(id, runtime.LogsOptions{Stdout: true, Tail: -1}); o.String(1) != "once\n" {
				t.Errorf("output %q", o.String(1))
			}
			c.faults()
			if n := c.tasks(); n != 1 {
				t.Errorf("%d tasks ran", n)
			}
		})
	}
}
