package cmd

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sockerless/sockerless/agent/reach"
)

// An agent that was let in comes back to the next server on the same folder, which proves itself as the first one did.
func TestAgentsFindTheNextServer(t *testing.T) {
	for _, below := range []string{"", "/", "/sub"} {
		t.Run(below, func(t *testing.T) { agentsFindTheNextServer(t, below) })
	}
}

func agentsFindTheNextServer(t *testing.T, below string) {
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := AgentsConfig{Listen: free.Addr().String(), URL: "https://" + free.Addr().String() + below}
	_ = free.Close()
	if err := config.check(); err != nil {
		t.Fatal(err)
	}
	open := func() *gate {
		g, err := config.open(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	hear := func(g *gate, agent net.Listener) {
		c, err := g.Dial(t.Context(), "task")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		there, err := agent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		var b [5]byte
		if _, err := io.ReadFull(there, b[:]); err != nil || string(b[:]) != "hello" {
			t.Fatalf("%q, %v", b, err)
		}
	}
	g := open()
	token, err := g.Expect("task", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := reach.Reverse(t.Context(), reach.ReverseConfig{URL: g.url, Token: token, CA: g.authority})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	hear(g, agent)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = open()
	if _, err := g.Expect("task", time.Minute); err != nil {
		t.Fatal(err)
	}
	hear(g, agent)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"authority", "gate"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestNothingListensForAgentsUnlessConfigured(t *testing.T) {
	dir := t.TempDir()
	if g, err := new(AgentsConfig).open(dir, slog.New(slog.DiscardHandler)); g != nil || err != nil {
		t.Fatalf("%v, %v", g, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("files %v, %v", files, err)
	}
}
