package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sockerless/sockerless/simulators/internal/machine"
)

// RuntimeAddress is where a sandbox finds the Runtime API.
const RuntimeAddress = "169.254.100.1:9001"

type sandboxKey struct{}

// serveRuntime answers the sandboxes of functions: the machine knows whose a connection is.
func (l *Lambda) serveRuntime() {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*sandbox, http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s, ok := r.Context().Value(sandboxKey{}).(*sandbox)
			if !ok {
				http.Error(w, "this is no sandbox of a function", http.StatusForbidden)
				return
			}
			f(s, w, r)
		})
	}
	handle("GET /2018-06-01/runtime/invocation/next", (*sandbox).next)
	handle("POST /2018-06-01/runtime/invocation/{id}/response", (*sandbox).response)
	handle("POST /2018-06-01/runtime/invocation/{id}/error", (*sandbox).failure)
	handle("POST /2018-06-01/runtime/init/error", (*sandbox).initFailure)
	l.runtime.Handler = mux
	l.runtime.ReadHeaderTimeout = time.Minute
	l.runtime.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		l.mu.Lock()
		defer l.mu.Unlock()
		if s := l.sandboxes[c.(*machine.Conn).Container]; s != nil {
			return context.WithValue(ctx, sandboxKey{}, s)
		}
		return ctx
	}
	l.runtime.ErrorLog = slog.NewLogLogger(l.config.Log.Handler(), slog.LevelDebug)
	l.lives.Go(func() {
		err := l.runtime.Serve(l.config.Machine.Listener(RuntimeAddress))
		if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			l.config.Log.Error("the Runtime API serves no more", "error", err)
		}
	})
}

// refuse answers with an error of the Runtime API.
func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure{kind, message}) // the sandbox is gone
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "{\"status\":\"OK\"}\n") // the sandbox is gone
}

// next ends the invocation before, and waits for one.
func (s *sandbox) next(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.current != nil && s.current.answer == nil {
		s.mu.Unlock()
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed: the invocation has no response")
		return
	}
	s.current = nil
	s.mu.Unlock()
	select {
	case s.free <- struct{}{}:
	default:
	}
	var i *invocation
	select {
	case i = <-s.work:
	case <-r.Context().Done():
		return
	case <-s.exited:
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", i.arn)
	h.Set("Lambda-Runtime-Trace-Id", i.trace)
	if i.clientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", i.clientContext)
	}
	_, _ = w.Write(i.payload) // then the sandbox is gone
}

// answer gives the invocation that runs its answer.
func (s *sandbox) answer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostResponse+1))
	if err != nil {
		return // the sandbox is gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current == nil || s.current.id != r.PathValue("id"):
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	case s.current.answer != nil:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed: the invocation has a response")
	case len(body) > mostResponse:
		s.current.answer = failure{"Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."}.result()
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
	default:
		s.current.answer = &result{payload: body, failed: failed}
		if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
			s.current.answer = failure{kind, "the response broke off"}.result()
		}
		accept(w)
	}
}

func (s *sandbox) response(w http.ResponseWriter, r *http.Request) { s.answer(w, r, false) }

func (s *sandbox) failure(w http.ResponseWriter, r *http.Request) { s.answer(w, r, true) }

func (s *sandbox) initFailure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostResponse))
	if err != nil {
		return // the sandbox is gone
	}
	if len(body) == 0 {
		body, _ = json.Marshal(failure{orText(r.Header.Get("Lambda-Runtime-Function-Error-Type"), "Runtime.Unknown"), ""}) // of strings
	}
	select {
	case s.initFailed <- &result{payload: body, failed: true}:
	default: // it has said so before
	}
	accept(w)
}

// environ is what a sandbox's process finds in its environment.
func (s *sandbox) environ() []string {
	d := s.d
	name, region := aws.ToString(d.FunctionName), d.Region
	var env []string
	if d.Environment != nil {
		for k, v := range d.Environment.Variables {
			env = append(env, k+"="+v)
		}
	}
	handler := ""
	if len(d.Command) > 0 {
		handler = d.Command[0]
	}
	return append(env, "AWS_LAMBDA_FUNCTION_NAME="+name, "AWS_LAMBDA_FUNCTION_VERSION="+latest, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(int(aws.ToInt32(d.MemorySize))),
		"AWS_LAMBDA_LOG_GROUP_NAME="+aws.ToString(d.LoggingConfig.LogGroup), "AWS_LAMBDA_LOG_STREAM_NAME="+s.stream, "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_RUNTIME_API="+RuntimeAddress, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region, "_HANDLER="+handler, "TZ=:UTC", "LANG=en_US.UTF-8",
		"LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime")
}

// trace is a new id of X-Ray, of a call that is not sampled.
func trace(id string, at int64) string {
	plain := strings.ReplaceAll(id, "-", "")
	return "Root=1-" + strconv.FormatInt(at, 16) + "-" + plain[:24] + ";Parent=" + plain[16:] + ";Sampled=0"
}
