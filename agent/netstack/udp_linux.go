package netstack

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/sockerless/sockerless/agent/network"
)

// idle is how long a flow of datagrams is kept when nothing comes, as netfilter keeps one that had an answer.
const idle = 120 * time.Second

// datagram is the most that one carries, in bytes.
const datagram = 1<<16 - 1

// handleUDP begins a flow of datagrams with the first one between two ports.
func (s *Stack) handleUDP(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	if !s.begin() {
		return true
	}
	first := quote(pkt)
	flow := false
	udp.NewForwarder(s.tcp, func(r *udp.ForwarderRequest) {
		var queue waiter.Queue
		endpoint, err := r.CreateEndpoint(&queue)
		if err != nil {
			s.log.Debug("a datagram was lost", "error", err.String())
			return
		}
		flow = true
		in := gonet.NewUDPConn(&queue, endpoint)
		go func() {
			defer s.flows.Done()
			s.carryUDP(in, id, first)
		}()
	}).HandlePacket(id, pkt)
	if !flow {
		s.flows.Done()
	}
	return true
}

// carryUDP carries a flow until nothing has come from either side for a while. first is the beginning of its first packet.
func (s *Stack) carryUDP(in net.Conn, id stack.TransportEndpointID, first []byte) {
	defer in.Close()
	out, err := s.dial("udp", destination(id))
	if err != nil {
		s.unreachable(first, network.Classify(err).Code)
		return
	}
	defer out.Close()
	stop := context.AfterFunc(s.ctx, func() {
		_ = in.Close()
		_ = out.Close()
	})
	defer stop()
	var last activity
	last.touch()
	var both sync.WaitGroup
	both.Go(func() {
		defer out.Close()
		passDatagrams(out, in, &last)
	})
	err = passDatagrams(in, out, &last)
	_ = in.Close()
	both.Wait()
	if err != nil && s.ctx.Err() == nil && network.Classify(err).Code == network.Refused {
		s.unreachable(first, network.Refused)
	}
}

// activity is when a flow last carried something.
type activity struct {
	mu sync.Mutex
	at time.Time
}

func (a *activity) touch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Now()
}

// until is when the flow has been idle for long enough.
func (a *activity) until() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at.Add(idle)
}

// passDatagrams copies one direction until it fails or the flow is idle, which is no error.
func passDatagrams(to, from net.Conn, last *activity) error {
	buf := make([]byte, datagram)
	for {
		end := last.until()
		if err := from.SetReadDeadline(end); err != nil {
			return err
		}
		n, err := from.Read(buf)
		switch {
		case err != nil && timedOut(err):
			if !last.until().After(end) {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		last.touch()
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// timedOut says whether a deadline has ended a read.
func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT)
}
