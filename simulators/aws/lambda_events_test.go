//go:build linux

package aws_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// meeting is a server on this machine to which functions come; each waits there until it is let go.
type meeting struct {
	url     string
	arrived chan struct{}
	letGo   chan struct{}
}

func newMeeting(t *testing.T) *meeting {
	t.Helper()
	m := &meeting{arrived: make(chan struct{}, 100), letGo: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.arrived <- struct{}{}
		select {
		case <-m.letGo:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	m.url = "http://host.docker.internal:" + port
	return m
}

// TestConcurrency has two invocations run at once, and no third.
func TestConcurrency(t *testing.T) {
	f := newFunctions(t)
	f.create("f", nil)
	m := newMeeting(t)
	name := awssdk.String("f")
	must(f.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: awssdk.Int32(2)}))
	results := make(chan error, 2)
	for range 2 {
		go func() {
			out, err := f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Payload: []byte(`{"do":"meet","text":"` + m.url + `"}`)})
			if err == nil && out.FunctionError != nil {
				err = errors.New(string(out.Payload))
			}
			results <- err
		}()
	}
	for range 2 {
		select {
		case <-m.arrived:
		case err := <-results:
			t.Fatal("an invocation ended early: ", err)
		}
	}
	var throttled *types.TooManyRequestsException
	_, err := f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name})
	if !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("a third at once: %v", err)
	}
	close(m.letGo)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if r := f.call("f", `{}`); r.failed {
		t.Errorf("%+v", r)
	}
}

// TestEvents counts the attempts of events: those that fail are tried again as the function is configured, also by the next simulator.
func TestEvents(t *testing.T) {
	pauses := make(chan time.Duration, 100)
	f := newFunctions(t)
	f.close()
	f.after = func(d time.Duration) <-chan time.Time {
		pauses <- d
		now := make(chan time.Time, 1)
		now <- time.Now()
		return now
	}
	f.open()
	f.create("f", func(in *lambda.CreateFunctionInput) { in.Timeout = awssdk.Int32(30) })
	name := awssdk.String("f")
	m := newMeeting(t)
	send := func(payload string) {
		t.Helper()
		out := must(f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}))
		if out.StatusCode != 202 || len(out.Payload) > 0 {
			t.Errorf("an event is answered with %+v", out)
		}
	}
	meet := `{"do":"meet","text":"` + m.url + `"}`
	send(`{"do":"fail"}`)
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute} { // and no third
		if got := <-pauses; got != want {
			t.Errorf("a retry came after %s, not %s", got, want)
		}
	}
	// An event whose sandbox is lost with the simulator is tried again by the next one.
	send(meet)
	<-m.arrived
	f.close()
	f.open()
	<-m.arrived
	// Without retries it is not.
	must(f.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, MaximumRetryAttempts: awssdk.Int32(0)}))
	f.close()
	f.open()
	send(`{"do":"fail"}`)
	close(m.letGo)
	send(meet)
	<-m.arrived
	if len(m.arrived) > 0 || len(pauses) > 0 {
		t.Errorf("%d further attempts, %d pauses", len(m.arrived), len(pauses))
	}
}
