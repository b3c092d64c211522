package wasi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/runtime"
)

// SandboxConfig is what the backend is made of.
type SandboxConfig struct {
	Executable string   // that is a cell when it is called with Arguments and --socket PATH
	Arguments  []string // nil is "cell"
	Env        []string // added to the server's own
	RuntimeDir string   // for sockets and logs of cells; short, of one data directory only
	Version    string   // of the executable, as its cells say it
	Server     string   // instance id of this server
	Log        *slog.Logger
}

// Sandbox is the backend that runs containers in cells on this machine. One cell is shared by all new containers.
type Sandbox struct {
	config SandboxConfig
	ctx    context.Context // ends at Close
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	cells    map[*remote]bool
	current  *remote  // takes new containers
	starting *attempt // to start a new one
}

// attempt is the start of a cell that several callers may wait for.
type attempt struct {
	done chan struct{}
	cell *remote
	err  error
}

const (
	startTimeout   = 20 * time.Second
	recoverTimeout = 5 * time.Second
)

// NewSandbox makes the backend. It starts nothing yet: see Prepare.
func NewSandbox(config SandboxConfig) *Sandbox {
	if config.Arguments == nil {
		config.Arguments = []string{"cell"}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sandbox{config: config, cells: map[*remote]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Name is "sandbox".
func (s *Sandbox) Name() string { return "sandbox" }

// Prepare starts a cell in the background, so that the first container does not wait for it. It is called after
// Recover, which may have found one.
func (s *Sandbox) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil && s.starting == nil {
		s.begin()
	}
}

// Limits are none.
func (s *Sandbox) Limits() runtime.Limits { return runtime.Limits{} }

// Root is nowhere: a cell's files are its own.
func (s *Sandbox) Root(string) string { return "" }

// Release does nothing: a cell keeps nothing of a container that is closed.
func (s *Sandbox) Release(context.Context, string, bool) error { return nil }

// Acquire returns the cell for new containers, and starts one if there is none of this version.
func (s *Sandbox) Acquire(ctx context.Context, _ runtime.Task) (*agent.Client, error) {
	s.mu.Lock()
	if s.current != nil {
		client := s.current.client
		s.mu.Unlock()
		return client, nil
	}
	a := s.starting
	if a == nil {
		a = s.begin()
	}
	s.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.cell.client, nil
}

// begin starts a cell in the background; the lock is held.
func (s *Sandbox) begin() *attempt {
	a := &attempt{done: make(chan struct{})}
	if s.ctx.Err() != nil {
		a.err = errors.New("the sandbox is closed")
		close(a.done)
		return a
	}
	s.starting = a
	s.tasks.Go(func() {
		ctx, cancel := context.WithTimeoutCause(s.ctx, startTimeout, errors.New("it does not answer"))
		defer cancel()
		a.cell, a.err = s.spawn(ctx)
		s.mu.Lock()
		s.starting = nil
		if a.err == nil {
			s.adopt(a.cell)
			s.current = a.cell
		}
		s.mu.Unlock()
		close(a.done)
	})
	return a
}

// adopt watches over a cell from here on; the lock is held.
func (s *Sandbox) adopt(r *remote) {
	s.cells[r] = true
	s.tasks.Go(func() {
		why := s.watch(s.ctx, r)
		if why == nil {
			return // the server leaves
		}
		s.mu.Lock()
		delete(s.cells, r)
		if s.current == r {
			s.current = nil
		}
		s.mu.Unlock()
		s.config.Log.Warn("a cell is gone", "socket", r.socket, "reason", why)
		r.client.Gone(why)
		_ = r.client.Close()
		s.sweep(r.socket)
	})
}

// sweep removes the files of a dead cell. A log that says nothing goes too.
func (s *Sandbox) sweep(socket string) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.config.Log.Warn("cannot remove the socket of a dead cell", "error", err)
	}
	log := strings.TrimSuffix(socket, socketSuffix) + logSuffix
	if info, err := os.Stat(log); err == nil && info.Size() == 0 {
		_ = os.Remove(log) // it is found again at the next start if this fails
	}
}

// alive says whether somebody serves a socket.
func alive(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// Recover connects to the cells of earlier servers. The newest one of this version takes new containers; those of
// other versions only keep what they have.
func (s *Sandbox) Recover(ctx context.Context) ([]*agent.Client, error) {
	sockets, err := filepath.Glob(filepath.Join(s.config.RuntimeDir, cellPrefix+"*"+socketSuffix))
	if err != nil {
		return nil, fmt.Errorf("look for cells: %w", err)
	}
	var found []*agent.Client
	for _, socket := range sockets {
		if s.knows(socket) {
			continue
		}
		if !alive(socket) {
			s.sweep(socket)
			continue
		}
		dialing, cancel := context.WithTimeout(ctx, recoverTimeout)
		client, err := agent.Dial(dialing, target(socket), s.config.Server)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return found, context.Cause(ctx)
			}
			s.config.Log.Warn("a cell does not answer", "socket", socket, "error", err)
			continue
		}
		r := &remote{socket: socket, client: client}
		s.mu.Lock()
		s.adopt(r)
		if s.current == nil && client.Version() == s.config.Version {
			s.current = r
		}
		s.mu.Unlock()
		found = append(found, client)
	}
	return found, s.sweepLogs()
}

// sweepLogs removes the empty logs of cells that have ended by themselves.
func (s *Sandbox) sweepLogs() error {
	logs, err := filepath.Glob(filepath.Join(s.config.RuntimeDir, cellPrefix+"*"+logSuffix))
	if err != nil {
		return fmt.Errorf("look for logs of cells: %w", err)
	}
	for _, log := range logs {
		socket := strings.TrimSuffix(log, logSuffix) + socketSuffix
		if _, err := os.Lstat(socket); errors.Is(err, fs.ErrNotExist) && !s.knows(socket) {
			s.sweep(socket)
		}
	}
	return nil
}

// knows says whether a cell is this server's already.
func (s *Sandbox) knows(socket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.cells {
		if r.socket == socket {
			return true
		}
	}
	return false
}

// Close lets go of the cells. Those that run containers go on; the others end.
func (s *Sandbox) Close() error {
	s.stop()
	s.tasks.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for r := range s.cells {
		errs = append(errs, r.client.Close())
		if r.process != nil {
			askToEnd(r.process)
		}
	}
	clear(s.cells)
	s.current = nil
	return errors.Join(errs...)
}
