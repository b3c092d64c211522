package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/network"
)

// listening is a port of a container on which a program listens.
type listening struct{ container, proto, port string }

// Network serves the connections of the fake's containers.
func (h *fakeHost) Network(ctx context.Context, stream io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.mu.Lock()
	h.cut = cancel
	h.mu.Unlock()
	return h.net.Serve(ctx, stream)
}

// DialInto connects to a program that listens.
func (h *fakeHost) DialInto(ctx context.Context, container, proto, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	at := h.listeners[listening{container, proto, port}]
	h.mu.Unlock()
	if at == "" {
		return nil, network.NewError(network.Refused, "connection refused")
	}
	var d net.Dialer
	return d.DialContext(ctx, proto, at)
}

// listen answers each connection, once its input has ended, and each datagram, in upper case, until it is killed.
func (p *fakeProcess) listen(proto, port string) int {
	key := listening{p.container, proto, port}
	var at net.Addr
	var serve func()
	var stop io.Closer
	if proto == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return p.fail(err)
		}
		at, stop = c.LocalAddr(), c
		serve = func() {
			buffer := make([]byte, 1<<16)
			for {
				n, from, err := c.ReadFrom(buffer)
				if err != nil {
					return
				}
				c.WriteTo(bytes.ToUpper(buffer[:n]), from) //nolint:errcheck // a datagram may be lost
			}
		}
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return p.fail(err)
		}
		at, stop = l.Addr(), l
		serve = func() { p.serveEcho(l) }
	}
	p.host.mu.Lock()
	p.host.listeners[key] = at.String()
	p.host.mu.Unlock()
	closing := context.AfterFunc(p.ctx, func() {
		p.host.mu.Lock()
		delete(p.host.listeners, key)
		p.host.mu.Unlock()
		stop.Close() //nolint:errcheck // nobody to tell
	})
	defer closing()
	p.write(agent.Stdout, "listening\n")
	serve()
	return 0
}

func (p *fakeProcess) serveEcho(l net.Listener) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer c.Close()                                        //nolint:errcheck // all is sent
			stop := context.AfterFunc(p.ctx, func() { c.Close() }) //nolint:errcheck // as above
			defer stop()
			data, err := io.ReadAll(c)
			if err == nil {
				c.Write(bytes.ToUpper(data)) //nolint:errcheck // the other side sees it
			}
		})
	}
}

func (p *fakeProcess) fail(err error) int {
	kind := ""
	var e *network.Error
	if errors.As(err, &e) {
		kind = string(e.Code) + ": "
	}
	p.write(agent.Stderr, kind+err.Error()+"\n")
	return 1
}

// dial sends a text and writes what comes back.
func (p *fakeProcess) dial(proto, address, text string) int {
	c, err := p.host.net.Dial(p.ctx, p.container, proto, address)
	if err != nil {
		return p.fail(err)
	}
	defer c.Close()                                        //nolint:errcheck // all is read
	stop := context.AfterFunc(p.ctx, func() { c.Close() }) //nolint:errcheck // as above
	defer stop()
	if _, err := io.WriteString(c, text); err != nil {
		return p.fail(err)
	}
	var got []byte
	if proto == "udp" {
		got = make([]byte, 1<<16)
		var n int
		n, err = c.Read(got)
		got = got[:n]
	} else if err = c.(network.Half).CloseWrite(); err == nil {
		got, err = io.ReadAll(c)
	}
	if err != nil {
		return p.fail(err)
	}
	p.write(agent.Stdout, string(got)+"\n")
	return 0
}

// resolve writes the addresses of a name.
func (p *fakeProcess) resolve(name string) int {
	addrs, err := network.Lookup(p.ctx, p.host.net, p.container, name)
	if err != nil {
		return p.fail(err)
	}
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	slices.Sort(list)
	p.write(agent.Stdout, fmt.Sprintln(list))
	return 0
}

// BreakNetworks ends the streams that carry the connections of the machine's containers.
func (f *Fake) BreakNetworks() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.agents {
		a.host.mu.Lock()
		cut := a.host.cut
		a.host.mu.Unlock()
		cut()
	}
}
