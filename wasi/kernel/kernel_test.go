package kernel_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// machine is a table whose programs are functions of the test.
type machine struct {
	t        *testing.T
	table    *kernel.Table
	programs map[string]kernel.Program
	out      output
	status   kernel.WaitStatus
	ended    chan struct{}
}

// output collects what processes write.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Read(context.Context, []byte) (int, error) { return 0, io.EOF }
func (o *output) Close() error                              { return nil }

func (o *output) Write(_ context.Context, b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func newMachine(t *testing.T, programs map[string]kernel.Program, beyond ...kernel.Network) *machine {
	t.Helper()
	root, err := rootfs.OpenOverlay(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	tree := rootfs.NewTree(root, false)
	m := &machine{t: t, programs: programs, ended: make(chan struct{})}
	config := kernel.TableConfig{
		Tree: tree, Hostname: "box", Limits: kernel.Limits{Processes: 200, Memory: 1 << 30, CPUs: 2},
		Exec: func(_ *rootfs.View, path string, args []string) (kernel.Program, []string, error) {
			if f := m.programs[path]; f != nil {
				return f, args, nil
			}
			return nil, nil, &kernel.ExecError{Code: 127, Err: syscall.ENOENT}
		},
	}
	for _, n := range beyond {
		config.Network, config.Addresses = n, []netip.Addr{netip.MustParseAddr("172.17.0.2")}
	}
	m.table = kernel.NewTable(config)
	if err := tree.MountHidden("/proc", m.table.ProcFS(), false); err != nil {
		t.Fatal(err)
	}
	scratch := func() rootfs.FS {
		more, err := rootfs.OpenOverlay(nil, "")
		if err != nil {
			t.Error(err)
		}
		return more
	}
	if err := tree.MountHidden("/dev", m.table.DevFS(scratch), false); err != nil {
		t.Fatal(err)
	}
	return m
}

// start runs process 1.
func (m *machine) start(init kernel.Program, tty *kernel.TTY) *kernel.Process {
	m.t.Helper()
	m.programs["init"] = init
	stdin, stdout := kernel.NullFile(), kernel.NewFile(&m.out)
	if tty != nil {
		stdin, stdout = tty.Open(), tty.Open()
	}
	p, err := m.table.Start(kernel.StartOptions{
		Path: "init", Env: []string{"PATH=/bin"}, Files: m.table.Tree().View(rootfs.Cred{}),
		Stdin: stdin, Stdout: stdout, Stderr: stdout, Terminal: tty,
		Ended: func(s kernel.WaitStatus) {
			m.status = s
			close(m.ended)
		},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	stdin.Close()
	stdout.Close()
	return p
}

// wait waits for the end of process 1.
func (m *machine) wait() kernel.WaitStatus {
	m.t.Helper()
	select {
	case <-m.ended:
	case <-time.After(20 * time.Second):
		m.t.Fatalf("process 1 did not end; processes: %+v", m.table.Processes())
	}
	return m.status
}

// run runs process 1 to its end and returns its exit code and all output.
func run(t *testing.T, programs map[string]kernel.Program, init kernel.Program) (int, string) {
	t.Helper()
	if programs == nil {
		programs = map[string]kernel.Program{}
	}
	m := newMachine(t, programs)
	m.start(init, nil)
	code := m.wait().Code()
	if n := len(m.table.Processes()); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	return code, m.out.String()
}

// until asks again and again, for a state that has no event.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
		waiting := time.NewTimer(time.Millisecond)
		<-waiting.C
	}
}
