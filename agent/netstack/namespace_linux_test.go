package netstack_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/netstack"
	"github.com/sockerless/sockerless/agent/network"
)

// namespace is a network namespace with a stack. What is done in it is done on a thread of its own.
type namespace struct {
	todo  chan func()
	stack *netstack.Stack
}

// newNamespace makes a namespace whose only address is the one given, with names from 127.0.0.11.
func newNamespace(t testing.TB, address string, out network.Outgoing) *namespace {
	t.Helper()
	n := &namespace{todo: make(chan func())}
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.0.11\noptions ndots:0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for f := range n.todo {
			f()
		}
	}()
	t.Cleanup(func() {
		close(n.todo)
		<-ended
	})
	n.do(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
			t.Fatalf("this test makes network namespaces, which needs root: %v", err)
		}
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(resolv, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		endpoints := []*agentpb.Endpoint{{Network: "test", Address: address, Prefix: 16, Gateway: "10.88.0.1"}}
		tun, err := netstack.Setup(endpoints)
		if err != nil {
			t.Fatal(err)
		}
		n.stack, err = netstack.Start(netstack.Config{TUN: tun, Container: "c", Endpoints: endpoints, Outgoing: out})
		if err != nil {
			t.Fatal(err)
		}
	})
	if n.stack == nil {
		t.FailNow()
	}
	t.Cleanup(func() {
		if err := n.stack.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// do calls f in the namespace.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.todo <- func() {
		defer close(done)
		f()
	}
	<-done
}

// run runs a program in the namespace, and returns its output and exit code.
func (n *namespace) run(t *testing.T, stdin string, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Stdin = bytes.NewBufferString(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var err error
	n.do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the code says it
	return out.String(), cmd.ProcessState.ExitCode()
}

func (n *namespace) dial(kind, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = net.Dial(kind, address) })
	return conn, err
}

func (n *namespace) listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	n.do(func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// hosts is an Outgoing: its hosts have their ports on this machine's loopback.
type hosts struct {
	names map[string]string // name to address
	fails map[string]network.Code

	mu    sync.Mutex
	dials []string
}

func (h *hosts) Dial(ctx context.Context, container, kind, address string) (net.Conn, error) {
	at := netip.MustParseAddrPort(address)
	h.mu.Lock()
	h.dials = append(h.dials, container+" "+kind+" "+address)
	h.mu.Unlock()
	if code, ok := h.fails[at.Addr().String()]; ok {
		return nil, network.NewError(code, "dial %s: %s", address, code)
	}
	var d net.Dialer
	return d.DialContext(ctx, kind, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(at.Port()))))
}

func (h *hosts) Resolve(_ context.Context, _, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error) {
	address, ok := h.names[name]
	if !ok {
		return nil, network.NewError(network.NotFound, "no such name: %s", name)
	}
	if qtype != dnsmessage.TypeA {
		return nil, nil
	}
	return []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Type: qtype, Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
	}}, nil
}
