package wasi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/agent"
)

// CellConfig is how a cell process runs.
type CellConfig struct {
	Socket  string // path of the unix socket to serve, not there yet
	Version string // of the binary
	// Ready, if it is not nil, gets a line when the socket is there.
	Ready io.Writer
	Log   *slog.Logger
	// Idle is how long a cell without running containers and without a server lives on; 0 is 30 s.
	Idle time.Duration
	// Linger is Idle for a cell that has exit codes which no server has acknowledged; 0 is 24 hours.
	Linger time.Duration
}

const (
	defaultIdle   = 30 * time.Second
	defaultLinger = 24 * time.Hour
	// socketCheck is how often a cell looks whether its socket is still there: without it no server finds the cell.
	socketCheck = 10 * time.Second
	// restAfter is how long nothing must have happened before a cell gives memory that it does not use back to the system.
	restAfter = 10 * time.Second
)

// RunCell serves a cell until ctx ends, or until it has had neither running containers nor a connection for a while,
// or its socket was removed, or it gets SIGTERM when nothing is left to be done. It takes no notice of the signals of the
// server's terminal. Containers that still run at the end are killed.
func RunCell(ctx context.Context, config CellConfig) error {
	if config.Idle == 0 {
		config.Idle = defaultIdle
	}
	if config.Linger == 0 {
		config.Linger = defaultLinger
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	l, err := listen(config.Socket)
	if err != nil {
		return err
	}
	connections := &countingListener{Listener: l, changed: make(chan struct{}, 1)}
	cell := NewCell()
	server := agent.NewServer(cell, agent.ServerConfig{ID: newID(), Version: config.Version})
	cell.needNative = server.NeedNative

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, connections) }()
	if config.Ready != nil {
		// The server that started this cell may be gone already: then another one will find it.
		_, _ = fmt.Fprintln(config.Ready, "ready")
	}
	config.Log.Info("cell serves", "socket", config.Socket, "version", config.Version)
	reason := watch(ctx, config, server, connections, signals)
	config.Log.Info("cell ends", "reason", reason)
	stop(nil)
	err = <-served
	if closeErr := cell.CloseAll(); err == nil {
		err = closeErr
	}
	_ = os.Remove(config.Socket) // closing the listener has removed it, where it was still there
	return err
}

// watch returns why the cell has to end.
func watch(ctx context.Context, config CellConfig, server *agent.Server, connections *countingListener, signals <-chan os.Signal) string {
	idle := time.NewTimer(config.Idle)
	defer idle.Stop()
	check := time.NewTicker(socketCheck)
	defer check.Stop()
	rest := time.NewTimer(restAfter)
	defer rest.Stop()
	for {
		rest.Reset(restAfter)
		changed := server.Changed()
		running, _ := server.Activity()
		kept := server.Unacknowledged()
		switch {
		case running > 0 || connections.open.Load() > 0:
			idle.Stop()
		case kept > 0:
			idle.Reset(config.Linger)
		default:
			idle.Reset(config.Idle)
		}
	waiting:
		for {
			select {
			case <-ctx.Done():
				return "told to"
			case <-idle.C:
				return "idle"
			case s := <-signals:
				if s == syscall.SIGTERM && running == 0 && kept == 0 {
					return s.String()
				}
			case <-rest.C:
				debug.FreeOSMemory()
			case <-check.C:
				if _, err := os.Lstat(config.Socket); errors.Is(err, fs.ErrNotExist) {
					return "its socket was removed"
				}
			case <-changed:
				break waiting
			case <-connections.changed:
				break waiting
			}
		}
	}
}

// listen makes the socket, for this user only. A socket that another cell serves is an error.
func listen(name string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", name, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("listen on %s: another cell serves it", name)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the dead socket %s: %w", name, err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("restrict %s: %w", name, err)
	}
	return l, nil
}

// countingListener counts the connections that are open.
type countingListener struct {
	net.Listener
	open    atomic.Int64
	changed chan struct{} // has a value after each change
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.count(1)
	return &countedConn{Conn: c, l: l}, nil
}

func (l *countingListener) count(n int64) {
	l.open.Add(n)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

type countedConn struct {
	net.Conn
	l      *countingListener
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.l.count(-1)
	}
	return c.Conn.Close()
}

// newID is an instance id: 128 random bits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
