package netstack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/agentpb"
)

const (
	// Device is where the kernel has its TUN devices.
	Device = "/dev/net/tun"
	// interfaceName is what the container sees.
	interfaceName = "eth0"
	// mtu is the largest with which a packet and its virtio header fit in 64 KiB: a packet costs the same whatever its size.
	mtu = 65520
)

// Setup makes eth0 in the network namespace of the calling thread, gives it the addresses and routes of the endpoints,
// and sets lo up. It needs CAP_NET_ADMIN in that namespace, and Device: it is to be called before the container's root is
// entered and its capabilities are dropped. The file is for Config.TUN, possibly in another process. Without endpoints it
// only sets lo up and returns nil.
func Setup(endpoints []*agentpb.Endpoint) (*os.File, error) {
	places, err := parseEndpoints(endpoints)
	if err != nil {
		return nil, err
	}
	n, err := dialNetlink()
	if err != nil {
		return nil, err
	}
	defer n.close()
	if err := n.up("lo", 0); err != nil {
		return nil, fmt.Errorf("set lo up: %w", err)
	}
	if err := portsForAll(); err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return nil, nil
	}
	tun, err := openTUN()
	if err != nil {
		return nil, err
	}
	if err := n.configure(places); err != nil {
		_ = tun.Close()
		return nil, err
	}
	return tun, nil
}

// portsForAll lets every user bind every port and ping, as Docker has it: there is nobody else in the namespace.
func portsForAll() error {
	const ports, ping = "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ping_group_range"
	if err := os.WriteFile(ports, []byte("0"), 0); err != nil {
		return fmt.Errorf("let users bind low ports: %w", err)
	}
	// A user namespace with few groups has no such range: then ping needs CAP_NET_RAW, which is Docker's default.
	if err := os.WriteFile(ping, []byte("0 2147483647"), 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("let users ping: %w", err)
	}
	return nil
}

// openTUN makes the device. With the virtio header neither side need compute checksums.
func openTUN() (*os.File, error) {
	fd, err := unix.Open(Device, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errdefs.ErrUnavailable.WithMessage(
			fmt.Sprintf("open %s, which native containers need for their network: %v (load the kernel module tun, or run the container without networks)", Device, err))
	}
	request, err := unix.NewIfreq(interfaceName)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make the container's network device: %w", err)
	}
	return os.NewFile(uintptr(fd), Device), nil
}

// place is an endpoint, parsed.
type place struct {
	prefix  netip.Prefix // the address, with the length of the network's prefix
	gateway netip.Addr   // not valid if there is none
}

func parseEndpoints(endpoints []*agentpb.Endpoint) ([]place, error) {
	places := make([]place, 0, len(endpoints))
	for _, e := range endpoints {
		addr, err := netip.ParseAddr(e.GetAddress())
		if err != nil || !addr.Is4() || e.GetPrefix() > 32 {
			return nil, errdefs.ErrInvalidArgument.WithMessage(
				fmt.Sprintf("address %q/%d in network %s: an IPv4 address is needed", e.GetAddress(), e.GetPrefix(), e.GetNetwork()))
		}
		p := place{prefix: netip.PrefixFrom(addr, int(e.GetPrefix()))}
		if e.GetGateway() != "" {
			if p.gateway, err = netip.ParseAddr(e.GetGateway()); err != nil || !p.gateway.Is4() {
				return nil, errdefs.ErrInvalidArgument.WithMessage(
					fmt.Sprintf("gateway %q of network %s: an IPv4 address is needed", e.GetGateway(), e.GetNetwork()))
			}
		}
		places = append(places, p)
	}
	return places, nil
}

// netlink is a socket to the kernel's routing tables.
type netlink struct {
	fd       int
	sequence uint32
}

func dialNetlink() (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return &netlink{fd: fd}, nil
}

func (n *netlink) close() { _ = unix.Close(n.fd) }

// configure gives eth0 its addresses and routes. The default route goes by the first gateway; without one everything is
// sent to the device all the same, since the server decides what can be reached.
func (n *netlink) configure(places []place) error {
	if err := n.up(interfaceName, mtu); err != nil {
		return fmt.Errorf("set %s up: %w", interfaceName, err)
	}
	index, err := interfaceIndex(interfaceName)
	if err != nil {
		return err
	}
	var gateway netip.Addr
	for _, p := range places {
		if err := n.addAddress(index, p.prefix); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s: %w", p.prefix, err)
		}
		if !gateway.IsValid() && p.prefix.Masked().Contains(p.gateway) {
			gateway = p.gateway
		}
	}
	if err := n.addDefault(index, gateway); err != nil {
		return fmt.Errorf("add the default route: %w", err)
	}
	return nil
}

func interfaceIndex(name string) (int, error) {
	n, err := askInterface(name, unix.SIOCGIFINDEX)
	return int(n), err
}

func interfaceMTU(name string) (uint32, error) { return askInterface(name, unix.SIOCGIFMTU) }

// askInterface asks for a number of an interface.
func askInterface(name string, what uint) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, what, request); err != nil {
		return 0, fmt.Errorf("ask for interface %s: %w", name, err)
	}
	return request.Uint32(), nil
}

// up sets an interface up, and its MTU unless that is 0.
func (n *netlink) up(name string, mtu uint32) error {
	index, err := interfaceIndex(name)
	if err != nil {
		return err
	}
	m := newMessage(unix.RTM_NEWLINK, 0)
	link := unix.IfInfomsg{Index: int32(index), Flags: unix.IFF_UP, Change: unix.IFF_UP}
	m.raw(unsafe.Slice((*byte)(unsafe.Pointer(&link)), unix.SizeofIfInfomsg))
	if mtu != 0 {
		m.attribute(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, mtu))
	}
	return n.do(m)
}

func (n *netlink) addAddress(index int, p netip.Prefix) error {
	m := newMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	address := unix.IfAddrmsg{Family: unix.AF_INET, Prefixlen: uint8(p.Bits()), Index: uint32(index)}
	m.raw(unsafe.Slice((*byte)(unsafe.Pointer(&address)), unix.SizeofIfAddrmsg))
	m.attribute(unix.IFA_LOCAL, p.Addr().AsSlice())
	m.attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())
	return n.do(m)
}

func (n *netlink) addDefault(index int, gateway netip.Addr) error {
	m := newMessage(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	route := unix.RtMsg{
		Family: unix.AF_INET, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT,
		Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_UNICAST,
	}
	if !gateway.IsValid() {
		route.Scope = unix.RT_SCOPE_LINK
	}
	m.raw(unsafe.Slice((*byte)(unsafe.Pointer(&route)), unix.SizeofRtMsg))
	if gateway.IsValid() {
		m.attribute(unix.RTA_GATEWAY, gateway.AsSlice())
	}
	m.attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index)))
	return n.do(m)
}

// message is a netlink request that is being written.
type message struct{ data []byte }

func newMessage(kind, flags uint16) *message {
	m := &message{make([]byte, unix.SizeofNlMsghdr)}
	binary.NativeEndian.PutUint16(m.data[4:], kind)
	binary.NativeEndian.PutUint16(m.data[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	return m
}

// raw appends bytes and pads them to four.
func (m *message) raw(b []byte) {
	m.data = append(m.data, b...)
	m.data = append(m.data, make([]byte, -len(m.data)&3)...)
}

func (m *message) attribute(kind uint16, value []byte) {
	m.data = binary.NativeEndian.AppendUint16(m.data, uint16(4+len(value)))
	m.data = binary.NativeEndian.AppendUint16(m.data, kind)
	m.raw(value)
}

// do sends a request and returns the kernel's answer, a unix.Errno.
func (n *netlink) do(m *message) error {
	n.sequence++
	binary.NativeEndian.PutUint32(m.data, uint32(len(m.data)))
	binary.NativeEndian.PutUint32(m.data[8:], n.sequence)
	if err := unix.Sendto(n.fd, m.data, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	for {
		size, _, err := unix.Recvfrom(n.fd, answer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if size < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
			return fmt.Errorf("netlink answered with a message of type %d", binary.NativeEndian.Uint16(answer[4:]))
		}
		if binary.NativeEndian.Uint32(answer[8:]) != n.sequence {
			continue
		}
		if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	}
}
