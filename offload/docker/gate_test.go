//go:build oracle

package docker_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/runtime/runtimetest"
)

// gate is where agents of the engine's containers dial back, one for each server after the other at the same address.
type gate struct {
	url       string
	authority *reach.Authority
	present   atomic.Pointer[reach.Gate]
}

// newGate listens where the engine's containers get: at the gateway of its bridge.
func newGate(t *testing.T, engine *client.Client) *gate {
	t.Helper()
	bridge, err := engine.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gateway := bridge.Network.IPAM.Config[0].Gateway.String()
	raw, err := listenBeside(strings.TrimPrefix(os.Getenv("SOCKERLESS_DOCKERD"), "unix://"), net.JoinHostPort(gateway, "0"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{url: "https://" + raw.Addr().String()}
	if g.authority, err = reach.NewAuthority(time.Hour); err != nil {
		t.Fatal(err)
	}
	certificate, err := g.authority.Gate(gateway, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			present := g.present.Load()
			if present == nil {
				http.Error(w, "the server is away", http.StatusServiceUnavailable)
				return
			}
			present.ServeHTTP(w, r)
		})}
	l := tls.NewListener(raw, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return g
}

// listenBeside listens at an address of the network namespace in which another program serves a unix socket.
func listenBeside(socket, address string) (net.Listener, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var peerErr error
	if err := raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	if peerErr != nil {
		return nil, peerErr
	}
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", peer.Pid))
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	var l net.Listener
	done := make(chan struct{})
	go func() {
		defer close(done)
		goruntime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		if err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp", address)
		}
	}()
	<-done
	return l, err
}

// open makes the gate of a server.
func (g *gate) open(t *testing.T) *reach.Gate {
	t.Helper()
	present, err := reach.NewGate(bytes.Repeat([]byte("s"), 32))
	if err != nil {
		t.Fatal(err)
	}
	g.present.Store(present)
	return present
}

// close ends it.
func (g *gate) close() {
	if present := g.present.Swap(nil); present != nil {
		_ = present.Close()
	}
}

// TestConformanceOfAgentsThatDialBack runs the suite again with connect: reverse.
func TestConformanceOfAgentsThatDialBack(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, dataDir string) runtimetest.Machine {
		m := newMachine(t, dataDir)
		m.settings.Connect, m.gate = "reverse", newGate(t, m.docker)
		t.Cleanup(m.gate.close)
		return m
	})
}
