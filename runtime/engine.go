package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	imagestore "github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
)

// restAfter is how long nothing must have happened before the server gives memory that it does not use back to the system:
// Go alone keeps what the busiest moment needed for minutes, and much of it for ever.
const restAfter = 10 * time.Second

// Config is what an [Engine] stands on.
type Config struct {
	DataDir    string // folder of containers/ and volumes/; must exist
	InstanceID string // of this installation, as docker info shows it
	Version    string // of this program
	GitCommit  string
	BuildTime  string
	Log        *slog.Logger       // nil discards
	Backend    Backend            // the sandbox
	Offload    Offloader          // nil: nothing leaves the sandbox
	Status     func() [][2]string // names and values for docker info; nil is none
	State      state.Store
	Images     *imagestore.Store
	// Egress decides whether a container may connect from this machine to an address, "ip:port", that is none of a container, or ask
	// DNS for a name that none has, "example.com."; the error says why not. Nil allows all, as Docker does. It does not open the way
	// to what is always closed: the metadata of clouds.
	Egress func(container, address string) error
	// Gateway is what the gateway of a network stands for; the zero value is this machine's address that is not loopback.
	Gateway netip.Addr
	// Within connects a container to an address, "ip:port", at which this program itself serves its containers, and tells with ok
	// whether the address is one: so a simulated cloud has metadata of its own. Nil is none.
	Within func(ctx context.Context, container, address string) (conn net.Conn, ok bool, err error)
	// Admit decides whether a connection of a container is let through, whose error says why not: the container sees one that has timed
	// out, as behind a firewall that drops. Nil lets all through.
	Admit func(c Connection) error
	// Sockets are the paths at which this engine's API is on this machine. A bind of one is no file of the machine in a container, but
	// a socket there, whose connections Connect opens: the API, limited to what that container may do. Nil refuses them.
	Sockets []string
	Connect func(ctx context.Context, container string) (net.Conn, error)
	// Binds are the folders of this machine that clients which do not have the server's rights may mount, see [Untrusted].
	Binds []string
}

// Connection is one that a container asks for.
type Connection struct {
	Network string     // name of the container's network that it goes by
	From    netip.Addr // of the container in that network
	Proto   string     // "tcp", "udp"
	To      netip.AddrPort
	Inside  bool // to a container of the network; else to this machine, or beyond
}

// Engine is the set of containers of a server. All methods may be called concurrently.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	events  *journal
	rest    *time.Timer // runs out when no event has come for restAfter
	volumes *volumes
	nets    *networks

	// ctx ends when the engine closes; background counts what it started.
	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup

	networks sync.Map // network's name → the endpoints of all containers that are in it alone, see [Engine.shareNetworks]

	mu         sync.RWMutex
	closed     bool
	containers map[string]*container // by id
	names      map[string]string     // name → id
	execs      map[string]*execution // by id
	agents     map[string]*link      // by agent id
}

// New loads the records, finds the agents that still run, and settles what happened meanwhile.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	e := &Engine{
		cfg: cfg, log: cfg.Log, started: time.Now(), events: newJournal(),
		containers: map[string]*container{}, names: map[string]string{},
		execs: map[string]*execution{}, agents: map[string]*link{},
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.rest = time.AfterFunc(restAfter, debug.FreeOSMemory)
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, dir := range []string{"containers", "volumes"} {
		if err := os.MkdirAll(filepath.Join(cfg.DataDir, dir), 0o700); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
	}
	var err error
	if e.volumes, err = loadVolumes(cfg.State, filepath.Join(cfg.DataDir, "volumes")); err != nil {
		return nil, err
	}
	if e.nets, err = loadNetworks(cfg.State, cfg.InstanceID, e.started); err != nil {
		return nil, err
	}
	if err := e.load(); err != nil {
		return nil, err
	}
	if err := e.recover(ctx); err != nil {
		return nil, errors.Join(err, e.Close(ctx))
	}
	return e, nil
}

// Close ends what the engine does; containers go on running.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.rest.Stop()
	e.mu.Unlock()
	e.cancel()
	done := make(chan struct{})
	go func() { // ends with the last background goroutine, all of which see e.ctx end
		e.background.Wait()
		close(done)
	}()
	select {
	case <-done:
		for _, c := range e.all() {
			e.closeMirrors(c)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close engine: %w", ctx.Err())
	}
}

// spawn runs f in the background until it returns; Close waits for it. Nothing is run once the engine is closed.
func (e *Engine) spawn(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.background.Go(f)
	}
}

// lookup finds a container by its id, its name, or the unambiguous beginning of its id, in this order, as dockerd does.
func (e *Engine) lookup(ref string) (*container, error) {
	if ref == "" {
		return nil, errdefs.ErrInvalidArgument.WithMessage("invalid empty id")
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if c := e.containers[ref]; c != nil {
		return c, nil
	}
	if id, ok := e.names[strings.TrimPrefix(ref, "/")]; ok && e.containers[id] != nil {
		return e.containers[id], nil
	}
	var found *container
	if isHex(ref) {
		for id, c := range e.containers {
			if !strings.HasPrefix(id, ref) {
				continue
			}
			if found != nil {
				return nil, errdefs.ErrInvalidArgument.WithMessage("Multiple IDs found with provided prefix: " + ref)
			}
			found = c
		}
	}
	if found == nil {
		return nil, errdefs.ErrNotFound.WithMessage("No such container: " + ref)
	}
	return found, nil
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// all returns the containers, the newest first.
func (e *Engine) all() []*container {
	e.mu.RLock()
	list := slices.Collect(maps.Values(e.containers))
	e.mu.RUnlock()
	slices.SortFunc(list, func(a, b *container) int { return b.record().Created.Compare(a.record().Created) })
	return list
}

// directory is where a container's files and output are; it may not exist.
func (e *Engine) directory(id string) string { return filepath.Join(e.cfg.DataDir, "containers", id) }
