package netstack

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/sockerless/sockerless/agent/network"
)

const (
	// nic is the number of the only interface of the stack.
	nic = 1
	// patience is how long a connection may take to be made: a little more than Linux goes on asking.
	patience = 135 * time.Second
	// pendingLimit is how many connections may be in the making at a time; the kernel asks again for others.
	pendingLimit = 4096
)

// Stack serves the connections of a container. It must be closed.
type Stack struct {
	out       network.Outgoing
	container string
	places    []place
	log       *slog.Logger

	link *link        // nil without networks
	tcp  *stack.Stack // likewise

	ctx    context.Context
	cancel context.CancelFunc
	flows  sync.WaitGroup // connections, datagram flows, the name server
	closed sync.Once

	pings chan struct{} // has one for each ping that waits for its answer

	mu   sync.Mutex
	syns map[stack.TransportEndpointID][]byte // beginnings of the packets that asked for connections in the making
}

// Start serves the network namespace that the process is in. The stack owns config.TUN from here on, also if Start fails.
func Start(config Config) (*Stack, error) {
	places, err := parseEndpoints(config.Endpoints)
	if err != nil {
		closeFile(config.TUN)
		return nil, err
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stack{
		out: config.Outgoing, container: config.Container, places: places, log: config.Log,
		syns: map[stack.TransportEndpointID][]byte{}, pings: make(chan struct{}, echoLimit),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if config.TUN != nil {
		if err := s.attach(config.TUN); err != nil {
			_ = config.TUN.Close()
			s.cancel()
			return nil, err
		}
	}
	if err := s.serveNames(config.DNS); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func closeFile(f *os.File) {
	if f != nil {
		_ = f.Close()
	}
}

// attach puts the TCP/IP stack behind the device: it takes packets for whatever address and answers as that.
func (s *Stack) attach(tun *os.File) error {
	l, err := newLink(tun)
	if err != nil {
		return err
	}
	l.echo = s.echo
	ip := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	s.link, s.tcp = l, ip
	s.tune()
	ip.SetTransportProtocolHandler(tcp.ProtocolNumber, s.handleTCP(tcp.NewForwarder(ip, 0, pendingLimit, s.acceptTCP)))
	ip.SetTransportProtocolHandler(udp.ProtocolNumber, s.handleUDP)
	if err := s.enable(); err != nil {
		ip.Destroy()
		return err
	}
	return nil
}

func (s *Stack) enable() error {
	if err := s.tcp.CreateNIC(nic, s.link); err != nil {
		return fmt.Errorf("make the interface of the TCP/IP stack: %s", err)
	}
	if err := s.tcp.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("let the TCP/IP stack take all packets: %s", err)
	}
	if err := s.tcp.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("let the TCP/IP stack answer for all addresses: %s", err)
	}
	s.tcp.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	return nil
}

// tune sets what suits a link that is as quick as memory and loses nothing.
func (s *Stack) tune() {
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 64 << 10, Default: 1 << 20, Max: 8 << 20}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 64 << 10, Default: 1 << 20, Max: 8 << 20}
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	// Nothing can arrive late, so that a connection which this side has closed need not be remembered for a minute.
	wait := tcpip.TCPTimeWaitTimeoutOption(time.Second)
	for _, option := range []tcpip.SettableTransportProtocolOption{&receive, &send, &sack, &moderate, &wait} {
		if err := s.tcp.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			s.log.Warn("the TCP/IP stack refused an option", "option", fmt.Sprintf("%T", option), "error", err.String())
		}
	}
}

// Close breaks off all connections and waits for what served them.
func (s *Stack) Close() error {
	s.closed.Do(func() {
		s.cancel()
		if s.tcp != nil {
			s.link.Close()
			s.tcp.Close()
		}
		s.flows.Wait()
		if s.tcp != nil {
			s.tcp.Wait()
		}
	})
	return nil
}

// serveNames answers the container's questions for names.
func (s *Stack) serveNames(at netip.AddrPort) error {
	if !at.IsValid() {
		at = NameServer
	}
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return fmt.Errorf("serve names to the container: %w", err)
	}
	streams, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		_ = packets.Close()
		return fmt.Errorf("serve names to the container: %w", err)
	}
	names := network.NewDNS(s.out, s.container)
	s.flows.Go(func() { s.ended(names.ServePacket(s.ctx, packets)) })
	s.flows.Go(func() { s.ended(names.Serve(s.ctx, streams)) })
	return nil
}

// ended tells why the name server has ended before the stack.
func (s *Stack) ended(err error) {
	if err != nil && s.ctx.Err() == nil {
		s.log.Error("names are no longer served to the container", "error", err)
	}
}
