package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
)

// Images are the server's images.
type Images interface {
	// Save writes an image, by id, as the archive that `docker load` takes.
	Save(ctx context.Context, id digest.Digest, w io.Writer) error
}

// Config is what a driver in another process is made of.
type Config struct {
	Program  []string // and its arguments
	Type     string   // of the backend
	Settings any      // as the type has them
	Sockets  string   // beginning of the paths of its two sockets: short, of this backend of this server only
	Images   Images
	Agents   map[string]string // architecture → path of the agent's program
	Log      *slog.Logger
}

// Driver is the other process.
type Driver struct {
	config  Config
	about   about
	client  *http.Client
	images  http.Server
	serving sync.WaitGroup

	mu      sync.Mutex
	process *process // nil where it does not run
	closed  bool
}

var (
	_ offload.Driver  = (*Driver)(nil)
	_ offload.Pacer   = (*Driver)(nil)
	_ offload.Checker = (*Driver)(nil)
)

// process is a run of the program.
type process struct {
	stdin io.Closer
	ended chan struct{} // closed after err is set
	err   error
	// answered tells that it was ready: if it ends then, it is worth another start.
	answered atomic.Bool
}

// New starts the program and learns what it can do.
func New(ctx context.Context, config Config) (*Driver, error) {
	d := &Driver{config: config, client: over(config.Sockets + ".sock")}
	if err := os.Remove(d.imagesSocket()); err != nil && !errors.Is(err, os.ErrNotExist) { // of an earlier server
		return nil, err
	}
	l, err := net.Listen("unix", d.imagesSocket())
	if err != nil {
		return nil, fmt.Errorf("serve images to the driver: %w", err)
	}
	d.images.Handler, d.images.ReadHeaderTimeout = http.HandlerFunc(d.image), time.Minute
	d.serving.Go(func() { _ = d.images.Serve(l) }) // its end is Close
	if err := d.call(ctx, "/about", struct{}{}, &d.about); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Driver) imagesSocket() string { return d.config.Sockets + "-images.sock" }

// image serves /images/ID.
func (d *Driver) image(w http.ResponseWriter, r *http.Request) {
	id, err := digest.Parse(strings.TrimPrefix(r.URL.Path, "/images/"))
	if err != nil {
		writeError(w, errdefs.ErrInvalidArgument.WithMessage(err.Error()))
		return
	}
	begun := &began{Writer: w}
	err = d.config.Images.Save(r.Context(), id, begun)
	switch {
	case err == nil:
	case begun.yes:
		panic(http.ErrAbortHandler) // so that it is not taken for whole
	default:
		writeError(w, err)
	}
}

// began tells whether anything was written.
type began struct {
	io.Writer
	yes bool
}

func (b *began) Write(p []byte) (int, error) {
	b.yes = true
	return b.Writer.Write(p)
}

// Close ends the program.
func (d *Driver) Close() error {
	d.mu.Lock()
	p := d.process
	d.closed = true
	d.mu.Unlock()
	if p != nil {
		_ = p.stdin.Close()
		<-p.ended
	}
	err := d.images.Close()
	d.serving.Wait()
	return err
}

// run gets the program, started if it does not run.
func (d *Driver) run() (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errdefs.ErrUnavailable.WithMessage("the server ends")
	}
	if d.process != nil {
		select {
		case <-d.process.ended:
		default:
			return d.process, nil
		}
	}
	settings, err := json.Marshal(d.config.Settings)
	if err != nil {
		return nil, err
	}
	start, err := json.Marshal(Start{Type: d.config.Type, Settings: settings, Socket: d.config.Sockets + ".sock", Images: d.imagesSocket(), Agents: d.config.Agents})
	if err != nil {
		return nil, err
	}
	if err := os.Remove(d.config.Sockets + ".sock"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var said tail
	command := exec.Command(d.config.Program[0], d.config.Program[1:]...)
	command.Stderr = io.MultiWriter(&said, logWriter{d.config.Log})
	stdin, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err == nil {
		_, err = stdin.Write(append(start, '\n'))
	}
	if err != nil {
		return nil, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("start the driver of %s: %v: `make build` puts it beside the server's program", d.config.Type, err))
	}
	p := &process{stdin: stdin, ended: make(chan struct{})}
	go func() { // ends with the program
		defer close(p.ended)
		err := command.Wait()
		p.err = errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("the driver of %s has ended (%v): %s", d.config.Type, err, said.String()))
	}()
	d.process = p
	return p, nil
}

// tail keeps the beginning of what a program says, which is why it ended if it did at once.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[:min(len(p), 4096-min(len(t.text), 4096))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("driver", "says", strings.TrimSpace(string(p)))
	return len(p), nil
}

// retry is the pause until a program that has just been started is asked again.
const retry = 5 * time.Millisecond

// call asks the program, and waits for one that is just being started.
func (d *Driver) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	p, err := d.run()
	if err != nil {
		return err
	}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://driver"+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		answer, err := d.client.Do(request)
		var connecting *net.OpError
		switch {
		case err == nil:
			p.answered.Store(true)
			return read(answer, out)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &connecting) || connecting.Op != "dial":
			return offload.Transient(fmt.Errorf("ask the driver of %s: %w", d.config.Type, err), 0) // it has ended
		}
		select {
		case <-p.ended:
			if !p.answered.Load() {
				return p.err
			}
			if p, err = d.run(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(retry):
		}
	}
}

func read(answer *http.Response, out any) error {
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return readError(answer)
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

// Name is the platform's.
func (d *Driver) Name() string { return d.about.Name }

// Limits are the platform's.
func (d *Driver) Limits() runtime.Limits { return d.about.Limits }

// Pace is the platform's.
func (d *Driver) Pace() offload.Pace { return d.about.Pace }

// Price is not known while the program cannot be asked.
func (d *Driver) Price(s runtime.Size) (usdPerSecond float64, known bool) {
	var p price
	err := d.call(context.Background(), "/price", s, &p)
	return p.PerSecond, p.Known && err == nil
}

// Check tells what the platform lacks.
func (d *Driver) Check(ctx context.Context) ([]offload.Finding, error) {
	var c checked
	err := d.call(ctx, "/check", struct{}{}, &c)
	if err == nil && c.Failed != "" {
		err = errdefs.ErrFailedPrecondition.WithMessage(c.Failed)
	}
	return c.Findings, err
}

// Run starts a task.
func (d *Driver) Run(ctx context.Context, s offload.Spec) (h offload.Handle, err error) {
	err = d.call(ctx, "/run", s, &h)
	return h, err
}

// Stop ends a task.
func (d *Driver) Stop(ctx context.Context, h offload.Handle, grace time.Duration) error {
	return d.call(ctx, "/stop", stopping{h, grace}, &struct{}{})
}

// Describe tells how tasks are.
func (d *Driver) Describe(ctx context.Context, tasks []offload.Handle) (statuses []offload.Status, err error) {
	err = d.call(ctx, "/describe", tasks, &statuses)
	return statuses, err
}

// List finds an instance's tasks.
func (d *Driver) List(ctx context.Context, instance string) (handles []offload.Handle, err error) {
	err = d.call(ctx, "/list", instance, &handles)
	return handles, err
}

// Remove deletes a task.
func (d *Driver) Remove(ctx context.Context, h offload.Handle) error {
	return d.call(ctx, "/remove", h, &struct{}{})
}
