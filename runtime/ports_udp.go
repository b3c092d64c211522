package runtime

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	netproto "github.com/sockerless/sockerless/agent/network"
)

// The flow of datagrams of a client ends when it has sent and got none for so long, as that of docker-proxy does.
const flowIdle = 90 * time.Second

// The most of a client's datagrams that wait for the container, and of clients of a port at a time. What is more is dropped, as datagrams are.
const (
	flowQueue = 64
	mostFlows = 1024
)

// flow is the datagrams of one client.
type flow struct {
	queue chan []byte
}

// servePackets carries datagrams until the socket is closed.
func (p *publication) servePackets() {
	ctx, cancel := context.WithCancel(p.at.ctx)
	var mu sync.Mutex
	flows := map[string]*flow{}
	defer cancel()
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := p.packet.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) || err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // of a datagram that was sent before
		}
		key := from.String()
		mu.Lock()
		f := flows[key]
		if f == nil {
			if len(flows) >= mostFlows {
				mu.Unlock()
				continue
			}
			f = &flow{queue: make(chan []byte, flowQueue)}
			flows[key] = f
			p.done.Go(func() {
				p.carryPackets(ctx, f, from)
				mu.Lock()
				delete(flows, key)
				mu.Unlock()
			})
		}
		mu.Unlock()
		select {
		case f.queue <- append([]byte(nil), buffer[:n]...):
		default:
		}
	}
}

// carryPackets carries the datagrams of a client into the container, and those that come back.
func (p *publication) carryPackets(ctx context.Context, f *flow, from net.Addr) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inner, err := p.engine.dialInto(netproto.WithSource(ctx, p.source(from)), p.at, "udp", p.target)
	if err != nil {
		p.engine.log.Debug("send to a published port", "container", p.at.c.id, "port", p.Port.String(), "error", err)
		return
	}
	idle := time.AfterFunc(flowIdle, cancel)
	defer idle.Stop()
	stop := context.AfterFunc(ctx, func() { inner.Close() }) //nolint:errcheck // nobody to tell
	defer stop()
	var back sync.WaitGroup
	defer back.Wait()
	defer cancel()
	back.Go(func() {
		defer cancel()
		buffer := make([]byte, 1<<16)
		for {
			n, err := inner.Read(buffer)
			if err != nil {
				return
			}
			idle.Reset(flowIdle)
			p.packet.WriteTo(buffer[:n], from) //nolint:errcheck // a datagram may be lost
		}
	})
	for {
		select {
		case datagram := <-f.queue:
			idle.Reset(flowIdle)
			if _, err := inner.Write(datagram); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
