//go:build linux

package aws_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLambdaCLI is a function's life with the aws CLI.
func TestLambdaCLI(t *testing.T) {
	f := newFunctions(t)
	cli, home := f.cli(), t.TempDir()
	ok := func(args ...string) map[string]any {
		t.Helper()
		out := cli.Run(t, append([]string{"lambda"}, args...)...)
		v := map[string]any{}
		if out != "" {
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
		}
		return v
	}
	fails := func(code string, args ...string) {
		t.Helper()
		if failure := cli.Refused(t, append([]string{"lambda"}, args...)...); !strings.Contains(failure, "("+code+")") {
			t.Errorf("aws lambda %s: %q, not %s", strings.Join(args, " "), failure, code)
		}
	}
	is := func(v map[string]any, name string, want any) {
		t.Helper()
		if got := v[name]; got != want {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	named := []string{"--function-name", "cli"}
	with := func(command string, more ...string) []string {
		return append(append([]string{command}, named...), more...)
	}

	made := ok(with("create-function", "--package-type", "Image", "--code", "ImageUri="+f.image, "--role", role, "--memory-size", "1769", "--timeout", "20", "--tags", "a=1")...)
	is(made, "State", "Pending")
	arn := made["FunctionArn"].(string)
	f.active("cli")
	got := ok(with("get-function")...)
	is(got["Configuration"].(map[string]any), "State", "Active")
	is(got["Code"].(map[string]any), "ImageUri", f.image)
	is(ok(with("get-function-configuration")...), "Timeout", 20.0)
	fails("ResourceConflictException", with("create-function", "--package-type", "Image", "--code", "ImageUri="+f.image, "--role", role)...)

	answer := filepath.Join(home, "answer")
	invoked := ok(with("invoke", "--payload", `{"do":"env"}`, "--log-type", "Tail", answer)...)
	is(invoked, "StatusCode", 200.0)
	if log, err := base64.StdEncoding.DecodeString(invoked["LogResult"].(string)); err != nil || !strings.Contains(string(log), "doing env") {
		t.Errorf("%s, %v", log, err)
	}
	stream := cli.Query(t, "logStreams[0].logStreamName", "logs", "describe-log-streams", "--log-group-name", "/aws/lambda/cli")
	if lines := cli.Query(t, "events[].message", "logs", "get-log-events", "--log-group-name", "/aws/lambda/cli", "--log-stream-name", stream); !strings.Contains(lines, "doing env") || !strings.Contains(lines, "REPORT RequestId: ") {
		t.Errorf("the log has %s", lines)
	}
	if text := string(must(os.ReadFile(answer))); !strings.Contains(text, `"UID":993`) {
		t.Errorf("it answered %s", text)
	}
	is(ok(with("invoke", "--invocation-type", "DryRun", answer)...), "StatusCode", 204.0)
	is(ok(with("invoke", "--invocation-type", "Event", answer)...), "StatusCode", 202.0)

	is(ok(with("update-function-configuration", "--timeout", "9", "--environment", "Variables={NEW=yes}")...), "LastUpdateStatus", "InProgress")
	f.active("cli")
	is(ok(with("get-function-configuration")...), "Timeout", 9.0)
	if r := f.call("cli", `{"do":"env"}`); r.Env["NEW"] != "yes" {
		t.Errorf("the updated function has %v", r.Env)
	}
	ok(with("update-function-code", "--image-uri", f.image)...)
	f.active("cli")
	if list := ok("list-functions")["Functions"].([]any); len(list) != 1 {
		t.Errorf("%v", list)
	}
	is(ok(with("list-versions-by-function")...)["Versions"].([]any)[0].(map[string]any), "Version", "$LATEST")
	is(ok(with("get-function-code-signing-config")...), "FunctionName", "cli")

	is(ok(with("put-function-concurrency", "--reserved-concurrent-executions", "0")...), "ReservedConcurrentExecutions", 0.0)
	fails("TooManyRequestsException", with("invoke", answer)...)
	is(ok(with("get-function-concurrency")...), "ReservedConcurrentExecutions", 0.0)
	ok(with("delete-function-concurrency")...)
	ok(with("invoke", answer)...)

	ok(with("put-function-event-invoke-config", "--maximum-retry-attempts", "0", "--maximum-event-age-in-seconds", "60")...)
	config := ok(with("get-function-event-invoke-config")...)
	is(config, "MaximumRetryAttempts", 0.0)
	is(config, "MaximumEventAgeInSeconds", 60.0)
	ok(with("delete-function-event-invoke-config")...)
	fails("ResourceNotFoundException", with("get-function-event-invoke-config")...)

	ok(with("add-permission", "--statement-id", "s", "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com")...)
	if policy := ok(with("get-policy")...)["Policy"].(string); !strings.Contains(policy, `"Sid":"s"`) || !strings.Contains(policy, `"Service":"s3.amazonaws.com"`) {
		t.Error(policy)
	}
	ok(with("remove-permission", "--statement-id", "s")...)
	fails("ResourceNotFoundException", with("get-policy")...)

	ok("tag-resource", "--resource", arn, "--tags", "b=2")
	ok("untag-resource", "--resource", arn, "--tag-keys", "a")
	tags := ok("list-tags", "--resource", arn)["Tags"].(map[string]any)
	if len(tags) != 1 || tags["b"] != "2" {
		t.Errorf("%v", tags)
	}
	page := must(http.Get("http://" + f.Host() + "/_simulator"))
	shown := string(must(io.ReadAll(page.Body)))
	if err := page.Body.Close(); err != nil || !strings.Contains(shown, "<td>cli<td>eu-central-1<td>Active") {
		t.Errorf("the page does not show the function: %v: %s", err, shown)
	}
	f.close() // a restart keeps all
	f.open()
	is(ok(with("get-function-configuration")...), "Timeout", 9.0)
	ok(with("delete-function")...)
	fails("ResourceNotFoundException", with("get-function")...)
	fails("ResourceNotFoundException", with("invoke", answer)...)
}
