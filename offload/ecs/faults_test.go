//go:build linux

package ecs_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

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
