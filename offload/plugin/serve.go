package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
)

// Host is what a driver gets of the server.
type Host struct {
	images string
	agents map[string]string
}

// Agent is the path of the agent's program for an architecture. Errors: errdefs.ErrFailedPrecondition.
func (h *Host) Agent(architecture string) (string, error) {
	if path := h.agents[architecture]; path != "" {
		return path, nil
	}
	return "", errdefs.ErrFailedPrecondition.WithMessage("there is no agent for linux/" + architecture + ": `make build` puts it beside the server's program")
}

// Image is an image of the server, by id, as the archive that `docker save` writes. It must be closed.
func (h *Host) Image(ctx context.Context, id string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server/images/"+id, nil)
	if err != nil {
		return nil, err
	}
	answer, err := over(h.images).Do(request)
	if err != nil {
		return nil, fmt.Errorf("read image %s from the server: %w", id, err)
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, readError(answer)
	}
	return answer.Body, nil
}

// over is a client of a unix socket.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}}}
}

// Serve is the program: it reads a [Start] from in, makes its driver, and serves that until in ends.
func Serve(ctx context.Context, in io.Reader, open func(ctx context.Context, s Start, h *Host) (offload.Driver, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	input := json.NewDecoder(in)
	var s Start
	if err := input.Decode(&s); err != nil {
		return fmt.Errorf("this is started by a server: %w", err)
	}
	go func() { // ends with the server
		_, _ = io.Copy(io.Discard, io.MultiReader(input.Buffered(), in))
		cancel()
	}()
	driver, err := open(ctx, s, &Host{s.Images, s.Agents})
	if err != nil {
		return err
	}
	if err := os.Remove(s.Socket); err != nil && !errors.Is(err, os.ErrNotExist) { // of an earlier one
		return err
	}
	l, err := net.Listen("unix", s.Socket)
	if err != nil {
		return err
	}
	server := http.Server{Handler: handler(driver), ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler has one path a method.
func handler(d offload.Driver) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/about", method(func(context.Context, struct{}) (about, error) {
		a := about{Name: d.Name(), Limits: d.Limits()}
		if p, ok := d.(offload.Pacer); ok {
			a.Pace = p.Pace()
		}
		return a, nil
	}))
	mux.Handle("/check", method(func(ctx context.Context, _ struct{}) (c checked, err error) {
		if d, ok := d.(offload.Checker); ok {
			var failed error
			if c.Findings, failed = d.Check(ctx); failed != nil {
				c.Failed = failed.Error()
			}
		}
		return c, nil
	}))
	mux.Handle("/price", method(func(_ context.Context, s runtime.Size) (p price, err error) {
		p.PerSecond, p.Known = d.Price(s)
		return p, nil
	}))
	mux.Handle("/run", method(d.Run))
	mux.Handle("/describe", method(d.Describe))
	mux.Handle("/list", method(d.List))
	mux.Handle("/stop", method(func(ctx context.Context, s stopping) (struct{}, error) {
		return struct{}{}, d.Stop(ctx, s.Handle, s.Grace)
	}))
	mux.Handle("/remove", method(func(ctx context.Context, h offload.Handle) (struct{}, error) { return struct{}{}, d.Remove(ctx, h) }))
	return mux
}

func method[In, Out any](f func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			writeError(w, errdefs.ErrInvalidArgument.WithMessage(err.Error()))
			return
		}
		out, err := f(r.Context(), in)
		if err != nil {
			writeError(w, err)
			return
		}
		_ = json.NewEncoder(w).Encode(out) // who asked is gone
	})
}
