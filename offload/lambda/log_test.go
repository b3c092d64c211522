package lambda

import (
	"strconv"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
)

// TestStatus has a task be what the log says: the lines are as Lambda writes them.
func TestStatus(t *testing.T) {
	const (
		start    = "START RequestId: r1 Version: $LATEST\n"
		admitted = `{"sockerless-agent":"admitted","request":"r1","tags":{"sockerless.attempt":"a"}}` + "\n"
		refused  = `{"sockerless-agent":"refused","request":"r1","tags":{"sockerless.attempt":"a"}}` + "\n"
		other    = `{"sockerless-agent":"admitted","request":"r2","tags":{"sockerless.attempt":"a"}}` + "\n"
		ended    = "REPORT RequestId: r1\tDuration: 3.12 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t\n"
		failed   = "REPORT RequestId: r1\tDuration: 3.12 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\tStatus: error\tError Type: Runtime.ExitError\n"
		limit    = "REPORT RequestId: r1\tDuration: 900000.00 ms\tBilled Duration: 900000 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\tStatus: timeout\n"
	)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	handle := offload.Handle{ID: "r1", Attempt: "a", Data: map[string]string{dataAsked: strconv.FormatInt(at.UnixMilli(), 10)}}
	code := func(n int) *int { return &n }
	for _, test := range []struct {
		name  string
		lines []string
		after time.Duration
		want  offload.Status
	}{
		{"nothing is known", nil, time.Minute, offload.Status{State: offload.Pending}},
		{"it has begun", []string{start}, time.Minute, offload.Status{State: offload.Pending}},
		{"its agent is there", []string{start, admitted}, time.Minute, offload.Status{State: offload.Running}},
		{"it has ended", []string{start, admitted, ended}, time.Minute, offload.Status{State: offload.Stopped}},
		{"the lines come in another order", []string{ended, admitted, start}, time.Minute, offload.Status{State: offload.Stopped}},
		{"its agent was killed", []string{start, admitted, "RequestId: r1 Error: Runtime exited with error: signal: killed\n", "Runtime.ExitError\n", failed}, time.Minute,
			offload.Status{State: offload.Stopped, Code: "Runtime.ExitError", Reason: "Runtime exited with error: signal: killed", ExitCode: code(137)}},
		{"its agent could not start", []string{start, "RequestId: r1 Error: Runtime exited with error: exit status 1\n", failed}, time.Minute,
			offload.Status{State: offload.Stopped, Code: "Runtime.ExitError", Reason: "Runtime exited with error: exit status 1", ExitCode: code(1)}},
		{"its time limit", []string{start, admitted, "2026-01-01T00:15:00.000Z r1 Task timed out after 900.00 seconds\n", limit}, time.Minute,
			offload.Status{State: offload.Stopped, Code: "Sandbox.Timedout", Reason: "Task timed out after 900.00 seconds"}},
		{"another invocation is the task's", []string{start, refused, other, ended}, time.Minute, offload.Status{State: offload.Running}},
		{"another one is, and its note is not there yet", []string{start, refused, ended}, time.Minute, offload.Status{State: offload.Pending}},
		{"there was never room", nil, time.Hour, offload.Status{State: offload.Stopped, Code: "Unknown", NoRoom: true, Reason: "its log does not say how it ended, and its time is over"}},
		{"the end is not told", []string{start, admitted}, time.Hour, offload.Status{State: offload.Stopped, Code: "Unknown", Reason: "its log does not say how it ended, and its time is over"}},
	} {
		log := invocations{}
		for _, line := range test.lines {
			log.add(at, line)
		}
		got := log.status(handle, at.Add(test.after), queued+mostTime)
		same := got.State == test.want.State && got.Code == test.want.Code && got.Reason == test.want.Reason && got.NoRoom == test.want.NoRoom && (got.ExitCode == nil) == (test.want.ExitCode == nil)
		if !same || got.ExitCode != nil && *got.ExitCode != *test.want.ExitCode {
			t.Errorf("%s: %+v, not %+v", test.name, got, test.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		size   runtime.Size
		memory int32 // 0 is refused
		disk   int32
		price  float64
	}{
		{runtime.Size{}, 1792, 512, 0.0000291667},
		{runtime.Size{Memory: 1}, 128, 512, 0.0000020833},
		{runtime.Size{CPU: 0.5}, 896, 512, 0.0000145834},
		{runtime.Size{CPU: 2, Memory: 1 << 30}, 3584, 512, 0.0000583335},
		{runtime.Size{CPU: 1, Memory: 8 << 30}, 8192, 512, 0.0001333336},
		{runtime.Size{CPU: 6}, 10240, 512, 0.000166667},
		{runtime.Size{Memory: 1 << 30, Disk: 10 << 30}, 1024, 10240, 0.0000169603},
		{runtime.Size{CPU: 7}, 0, 0, 0},
		{runtime.Size{Memory: 10<<30 + 1}, 0, 0, 0},
		{runtime.Size{Disk: 11 << 30}, 0, 0, 0},
	} {
		got, err := shapeOf(test.size)
		if test.memory == 0 {
			if !errdefs.IsFailedPrecondition(err) {
				t.Errorf("%+v: %+v, %v", test.size, got, err)
			}
			continue
		}
		if off := got.price() - test.price; err != nil || got != (shape{test.memory, test.disk}) || off > 1e-10 || off < -1e-10 {
			t.Errorf("%+v: %+v for $%.10f, %v", test.size, got, got.price(), err)
		}
	}
}
