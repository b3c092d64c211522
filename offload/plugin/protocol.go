package plugin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/containerd/errdefs/pkg/errhttp"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
)

// Start is what the program is told on its standard input, as one line of JSON.
type Start struct {
	Type     string            // "ecs"
	Settings json.RawMessage   // as the type has them
	Socket   string            // path where it is to serve
	Images   string            // path of the server's socket for images
	Agents   map[string]string // architecture → path of the agent's program
}

// about is the answer to /about.
type about struct {
	Name   string
	Limits runtime.Limits
	Pace   offload.Pace
}

type price struct {
	PerSecond float64
	Known     bool
}

// checked is the answer to /check: what was found until it failed, if it did.
type checked struct {
	Findings []offload.Finding
	Failed   string
}

type stopping struct {
	Handle offload.Handle
	Grace  time.Duration
}

// failure is an error as it travels; its class is the status.
type failure struct {
	Message   string
	Transient bool
	After     time.Duration
}

// remote is an error of the other side.
type remote struct {
	text  string
	class error
}

func (r *remote) Error() string { return r.text }
func (r *remote) Unwrap() error { return r.class }

func writeError(w http.ResponseWriter, err error) {
	f := failure{Message: err.Error()}
	var t *offload.TransientError
	if errors.As(err, &t) {
		f.Transient, f.After = true, t.After
	}
	w.WriteHeader(errhttp.ToHTTP(err))
	_ = json.NewEncoder(w).Encode(f) // who asked is gone
}

func readError(answer *http.Response) error {
	var f failure
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		f.Message = answer.Status + ": " + string(text)
	}
	r := &remote{f.Message, errhttp.ToNative(answer.StatusCode)}
	if f.Transient {
		return offload.Transient(r, f.After)
	}
	return r
}
