package dockerapi

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

// recorder notes what the engine was asked, and fails with err.
type recorder struct {
	Engine
	asked chan any
	err   error
}

func newRecorder(err error) *recorder { return &recorder{asked: make(chan any, 10), err: err} }

func (r *recorder) note(v ...any) error {
	r.asked <- v
	return r.err
}

func (r *recorder) ContainerCreate(_ context.Context, o runtime.CreateOptions) (container.CreateResponse, error) {
	return container.CreateResponse{ID: "id"}, r.note(o.Name, o.Platform, o.Config.Image, o.HostConfig != nil, o.Networking != nil)
}

func (r *recorder) ContainerStart(_ context.Context, name string, o runtime.StartOptions) error {
	return r.note("start", name, o.DetachKeys)
}

func (r *recorder) ContainerStop(_ context.Context, name string, o runtime.StopOptions) error {
	timeout := -2
	if o.Timeout != nil {
		timeout = *o.Timeout
	}
	return r.note("stop", name, o.Signal, timeout)
}

func (r *recorder) ContainerKill(_ context.Context, name, signal string) error {
	return r.note("kill", name, signal)
}

func (r *recorder) ContainerRemove(_ context.Context, name string, o runtime.RemoveOptions) error {
	return r.note("remove", name, o)
}

func (r *recorder) ContainerRename(_ context.Context, name, to string) error {
	return r.note("rename", name, to)
}

func (r *recorder) ContainerResize(_ context.Context, name string, rows, columns uint32) error {
	return r.note("resize", name, rows, columns)
}

func (r *recorder) ImageTag(_ context.Context, ref, repo, tag string) error {
	return r.note("tag", ref, repo, tag)
}

func (r *recorder) ExecCreate(_ context.Context, name string, q container.ExecCreateRequest) (string, error) {
	return "e1", r.note("exec", name, q.Cmd, q.ConsoleSize)
}

func (r *recorder) ExecStart(_ context.Context, id string, o runtime.ExecStartOptions) (Attachment, error) {
	return nil, r.note("execstart", id, o.Detach, o.TTY, o.ConsoleSize)
}

func (r *recorder) ContainerLogs(_ context.Context, name string, o runtime.LogsOptions) (Logs, error) {
	return nil, r.note("logs", name, o)
}

func TestRequestsReachTheEngine(t *testing.T) {
	r := newRecorder(nil)
	path := socket(t, r)
	for _, test := range []struct {
		line, body string
		status     int
		answer     string
		asked      []any
	}{
		{"POST /v1.51/containers/create?name=n&platform=linux/arm64", `{"Image":"i"}`, 201, `{"Id":"id","Warnings":[]}` + "\n", []any{"n", "linux/arm64", "i", true, true}},
		{"POST /v1.40/containers/create?name=n&platform=linux/arm64", `{"Image":"i"}`, 201, `{"Id":"id","Warnings":[]}` + "\n", []any{"n", "", "i", true, true}},
		{"POST /containers/c/start?detachKeys=ctrl-x", "", 204, "", []any{"start", "c", "ctrl-x"}},
		{"POST /containers/c/start", "{}", 204, "", []any{"start", "c", ""}},
		{"POST /containers/c/stop?t=3&signal=INT", "", 204, "", []any{"stop", "c", "INT", 3}},
		{"POST /v1.41/containers/c/stop?signal=INT", "", 204, "", []any{"stop", "c", "", -2}},
		{"POST /containers/c/kill?signal=9", "", 204, "", []any{"kill", "c", "9"}},
		{"DELETE /containers/c?v=1&force=true&link=0", "", 204, "", []any{"remove", "c", runtime.RemoveOptions{Force: true, Volumes: true}}},
		{"POST /containers/c/rename?name=d", "", 204, "", []any{"rename", "c", "d"}},
		{"POST /containers/c/resize?h=10&w=20", "", 200, "", []any{"resize", "c", uint32(10), uint32(20)}},
		{"POST /images/a/b:c/tag?repo=r&tag=t", "", 201, "", []any{"tag", "a/b:c", "r", "t"}},
		{"POST /containers/c/exec", `{"Cmd":["a"],"ConsoleSize":[1,2]}`, 201, `{"Id":"e1"}` + "\n", []any{"exec", "c", []string{"a"}, &[2]uint{1, 2}}},
		{"POST /v1.41/containers/c/exec", `{"Cmd":["a"],"ConsoleSize":[1,2]}`, 201, `{"Id":"e1"}` + "\n", []any{"exec", "c", []string{"a"}, (*[2]uint)(nil)}},
		{"POST /exec/e/start", `{"Detach":true}`, 200, "", []any{"execstart", "e", true, false, (*[2]uint)(nil)}},
	} {
		got := ask(t, path, test.line, test.body)
		if got.status != test.status || got.body != test.answer {
			t.Errorf("%s: %d %q", test.line, got.status, got.body)
			continue
		}
		if asked := <-r.asked; !reflect.DeepEqual(asked, test.asked) {
			t.Errorf("%s: asked %v, want %v", test.line, asked, test.asked)
		}
	}
}

// The texts are those that dockerd was recorded with; the engine must not be asked.
func TestBadRequests(t *testing.T) {
	path := socket(t, newRecorder(nil))
	for _, test := range []struct {
		line, body, contentType string
		status                  int
		message                 string
	}{
		{"POST /containers/create", `{"Image":`, "application/json", 400, "invalid JSON: unexpected EOF"},
		{"POST /containers/create", `{"Image":5}`, "application/json", 400, "invalid JSON: json: cannot unmarshal number into Go struct field .Image of type string"},
		{"POST /containers/create", `{}`, "text/plain", 400, "unsupported Content-Type header (text/plain): must be 'application/json'"},
		{"POST /containers/create", "", "application/json", 400, "invalid JSON: got EOF while reading request body"},
		{"POST /containers/create", "{}", "application/json", 400, "config cannot be empty in order to create a container"},
		{"POST /containers/create", `{"Image":"a"} {}`, "application/json", 400, "unexpected content after JSON"},
		{"POST /containers/create", `{"Image":"` + strings.Repeat("a", 5<<20) + `"}`, "application/json", 413, "the request's body is larger than 4194304 bytes"},
		{"POST /containers/c/exec", `{"Cmd":[]}`, "application/json", 400, "No exec command specified"},
		{"POST /containers/c/start", `{"Binds":["/:/x"]}`, "application/json", 400, "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"},
		{"GET /containers/json?limit=abc", "", "", 500, `strconv.Atoi: parsing "abc": invalid syntax`},
		{"POST /containers/c/resize?h=x&w=20", "", "", 400, `invalid resize height "x": invalid syntax`},
		{"POST /containers/c/resize?h=1&w=99999999999", "", "", 400, `invalid resize width "99999999999": value out of range`},
		{"POST /containers/c/wait?condition=bogus", "", "", 400, `invalid condition: "bogus"`},
		{"GET /containers/c/logs", "", "", 400, "Bad parameters: you must choose at least one stream"},
		{"GET /containers/c/logs?stdout=1&since=x", "", "", 400, `invalid value for "since": strconv.ParseInt: parsing "x": invalid syntax`},
		{"GET /containers/c/archive", "", "", 400, "bad parameter: pathcannot be empty"},
		{"GET /events?since=2&until=1", "", "", 400, "`since` time (2) cannot be after `until` time (1)"},
		{"POST /images/create?fromImage=UPPER&tag=x", "", "", 400, "invalid reference format: repository name (library/UPPER) must be lowercase"},
		{"POST /images/create?fromImage=alpine", "", "", 501, "pulling all tags of alpine is not implemented: name one with tag="},
		{"POST /images/create", "", "", 400, "fromImage or fromSrc is missing: the name of an image to pull, or where to import one from"},
		{"POST /images/a/push?tag=x&platform=linux", "", "", 400, "failed to parse platform: invalid character 'l' looking for beginning of value"},
		{"GET /images/a/get?platform={}", "", "", 400, "both OS and Architecture must be provided"},
		{"GET /images/get?platform={\"variant\":\"v7\"}", "", "", 400, "optional platform fields provided, but OS and Architecture are missing"},
		{"POST /images/load?platform=x&platform=y", "", "", 400, "multiple platform parameters not supported"},
		{"POST /images/UP/push?tag=x", "", "", 400, "invalid reference format: repository name (library/UP) must be lowercase"},
		{"GET /images/search?term=x&limit=-1", "", "", 400, "invalid limit specified: it is negative"},
		{"DELETE /images/a?platforms={}&platforms={}", "", "", 400, "multiple platforms are not supported"},
		{"GET /images/a/json?manifests=1&platform={\"os\":\"linux\",\"architecture\":\"arm\"}", "", "", 400, "conflicting options: manifests and platform options cannot both be set"},
		{"POST /commit?container=c", "{}", "text/plain", 400, "unsupported Content-Type header (text/plain): must be 'application/json'"},
	} {
		var headers []string
		if test.contentType != "" {
			headers = append(headers, "Content-Type: "+test.contentType)
		}
		got := ask(t, path, test.line, test.body, headers...)
		var answer struct{ Message string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != test.status || answer.Message != test.message {
			t.Errorf("%s %.40s: %d %q, want %d %q", test.line, test.body, got.status, got.body, test.status, test.message)
		}
	}
}

func TestErrorClasses(t *testing.T) {
	for want, err := range map[int]error{
		404: errdefs.ErrNotFound, 400: errdefs.ErrInvalidArgument, 409: errdefs.ErrConflict, 401: errdefs.ErrUnauthenticated, 403: errdefs.ErrPermissionDenied,
		304: errdefs.ErrNotModified, 501: errdefs.ErrNotImplemented, 503: errdefs.ErrUnavailable, 507: errdefs.ErrResourceExhausted, 500: errors.New("else"),
	} {
		got := ask(t, socket(t, newRecorder(err)), "POST /containers/c/kill", "")
		if got.status != want || strings.Contains(got.body, `{"message":"cannot kill container: c: `+err.Error()) == (want == 304) {
			t.Errorf("%v: %d %q, want %d", err, got.status, got.body, want)
		}
	}
}

func TestTimes(t *testing.T) {
	r := newRecorder(errdefs.ErrNotFound)
	path := socket(t, r)
	for query, want := range map[string]runtime.LogsOptions{
		"stdout=1":                              {Stdout: true, Tail: -1},
		"stderr=true&tail=all&follow=1":         {Stderr: true, Tail: -1, Follow: true},
		"stdout=1&tail=0&timestamps=1":          {Stdout: true, Timestamps: true},
		"stdout=1&tail=12&since=1.5&details=1":  {Stdout: true, Tail: 12, Since: time.Unix(1, 500_000_000), Details: true},
		"stdout=1&since=1795442027.000000001":   {Stdout: true, Tail: -1, Since: time.Unix(1795442027, 1)},
		"stdout=1&until=0":                      {Stdout: true, Tail: -1},
		"stdout=1&until=3&tail=-5":              {Stdout: true, Tail: -1, Until: time.Unix(3, 0)},
		"stdout=1&since=1795442027.12345678912": {Stdout: true, Tail: -1, Since: time.Unix(1795442027, 123456789)},
	} {
		if got := ask(t, path, "GET /containers/c/logs?"+query, ""); got.status != 404 {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
		if asked := (<-r.asked).([]any); !reflect.DeepEqual(asked[2], want) {
			t.Errorf("%s: %+v, want %+v", query, asked[2], want)
		}
	}
}
