package netstack

import (
	"context"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/sockerless/sockerless/agent/network"
)

// handleTCP gives packets to the forwarder. It keeps what an ICMP message must quote of one that asks for a connection.
func (s *Stack) handleTCP(f *tcp.Forwarder) func(stack.TransportEndpointID, *stack.PacketBuffer) bool {
	return func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		if s.ctx.Err() != nil {
			return true
		}
		if flags := header.TCP(pkt.TransportHeader().Slice()).Flags(); flags.Contains(header.TCPFlagSyn) && !flags.Contains(header.TCPFlagAck) {
			s.mu.Lock()
			s.syns[id] = quote(pkt)
			s.mu.Unlock()
		}
		return f.HandlePacket(id, pkt)
	}
}

// acceptTCP carries a connection that a program asks for. The handshake is finished when the other side has accepted.
func (s *Stack) acceptTCP(r *tcp.ForwarderRequest) {
	if !s.begin() {
		r.Complete(false)
		return
	}
	defer s.flows.Done()
	id := r.ID()
	out, err := s.dial("tcp", destination(id))
	s.mu.Lock()
	syn := s.syns[id]
	delete(s.syns, id)
	s.mu.Unlock()
	if err != nil {
		s.refuse(r, syn, err)
		return
	}
	var queue waiter.Queue
	endpoint, failed := r.CreateEndpoint(&queue)
	r.Complete(false)
	if failed != nil { // the program has given up
		reset(out)
		return
	}
	network.Join(s.ctx, &program{gonet.NewTCPConn(&queue, endpoint), endpoint}, out)
}

// begin counts a flow that is to be waited for by Close; false says that the stack is closing.
func (s *Stack) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.flows.Add(1)
	return true
}

// destination is what a program connects to.
func destination(id stack.TransportEndpointID) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(id.LocalAddress.As4()), id.LocalPort)
}

func (s *Stack) dial(kind string, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	return s.out.Dial(ctx, s.container, kind, to.String())
}

// refuse tells the program why it is not connected, in the way that its connect(2) has an error for.
func (s *Stack) refuse(r *tcp.ForwarderRequest, syn []byte, err error) {
	switch e := network.Classify(err); e.Code {
	case network.Refused, network.Reset:
		r.Complete(true)
	case network.TimedOut:
		r.Complete(false)
	default:
		r.Complete(false)
		if s.ctx.Err() == nil {
			s.unreachable(syn, e.Code)
		}
	}
}

// program is a connection of a program in the container, a network.Half.
type program struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
}

// Reset breaks the connection off.
func (p *program) Reset() error {
	p.endpoint.Abort()
	return nil
}

// reset breaks a connection off.
func reset(c net.Conn) {
	switch c := c.(type) {
	case network.Resetter:
		_ = c.Reset()
	case *net.TCPConn:
		_ = c.SetLinger(0)
	}
	_ = c.Close()
}
