package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// invocation is one attempt to run a function.
type invocation struct {
	id, arn       string
	payload       []byte
	clientContext string
	trace         string
	deadline      time.Time
	answer        *result // guarded by the sandbox that runs it
}

// result is what an invocation came to.
type result struct {
	payload []byte
	failed  bool
	tail    []byte
}

func (l *Lambda) invoke(ctx context.Context, c *wire.Call, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	payload, kind := in.Payload, in.InvocationType
	if kind == "" {
		kind = types.InvocationTypeRequestResponse
	}
	most := mostPayload
	if kind == types.InvocationTypeEvent {
		most = mostEvent
	}
	if len(payload) > most {
		return nil, &types.RequestTooLargeException{Type: user(), Message: aws.String(fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", most))}
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	var any json.RawMessage
	if err := json.Unmarshal(payload, &any); err != nil {
		return nil, &types.InvalidRequestContentException{Type: user(), Message: aws.String("Could not parse request body into json: " + err.Error())}
	}
	if in.DurableExecutionName != nil || in.TenantId != nil {
		return nil, invalid("The simulator has no durable executions or tenants.")
	}
	i := &invocation{id: c.RequestID, arn: aws.ToString(f.FunctionArn), payload: payload, clientContext: decoded(in.ClientContext), trace: trace(c.RequestID, l.config.Now().Unix())}
	switch kind {
	case types.InvocationTypeDryRun:
		return &lambda.InvokeOutput{StatusCode: http.StatusNoContent}, nil
	case types.InvocationTypeEvent:
		return &lambda.InvokeOutput{StatusCode: http.StatusAccepted}, l.accept(ctx, &f, i)
	case types.InvocationTypeRequestResponse:
	default:
		return nil, outOfRange("invocationType", kind, "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	d, err := l.enter(f.key())
	if err != nil {
		return nil, err
	}
	done := make(chan *result, 1)
	l.lives.Go(func() { // it goes on when the client does not wait
		defer l.leave(f.key())
		done <- l.run(d, i)
	})
	select {
	case r := <-done:
		out := &lambda.InvokeOutput{StatusCode: http.StatusOK, Payload: r.payload, ExecutedVersion: aws.String(latest)}
		if r.failed {
			out.FunctionError = aws.String("Unhandled")
		}
		if in.LogType == types.LogTypeTail {
			out.LogResult = aws.String(base64.StdEncoding.EncodeToString(r.tail))
		}
		return out, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func decoded(text *string) string {
	plain, err := base64.StdEncoding.DecodeString(aws.ToString(text))
	if err != nil {
		return ""
	}
	return string(plain)
}

// enter counts an invocation that begins, if there is room for it, and tells with what it runs.
func (l *Lambda) enter(key string) (*deployment, error) {
	f, ok := l.functions.Get(key)
	if !ok {
		return nil, notFound("Function not found: %s", key)
	}
	if f.Serving == nil {
		return nil, conflict("The operation cannot be performed at this time. The function is currently in the following state: %s", f.State)
	}
	if _, hit := l.config.Faults.Hit(faults.Capacity, "lambda", "Invoke"); hit {
		return nil, throttled(types.ThrottleReasonConcurrentInvocationLimitExceeded)
	}
	room := l.unreserved(f.Region, "")
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Reserved != nil {
		if l.busy[key] >= int(*f.Reserved) {
			return nil, throttled(types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)
		}
	} else {
		for other, n := range l.busy {
			if o, ok := l.functions.Get(other); ok && o.Region == f.Region && o.Reserved == nil {
				room -= n
			}
		}
		if room <= 0 {
			return nil, throttled(types.ThrottleReasonConcurrentInvocationLimitExceeded)
		}
	}
	l.busy[key]++
	return f.Serving, nil
}

func (l *Lambda) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[key]--; l.busy[key] == 0 {
		delete(l.busy, key)
	}
}

// run is an invocation from the choice of a sandbox to its result.
func (l *Lambda) run(d *deployment, i *invocation) *result {
	s := l.warm(d)
	cold := s == nil
	if cold {
		var failed *result
		if s, failed = l.initialize(d, i); failed != nil {
			return failed
		}
	}
	s.mu.Lock()
	s.tail = nil
	s.mu.Unlock()
	s.say("START RequestId: %s Version: %s", i.id, latest)
	begun := time.Now()
	timer := time.NewTimer(d.timeLimit())
	defer timer.Stop()
	i.deadline = l.config.Now().Add(d.timeLimit())
	r, usable, status := s.attempt(i, timer.C)
	took := time.Since(begun)
	memory := s.memory()
	if usable = usable && l.serves(d); usable {
		if err := s.freeze(); err != nil {
			l.config.Log.Warn("freeze a sandbox", "sandbox", s.id, "error", err)
			usable = false
		}
	}
	if !usable {
		s.end()
	}
	s.report(i, took, memory, cold, status)
	s.mu.Lock()
	r.tail = s.tail[max(len(s.tail)-mostTail, 0):]
	s.tail = nil
	s.mu.Unlock()
	if usable {
		l.rest(s)
	}
	return r
}

// serves tells whether a deployment is still what its function runs with.
func (l *Lambda) serves(d *deployment) bool {
	f, ok := l.functions.Get(d.Key)
	return ok && f.Serving != nil && aws.ToString(f.Serving.RevisionId) == aws.ToString(d.RevisionId)
}

// attempt gives a sandbox an invocation and waits for its end. usable tells whether the sandbox can run a further one.
func (s *sandbox) attempt(i *invocation, limit <-chan time.Time) (r *result, usable bool, status string) {
	select { // it may have asked twice
	case <-s.free:
	default:
	}
	s.mu.Lock()
	s.current = i
	s.mu.Unlock()
	work := s.work
	for {
		select {
		case work <- i:
			work = nil
		case <-s.free:
			s.mu.Lock()
			defer s.mu.Unlock()
			return i.answer, true, ""
		case <-s.exited:
			s.mu.Lock()
			answer := i.answer
			s.mu.Unlock()
			if answer != nil {
				return answer, false, ""
			}
			f := s.exit.failureOf(i.id)
			s.say("%s", f.Message)
			s.say("%s", f.Type)
			return f.result(), false, "\tStatus: error\tError Type: " + f.Type
		case <-limit:
			return s.timedOut(i).result(), false, "\tStatus: timeout"
		case <-s.l.ctx.Done():
			return failure{"Sandbox.Failure", "RequestId: " + i.id + " Error: the sandbox is lost"}.result(), false, ""
		}
	}
}

func (s *sandbox) timedOut(i *invocation) failure {
	text := fmt.Sprintf("Task timed out after %.2f seconds", s.d.timeLimit().Seconds())
	s.say("%s %s %s", s.l.config.Now().UTC().Format("2006-01-02T15:04:05.000Z"), i.id, text)
	return failure{"Sandbox.Timedout", "RequestId: " + i.id + " Error: " + text}
}

// report ends an invocation in the log.
func (s *sandbox) report(i *invocation, took time.Duration, memory int64, cold bool, status string) {
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	s.say("END RequestId: %s", i.id)
	billed, first := took, ""
	if cold {
		billed += s.ready
		first = fmt.Sprintf("\tInit Duration: %.2f ms", milliseconds(s.ready))
	}
	used := "" // of a sandbox that has ended it is not known
	if memory > 0 {
		used = fmt.Sprintf("\tMax Memory Used: %d MB", memory)
	}
	s.say("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB%s%s%s",
		i.id, milliseconds(took), (billed + time.Millisecond - 1).Milliseconds(), aws.ToInt32(s.d.MemorySize), used, first, status)
}

// initialize starts a sandbox and waits until it asks for work: for ten seconds, and then once more, as a part of the invocation, for
// as long as that may take.
func (l *Lambda) initialize(d *deployment, i *invocation) (*sandbox, *result) {
	if r, hit := l.config.Faults.Hit(faults.Attach, "lambda", "sandbox"); hit {
		select {
		case <-time.After(r.For):
		case <-l.ctx.Done():
		}
	}
	var failed *result
	for again, limit := range []time.Duration{initLimit, d.timeLimit()} {
		s, err := l.newSandbox(d)
		if err != nil {
			return nil, failure{"Runtime.InvalidEntrypoint", "RequestId: " + i.id + " Error: " + err.Error()}.result()
		}
		timer := time.NewTimer(limit)
		var kind string
		select {
		case <-s.free:
			timer.Stop()
			s.ready = l.config.Now().Sub(s.began)
			return s, nil
		case failed = <-s.initFailed:
			kind = "error\tError Type: Runtime.Unknown"
			var told failure
			if json.Unmarshal(failed.payload, &told) == nil && told.Type != "" {
				kind = "error\tError Type: " + told.Type
			}
		case <-s.exited:
			f := s.exit.failureOf(i.id)
			kind, failed = "error\tError Type: "+f.Type, f.result()
		case <-timer.C:
			kind, failed = "timeout", s.timedOut(i).result()
		case <-l.ctx.Done():
			failed = failure{"Sandbox.Failure", "RequestId: " + i.id + " Error: the sandbox is lost"}.result()
		}
		timer.Stop()
		s.end()
		s.say("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: %s", float64(l.config.Now().Sub(s.began).Microseconds())/1000, kind)
		if again > 0 {
			s.say("START RequestId: %s Version: %s", i.id, latest)
			s.report(i, l.config.Now().Sub(s.began), 0, false, "\tStatus: "+kind)
		}
		s.mu.Lock()
		failed.tail = s.tail[max(len(s.tail)-mostTail, 0):]
		s.mu.Unlock()
		if l.ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}
