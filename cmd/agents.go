package cmd

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/sockerless/sockerless/agent/reach"
)

// AgentsConfig is where agents of other machines dial back to the server. Without it none can.
type AgentsConfig struct {
	Listen string `yaml:"listen"` // host:port
	URL    string `yaml:"url"`    // https://host:port, by which agents find it
}

// gatePath is where the gate is, beneath AgentsConfig.URL.
const gatePath = "agents"

// lease is how long a task's agent goes on without a server.
const lease = 10 * time.Minute

// tokenLife is longer: an agent's token may have half of it left when the server goes away, and the agent takes a few
// minutes to find that out.
const tokenLife = 3 * lease

// authorityLife is that of an installation: its authority is made once.
const authorityLife = 20 * 365 * 24 * time.Hour

func (c *AgentsConfig) check() error {
	if *c == (AgentsConfig{}) {
		return nil
	}
	if c.Listen == "" || c.URL == "" {
		return errors.New("configuration: agents needs both listen (host:port) and url (https://host:port, by which agents find it)")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("configuration: agents: listen: %w", err)
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("configuration: agents: url: %w", err)
	}
	if u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("configuration: agents: url %q: it is https://host:port; agents send secrets, so that nothing but https will do", u.Redacted())
	}
	return nil
}

// gate takes the agents that dial back.
type gate struct {
	*reach.Gate
	url       string
	authority []byte // PEM
	server    http.Server
	serving   sync.WaitGroup
}

// open listens for agents, where that is configured; nil is where it is not. What it proves itself with, and knows agents
// by, is kept in the data folder.
func (c *AgentsConfig) open(dataDir string, log *slog.Logger) (*gate, error) {
	if *c == (AgentsConfig{}) {
		return nil, nil
	}
	text, err := kept(filepath.Join(dataDir, "authority"), newAuthority)
	if err != nil {
		return nil, err
	}
	authority, err := reach.DecodeAuthority([]byte(text))
	if err != nil {
		return nil, err
	}
	secret, err := kept(filepath.Join(dataDir, "gate"), func() (string, error) {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails
		return hex.EncodeToString(b[:]), nil
	})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Gate(u.Hostname(), authorityLife)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath = path.Join("/", u.Path, gatePath), ""
	g := &gate{url: u.String(), authority: authority.PEM()}
	if g.Gate, err = reach.NewGate([]byte(secret), reach.WithTokenLife(tokenLife)); err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", c.Listen, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, fmt.Errorf("listen for agents on %s: %w", c.Listen, err)
	}
	g.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != u.Path {
			http.NotFound(w, r)
			return
		}
		g.ServeHTTP(w, r)
	})
	g.server.ReadHeaderTimeout, g.server.IdleTimeout = 10*time.Second, 10*time.Second
	g.server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	g.serving.Go(func() {
		if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("agents cannot dial back any more", "error", err)
		}
	})
	log.Info("listening for agents", "address", l.Addr().String(), "url", g.url)
	return g, nil
}

func newAuthority() (string, error) {
	a, err := reach.NewAuthority(authorityLife)
	if err != nil {
		return "", err
	}
	text, err := a.Encode()
	return string(text), err
}

// status says, for docker info, where agents dial back.
func (g *gate) status() [][2]string {
	if g == nil {
		return nil
	}
	return [][2]string{{"Agents dial back to", g.url}}
}

// Close sends the agents away; they look for the next server.
func (g *gate) Close() error {
	err := g.server.Close()
	g.serving.Wait()
	return errors.Join(err, g.Gate.Close())
}
