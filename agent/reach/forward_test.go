package reach_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/reach"
)

func authority(t *testing.T) *reach.Authority {
	t.Helper()
	a, err := reach.NewAuthority(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// travel is an identity after it has been written and read.
func travel(t *testing.T, i *reach.Identity, err error) *reach.Identity {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	data, err := i.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if i, err = reach.DecodeIdentity(data); err != nil {
		t.Fatal(err)
	}
	return i
}

func agentOf(t *testing.T, a *reach.Authority, task string, life time.Duration) *reach.Identity {
	t.Helper()
	i, err := a.Agent(task, life)
	return travel(t, i, err)
}

func serverOf(t *testing.T, a *reach.Authority) *reach.Identity {
	t.Helper()
	i, err := a.Server("main", time.Hour)
	return travel(t, i, err)
}

// echo answers every connection of l with what comes, and tells what its first reads end with.
func echo(t *testing.T, l net.Listener) <-chan error {
	t.Helper()
	ends := make(chan error, 100)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, err := io.Copy(c, c)
				_ = c.Close()
				ends <- err
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return ends
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

var longName = strings.Repeat("0123456789abcdef", 4)

func TestForward(t *testing.T) {
	a := authority(t)
	l := loopback(t)
	echo(t, agentOf(t, a, longName, time.Hour).Wrap(l))
	data, err := a.Encode() // the server starts anew
	if err != nil {
		t.Fatal(err)
	}
	again, err := reach.DecodeAuthority(data)
	if err != nil {
		t.Fatal(err)
	}
	c, err := serverOf(t, again).Dial(t.Context(), l.Addr().String(), longName)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sayAndHear(t, c, "hello")
}

func sayAndHear(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(s))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != s {
		t.Fatalf("heard %q, %v", got, err)
	}
}

func TestForwardRefusesStrangers(t *testing.T) {
	a, other := authority(t), authority(t)
	l := loopback(t)
	ends := echo(t, agentOf(t, a, "task", time.Hour).Wrap(l))
	for name, dial := range map[string]func() (net.Conn, error){
		"another authority's server": func() (net.Conn, error) {
			return serverOf(t, other).Dial(t.Context(), l.Addr().String(), "task")
		},
		"another task": func() (net.Conn, error) {
			return serverOf(t, a).Dial(t.Context(), l.Addr().String(), "task2")
		},
	} {
		if c, err := dial(); !errdefs.IsPermissionDenied(err) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if err := <-ends; err == nil {
			t.Errorf("%s: the agent has served it", name)
		}
	}
	// In TLS 1.3 the client is done before it is refused: nothing that it sends is read.
	c, err := agentOf(t, a, "task", time.Hour).Dial(t.Context(), l.Addr().String(), "task")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("an agent as a client: %v", err)
	}
	if err := <-ends; err == nil {
		t.Error("an agent was served by an agent")
	}

	expired := loopback(t)
	echo(t, agentOf(t, a, "task", -time.Minute).Wrap(expired))
	if _, err := serverOf(t, a).Dial(t.Context(), expired.Addr().String(), "task"); !errdefs.IsPermissionDenied(err) {
		t.Errorf("expired: %v", err)
	}
	_ = l.Close()
	if _, err := serverOf(t, a).Dial(t.Context(), l.Addr().String(), "task"); !errdefs.IsUnavailable(err) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestDecodeRefusesWhatIsNotOne(t *testing.T) {
	a := authority(t)
	one, err := agentOf(t, a, "a", time.Hour).Encode()
	if err != nil {
		t.Fatal(err)
	}
	two, err := agentOf(t, a, "b", time.Hour).Encode()
	if err != nil {
		t.Fatal(err)
	}
	at := func(b []byte) int { return bytes.Index(b, []byte("-----BEGIN PRIVATE")) }
	for name, data := range map[string][]byte{
		"nothing":       nil,
		"no key":        one[:at(one)],
		"another's key": append(bytes.Clone(one[:at(one)]), two[at(two):]...),
		"garbage":       []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	} {
		if _, err := reach.DecodeIdentity(data); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := reach.DecodeAuthority(one); !errdefs.IsInvalidArgument(err) {
		t.Errorf("an identity as an authority: %v", err)
	}
}
