package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/account"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// Host has the processes and the files of the container that this process is in.
type Host struct {
	config   Config
	children *children
	cgroup   *os.File // directory of the container's processes; nil without Config.Cgroup

	connections *connections

	ctx        context.Context // ends with the host: output that nobody takes does not hold it up
	stop       context.CancelFunc
	done       chan struct{} // closed at last: nobody reaps any more
	running    sync.WaitGroup
	reading    sync.WaitGroup
	watching   sync.WaitGroup
	terminated chan os.Signal

	life  sync.RWMutex // held for reading while a process is started, for writing while the container ends
	alive bool         // there is a first process, and it has not ended

	mu    sync.Mutex
	spec  *agentpb.Container // nil before Open
	first agent.Process      // nil while none runs
	owner account.Account    // of the first process

	changing sync.Mutex       // held while layers come in and go out
	base     *node            // files at the first Open; nil with Config.Upper
	sent     *node            // files as the other side knows them; nil before it knows any
	mounted  map[string]*node // the same of what is mounted, by target
	held     map[string]*node // what mounted becomes once the other side says that it has the last Delta
}

var _ agent.Host = (*Host)(nil)

// New makes the host of the container that this process is in. Until Shutdown it waits for all child processes of this
// process and takes its signals.
func New(config Config) (*Host, error) {
	if err := withhold(config.Withhold); err != nil {
		return nil, err
	}
	h := &Host{config: config, mounted: map[string]*node{}, held: map[string]*node{}, done: make(chan struct{}), terminated: make(chan os.Signal, 1)}
	if config.Cgroup != "" {
		dir, err := os.Open(config.Cgroup)
		if err != nil {
			return nil, fmt.Errorf("open the cgroup for the container's processes: %w", err)
		}
		h.cgroup = dir
	}
	h.connections = newConnections(config)
	err := unignore()
	if err != nil {
		return nil, err
	}
	if h.children, err = newChildren(); err != nil {
		return nil, err
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.watching.Go(func() { h.children.watch(h.done, h.forward) })
	return h, nil
}

// Terminated gets a signal that asks this process to end while there is nothing that it could be for.
func (h *Host) Terminated() <-chan os.Signal { return h.terminated }

// forward hands a signal on to the process group of the container's first process.
func (h *Host) forward(s syscall.Signal) {
	h.mu.Lock()
	first := h.first
	h.mu.Unlock()
	if first != nil {
		_ = first.Signal(-int(s)) // it has just ended
		return
	}
	if s == syscall.SIGTERM || s == syscall.SIGINT {
		select {
		case h.terminated <- s:
		default: // told already
		}
	}
}

// Shutdown kills all processes and returns when their ends are told.
func (h *Host) Shutdown() {
	h.stop()
	h.life.Lock() // a start that is under way is the last one
	h.mu.Lock()
	first := h.first
	h.mu.Unlock()
	h.life.Unlock()
	if first != nil {
		_ = first.Signal(int(syscall.SIGKILL)) // it has just ended
	}
	h.running.Wait()
	h.children.killAll()
	h.reading.Wait()
	close(h.done)
	h.watching.Wait()
	if h.cgroup != nil {
		_ = h.cgroup.Close()
	}
	h.connections.close()
}

// enter takes the container's description. This agent has one container.
func (h *Host) enter(c *agentpb.Container) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.config.Container
	if known == "" && h.spec != nil {
		known = h.spec.GetId()
	}
	if known != "" && c.GetId() != known {
		return errdefs.ErrNotFound.WithMessage("this agent is that of container " + known + ", not of " + c.GetId())
	}
	h.spec = c
	return h.connections.begin(c)
}

// check tells whether a container is this one, and open.
func (h *Host) check(id string) (*agentpb.Container, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.spec == nil || h.spec.GetId() != id {
		return nil, errdefs.ErrNotFound.WithMessage("the agent has no container " + id)
	}
	return h.spec, nil
}

// directory is where the agent keeps its own files.
func (h *Host) directory() string {
	if h.config.Directory != "" {
		return h.config.Directory
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.spec.GetDirectory()
}

// Open takes the container's description and, at the first time, notes how the files are.
func (h *Host) Open(_ context.Context, c *agentpb.Container) error {
	if err := h.enter(c); err != nil {
		return err
	}
	if h.config.Upper != "" {
		return nil
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.base != nil {
		return nil
	}
	base, err := loadBase(filepath.Join(h.directory(), baseName))
	if err != nil {
		return fmt.Errorf("note the files of container %s: %w", c.GetId(), err)
	}
	h.base = base
	return nil
}

// Close forgets the container.
func (h *Host) Close(_ context.Context, id string) error {
	if _, err := h.check(id); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first != nil {
		return errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is running")
	}
	h.spec = nil
	return nil
}

// Start runs the container's first process, or makes the container a twin.
func (h *Host) Start(ctx context.Context, c *agentpb.Container, p *agentpb.Process, out agent.Sink) (agent.Process, error) {
	if err := h.Open(ctx, c); err != nil {
		return nil, err
	}
	h.life.Lock()
	defer h.life.Unlock()
	h.mu.Lock()
	busy := h.first != nil
	h.mu.Unlock()
	if busy || h.ctx.Err() != nil {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + c.GetId() + " is already running, or the agent is ending")
	}
	var first agent.Process
	if len(p.GetArgs()) == 0 {
		t := &twin{host: h, out: out, end: make(chan int, 1)}
		h.running.Go(t.follow)
		first = t
	} else {
		started, err := h.start(p, out, true)
		if err != nil {
			return nil, err
		}
		first = started
	}
	h.alive = true
	h.mu.Lock()
	h.first = first
	h.mu.Unlock()
	return first, nil
}

// Exec runs another process.
func (h *Host) Exec(_ context.Context, id string, p *agentpb.Process, out agent.Sink) (agent.Process, error) {
	if _, err := h.check(id); err != nil {
		return nil, err
	}
	if len(p.GetArgs()) == 0 {
		return nil, errdefs.ErrInvalidArgument.WithMessage("no command specified")
	}
	h.life.RLock()
	defer h.life.RUnlock()
	if !h.alive {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	return h.start(p, out, false)
}

// endContainer kills what is left when the first process has ended.
func (h *Host) endContainer() {
	h.life.Lock() // Start has it until first is set
	h.alive = false
	h.life.Unlock()
	h.children.killAll()
}

// ended makes room for the next run.
func (h *Host) ended(first agent.Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == first {
		h.first = nil
	}
}

// Pause stops all processes of the container, or lets them go on: by the cgroup where there is one, else by signals.
func (h *Host) Pause(_ context.Context, id string, paused bool) error {
	if _, err := h.check(id); err != nil {
		return err
	}
	h.life.RLock()
	defer h.life.RUnlock()
	if !h.alive {
		return errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	if h.config.Cgroup != "" {
		state := "0"
		if paused {
			state = "1"
		}
		if err := os.WriteFile(filepath.Join(h.config.Cgroup, "cgroup.freeze"), []byte(state), 0); err != nil {
			return fmt.Errorf("freeze the container's cgroup: %w", err)
		}
		return nil
	}
	if paused {
		stopAll()
	} else {
		signalAll(syscall.SIGCONT)
	}
	return nil
}

// Promote is for sandboxes.
func (h *Host) Promote(context.Context, *agentpb.PromoteRequest) (*agentpb.PromoteReply, error) {
	return nil, errdefs.ErrNotImplemented.WithMessage("a native container needs no twin")
}

// Network serves the container's connections.
func (h *Host) Network(ctx context.Context, stream io.ReadWriteCloser) error {
	return h.connections.serve(ctx, stream)
}

// cgroupDirs are where the files of the container's cgroup may be: of version 2, and of the memory controller of version 1.
func (h *Host) cgroupDirs() []string {
	if h.config.Cgroup != "" {
		return []string{h.config.Cgroup}
	}
	return []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory"}
}

// outOfMemory counts the processes that the container's cgroup has killed for want of memory.
func (h *Host) outOfMemory() int64 {
	for _, dir := range h.cgroupDirs() {
		for _, name := range []string{"memory.events", "memory.oom_control"} {
			if n, ok := cgroupValue(filepath.Join(dir, name), "oom_kill"); ok {
				return n
			}
		}
	}
	return 0
}

// cgroupValue reads a value from a file of "key value" lines; with key "" the file's only number.
func cgroupValue(file, key string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case key == "" && len(f) == 1:
			n, err := strconv.ParseInt(f[0], 10, 64)
			return n, err == nil
		case len(f) == 2 && f[0] == key:
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// classified gives a file's error the class that the engine makes an HTTP status of.
func classified(err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return errors.Join(errdefs.ErrNotFound, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS):
		return errors.Join(errdefs.ErrPermissionDenied, err)
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENAMETOOLONG):
		return errors.Join(errdefs.ErrInvalidArgument, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errors.Join(errdefs.ErrResourceExhausted, err)
	}
	return err
}
