//go:build linux

package lambda_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/simulators/aws/backendtest"
)

// group is where the functions of the driver have their log.
const group = "/aws/lambda/sockerless"

// notes counts what the agents of all invocations have said.
func notes(t *testing.T, c *backendtest.Cloud) map[string]int {
	t.Helper()
	said := map[string]int{}
	out, err := cloudwatchlogs.NewFromConfig(c.AWS).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(group), FilterPattern: aws.String(`"sockerless-agent"`)})
	var none *logtypes.ResourceNotFoundException
	if errors.As(err, &none) {
		return said
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out.Events {
		var note inside.Note
		if json.Unmarshal([]byte(aws.ToString(e.Message)), &note) == nil {
			said[note.Said]++
		}
	}
	return said
}

// rest waits until no invocation runs, and tells how many sandboxes there are.
func rest(t *testing.T, c *backendtest.Cloud) (sandboxes int) {
	t.Helper()
	for !strings.Contains(c.Page(), "<p>0 invocations run.") {
	}
	list, err := c.Simulator().Machine().ContainerList(t.Context(), runtime.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestFaults has one thing after the other go wrong: exactly one task runs, with its exit code and output, or none and why; and no
// invocation is left.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []map[string]any
		why   string // of a start that fails
		twice bool   // another invocation has begun, whose agent was refused
	}{
		{name: "the answer to Invoke is lost", rules: []map[string]any{{"kind": "lose", "operation": "Invoke", "count": 1}}, twice: true},
		{name: "the answer to CreateFunction is lost", rules: []map[string]any{{"kind": "lose", "operation": "CreateFunction", "count": 1}}},
		{name: "calls are throttled", rules: []map[string]any{{"kind": "throttle", "service": "lambda", "rate": 0.5, "count": 4}}},
		{name: "services fail", rules: []map[string]any{{"kind": "fail", "code": "ServiceException", "service": "lambda", "rate": 0.5, "count": 4}}},
		{name: "credentials have expired", rules: []map[string]any{{"kind": "expire", "service": "lambda", "count": 2}}},
		{name: "the log cannot be read", rules: []map[string]any{{"kind": "throttle", "service": "logs", "rate": 0.5}}},
		{name: "the log is late", rules: []map[string]any{{"kind": "log-late", "service": "lambda", "for": 2e9}}},
		{name: "the log is lost", rules: []map[string]any{{"kind": "log-lost", "service": "lambda"}}},
		{name: "a sandbox comes late", rules: []map[string]any{{"kind": "attach", "service": "lambda", "for": 5e8, "count": 1}}},
		{name: "there is no room for a while", rules: []map[string]any{{"kind": "capacity", "service": "lambda", "count": 2}}},
		{name: "the image cannot be pulled", rules: []map[string]any{{"kind": "pull", "service": "lambda"}}, why: "ImageAccessDenied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			c := newCloud(t, dir)
			s := runtimetest.Open(t, dir, c.Backend(t))
			id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo once; exit 7"}}, container.HostConfig{})
			c.Faults(test.rules...)
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
			rest(t, c)
			c.Faults()
			if test.rules[0]["kind"] == "log-lost" || test.rules[0]["kind"] == "log-late" {
				return // what its agents have said is not known
			}
			said := notes(t, c)
			if said[inside.NoteAdmitted] != 1 || (said[inside.NoteRefused] == 1) != test.twice {
				t.Errorf("agents were %v", said)
			}
		})
	}
}

// TestDeadline has a task run for longer than a function may: its agent ends it ahead, and where that cannot, Lambda does.
func TestDeadline(t *testing.T) {
	dir := t.TempDir()
	c := newCloud(t, dir, func(s *plugin.Lambda) { s.Timeout = 20 })
	s := runtimetest.Open(t, dir, c.Backend(t))
	for _, test := range []struct {
		command, why string
		code         int64
	}{
		{"sleep 1000", "", 137},
		{"read go; kill -STOP $PPID; sleep 1000", "Sandbox.Timedout, Task timed out after 20.00 seconds", 125},
	} {
		id := s.Create("", container.Config{Cmd: []string{"sh", "-c", test.command}, OpenStdin: true}, container.HostConfig{})
		session := s.Attach(id, runtime.AttachOptions{Stream: true, Stdin: true})
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		if _, err := session.Input.Write([]byte("go\n")); err != nil { // not before the agent has said that it started
			t.Fatal(err)
		}
		code := s.Code(w)
		if state := s.State(id); code != test.code || !strings.Contains(state.Error, test.why) {
			t.Errorf("%s: exit code %d, %q", test.command, code, state.Error)
		}
	}
	rest(t, c)
}

// TestSandboxIsCleared has two containers run in one sandbox, one after the other: the second one finds nothing of the first.
func TestSandboxIsCleared(t *testing.T) {
	dir := t.TempDir()
	c := newCloud(t, dir)
	s := runtimetest.Open(t, dir, c.Backend(t))
	for _, test := range []struct{ command, output string }{
		{"mkdir /tmp/d; echo secret > /tmp/d/f; chmod 0 /tmp/d; (while :; do sleep 1; done) & id -u; ls -A /tmp", "993\n.sockerless\nd\n"},
		{"ls -A /tmp; ps -o comm= | grep -c sleep", ".sockerless\n0\n"},
	} {
		id := s.Create("", container.Config{Cmd: []string{"busybox", "sh", "-c", test.command}}, container.HostConfig{})
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		s.Code(w)
		if o := s.Log(id, runtime.LogsOptions{Stdout: true, Stderr: true, Tail: -1}); o.String(1)+o.String(2) != test.output {
			t.Errorf("%s: %q, %q", test.command, o.String(1), o.String(2))
		}
		if n := rest(t, c); n != 1 {
			t.Errorf("%d sandboxes", n)
		}
	}
}

// TestFunctions has one function for two containers, and none when nobody has used it for long; then it is made again.
func TestFunctions(t *testing.T) {
	dir := t.TempDir()
	c := newCloud(t, dir)
	client := awslambda.NewFromConfig(c.AWS)
	functions := func() []string {
		out, err := client.ListFunctions(t.Context(), &awslambda.ListFunctionsInput{})
		if err != nil {
			t.Fatal(err)
		}
		var arns []string
		for _, f := range out.Functions {
			arns = append(arns, aws.ToString(f.FunctionArn))
			if aws.ToInt32(f.MemorySize) != 1792 || aws.ToInt32(f.Timeout) != 900 {
				t.Errorf("a function of %d MB and %d seconds", aws.ToInt32(f.MemorySize), aws.ToInt32(f.Timeout))
			}
		}
		return arns
	}
	once := func(s *runtimetest.Server) {
		t.Helper()
		id := s.Create("", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
		w := s.Waiting(id, container.WaitConditionNextExit)
		s.Start(id)
		if code := s.Code(w); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	s := runtimetest.Open(t, dir, c.Backend(t))
	once(s)
	once(s)
	made := functions()
	if len(made) != 1 {
		t.Fatalf("functions %v", made)
	}
	rest(t, c)
	s.Close()
	if _, err := client.TagResource(t.Context(), &awslambda.TagResourceInput{Resource: &made[0], Tags: map[string]string{"sockerless.used": "2020-01-01"}}); err != nil {
		t.Fatal(err)
	}
	s = runtimetest.Open(t, dir, c.Backend(t))
	for len(functions()) > 0 { // the janitor is at it
	}
	once(s)
	if n := len(functions()); n != 1 {
		t.Errorf("%d functions", n)
	}
}
