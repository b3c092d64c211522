package wasi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sockerless/sockerless/agent"
)

// A cell's files in the runtime directory: its socket, and what it says on standard error.
const (
	cellPrefix   = "cell-"
	socketSuffix = ".sock"
	logSuffix    = ".log"
	// maxSocketPath is what a unix socket's address may have on every system (macOS: 104 with the zero byte).
	maxSocketPath = 103
	// redial is the pause before a watching connection that was lost is made again.
	redial = 50 * time.Millisecond
)

// remote is a cell as the server has it.
type remote struct {
	socket  string
	client  *agent.Client
	process *os.Process // nil for a cell that an earlier server started
	exited  chan struct{}
}

// ownEnv is what a cell has of the server's environment: what Go and the system need. The rest may be secrets, which are nothing
// for a process that runs containers.
func ownEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.Contains([]string{
			"GOCOVERDIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GORACE", "GOTRACEBACK", "HOME", "PATH", "TMPDIR", "TZ", "ZONEINFO",
			"LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", // of Windows
		}, strings.ToUpper(name))
	})
}

// spawn starts a cell process and connects to it.
func (s *Sandbox) spawn(ctx context.Context) (*remote, error) {
	if err := os.MkdirAll(s.config.RuntimeDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the runtime directory: %w", err)
	}
	base := filepath.Join(s.config.RuntimeDir, cellPrefix+newID()[:8])
	socket := base + socketSuffix
	if len(socket) > maxSocketPath {
		return nil, fmt.Errorf("the runtime directory's path is too long for a unix socket (%d bytes of %d): %s", len(socket), maxSocketPath, socket)
	}
	log, err := os.OpenFile(base+logSuffix, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the log of a cell: %w", err)
	}
	defer log.Close()
	c := exec.Command(s.config.Executable, append(append([]string{}, s.config.Arguments...), "--socket", socket)...)
	c.Env = append(ownEnv(), s.config.Env...)
	c.Stderr = log
	detach(c)
	ready, stdout, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a cell: %w", err)
	}
	defer ready.Close()
	c.Stdout = stdout
	err = c.Start()
	_ = stdout.Close()
	if err != nil {
		return nil, fmt.Errorf("start a cell: %w", err)
	}
	r := &remote{socket: socket, process: c.Process, exited: make(chan struct{})}
	go func() {
		_ = c.Wait() // how a cell ended is in its log
		close(r.exited)
	}()
	unblock := context.AfterFunc(ctx, func() { _ = ready.Close() })
	line, err := bufio.NewReader(ready).ReadString('\n')
	unblock()
	if line == "ready\n" {
		r.client, err = agent.Dial(ctx, target(socket), s.config.Server)
	} else if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err == nil || errors.Is(err, io.EOF) {
		err = errors.New(lastLine(base + logSuffix))
	}
	if err != nil {
		_ = c.Process.Kill()
		return nil, fmt.Errorf("start a cell: %w", err)
	}
	return r, nil
}

// target is a socket as gRPC names it.
func target(socket string) string { return "unix:" + socket }

// lastLine is the last thing that a cell said before it ended.
func lastLine(log string) string {
	text, err := os.ReadFile(log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := lines[len(lines)-1]; err == nil && last != "" {
		return last
	}
	return "it ended without a word, see " + log
}

// watch waits for the end of a cell: of the process where it is a child, else of a connection that is
// made for that, since the client's own ones come and go.
func (s *Sandbox) watch(ctx context.Context, r *remote) error {
	if r.process != nil {
		select {
		case <-r.exited:
			return fmt.Errorf("the sandbox process (pid %d) has died", r.process.Pid)
		case <-ctx.Done():
			return nil
		}
	}
	for {
		connection, err := net.DialTimeout("unix", r.socket, time.Second)
		if err != nil {
			return errors.New("the sandbox process has died")
		}
		// It says nothing and ends with the cell, or when the cell gives up waiting for its first words.
		unblock := context.AfterFunc(ctx, func() { _ = connection.Close() })
		_, _ = io.Copy(io.Discard, connection)
		unblock()
		_ = connection.Close()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(redial):
		}
	}
}
