package netstack

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// vnetHeader is the length of struct virtio_net_hdr.
const vnetHeader = 10

// small is up to where a packet is copied into memory of its size, so that an acknowledgement does not hold 64 KiB.
const small = 4096

// link is the TUN device as the stack sees it.
type link struct {
	tun *os.File
	raw syscall.RawConn
	mtu uint32
	// header is the length of what is before every packet: struct virtio_net_hdr, with which neither side computes
	// checksums, or nothing.
	header int
	// echo takes pings instead of the stack, which would answer for every address in the world.
	echo func(packet []byte)

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
	reading    sync.WaitGroup
}

var _ stack.LinkEndpoint = (*link)(nil)

// newLink takes a device as it is: with whatever MTU and header it was made.
func newLink(tun *os.File) (*link, error) {
	raw, err := tun.SyscallConn()
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq("")
	if err != nil {
		return nil, err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.IoctlIfreq(int(fd), unix.TUNGETIFF, request) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, fmt.Errorf("ask the network device what it is: %w", failed)
	}
	l := &link{tun: tun, raw: raw}
	switch flags := request.Uint16(); {
	case flags&unix.IFF_TUN == 0 || flags&unix.IFF_NO_PI == 0:
		return nil, errdefs.ErrInvalidArgument.WithMessage("the network device gives no plain IP packets (IFF_TUN, IFF_NO_PI)")
	case flags&unix.IFF_VNET_HDR != 0:
		l.header = vnetHeader
	}
	l.mtu, err = interfaceMTU(request.Name())
	return l, err
}

func (l *link) MTU() uint32                             { return l.mtu }
func (l *link) SetMTU(uint32)                           {}
func (l *link) MaxHeaderLength() uint16                 { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress          { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)        {}
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)           {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (l *link) SetOnCloseAction(func())                 {}
func (l *link) Wait()                                   { l.reading.Wait() }
func (l *link) Close()                                  { _ = l.tun.Close() }

// Capabilities: what comes from the kernel of this machine has no errors. What goes there is not looked at either with
// the header that says so.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	if l.header == 0 {
		return stack.CapabilityRXChecksumOffload
	}
	return stack.CapabilityTXChecksumOffload | stack.CapabilityRXChecksumOffload
}

// Attach starts reading.
func (l *link) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begin := l.dispatcher == nil && d != nil
	l.dispatcher = d
	if begin {
		l.reading.Go(l.read)
	}
}

func (l *link) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.dispatcher != nil
}

// read hands over packets until the device is closed.
func (l *link) read() {
	size := l.header + int(l.mtu)
	view := buffer.NewViewSize(size)
	defer func() { view.Release() }()
	for {
		n, err := l.tun.Read(view.AsSlice())
		if err != nil {
			return
		}
		packet := view.AsSlice()[min(n, l.header):n]
		if len(packet) < header.IPv4MinimumSize || header.IPVersion(packet) != header.IPv4Version {
			continue
		}
		switch ip := header.IPv4(packet); {
		case !unicast(ip.DestinationAddress()):
			continue
		case ip.TransportProtocol() == header.ICMPv4ProtocolNumber && !unreachable(ip):
			l.echo(packet)
			continue
		}
		own := view
		if n <= small {
			own = buffer.NewViewWithData(packet)
		} else {
			own.CapLength(n)
			own.TrimFront(l.header)
			view = buffer.NewViewSize(size)
		}
		l.mu.RLock()
		d := l.dispatcher
		l.mu.RUnlock()
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(own)})
		if d != nil {
			d.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
		}
		pkt.DecRef()
	}
}

// unreachable says whether a message of ICMP is that the kernel could not deliver a packet of the stack.
func unreachable(ip header.IPv4) bool {
	message := ip.Payload()
	return ip.IsValid(len(ip)) && len(message) >= header.ICMPv4MinimumSize && header.ICMPv4(message).Type() == header.ICMPv4DstUnreachable
}

// unicast says whether an address is that of one host: there is nobody to broadcast to.
func unicast(a tcpip.Address) bool {
	return !header.IsV4MulticastAddress(a) && a != header.IPv4Broadcast && a != header.IPv4Any
}

// WritePackets sends packets to the kernel.
func (l *link) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range list.AsSlice() {
		var vnet [vnetHeader]byte
		offset := uint16(0)
		switch pkt.TransportProtocolNumber {
		case header.TCPProtocolNumber:
			offset = header.TCPChecksumOffset
		case header.UDPProtocolNumber:
			offset = 6
		}
		if offset != 0 && !fragment(pkt) {
			vnet[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
			binary.NativeEndian.PutUint16(vnet[6:], uint16(len(pkt.NetworkHeader().Slice())))
			binary.NativeEndian.PutUint16(vnet[8:], offset)
		}
		if err := l.write(append([][]byte{vnet[:l.header]}, pkt.AsSlices()...)); err != nil {
			return i, &tcpip.ErrAborted{}
		}
	}
	return list.Len(), nil
}

// fragment says whether a packet is part of a larger one.
func fragment(pkt *stack.PacketBuffer) bool {
	ip := header.IPv4(pkt.NetworkHeader().Slice())
	return len(ip) >= header.IPv4MinimumSize && (ip.More() || ip.FragmentOffset() != 0)
}

// write sends one packet, with its virtio header before it.
func (l *link) write(parts [][]byte) error {
	var failed error
	err := l.raw.Write(func(fd uintptr) bool {
		_, failed = unix.Writev(int(fd), parts)
		return failed != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	return failed
}

// send sends a packet that is complete.
func (l *link) send(packet []byte) error {
	return l.write([][]byte{make([]byte, l.header), packet})
}

// interfaceMTU asks for the MTU of an interface.
func interfaceMTU(name string) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFMTU, request)
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the MTU of %s: %w", name, err)
	}
	return request.Uint32(), nil
}
