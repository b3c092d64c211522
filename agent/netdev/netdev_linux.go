package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// tunPath is where the kernel has its TUN devices.
const tunPath = "/dev/net/tun"

// Setup brings up lo and, if config is not nil, makes the device, in the network namespace of the calling thread. It needs
// CAP_NET_ADMIN there, and /dev/net/tun. The file is the device's other side: one IP packet a read or write, behind a
// virtio_net_hdr, with which neither side need compute checksums. Errors: errdefs.ErrUnavailable without /dev/net/tun.
func Setup(config *Config) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	defer unix.Close(fd)
	r := &route{fd: fd}
	if err := r.up("lo", 0); err != nil {
		return nil, fmt.Errorf("bring up lo: %w", err)
	}
	if config == nil {
		return nil, nil
	}
	tun, err := openTun(config.Name)
	if err != nil {
		return nil, err
	}
	if err := r.configure(config); err != nil {
		return nil, errors.Join(fmt.Errorf("configure %s: %w", config.Name, err), tun.Close())
	}
	return tun, nil
}

func openTun(name string) (*os.File, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errdefs.ErrUnavailable.WithMessage(fmt.Sprintf(
			"open %s, which native containers need for their network: %v (load the kernel's module tun, let the server's user open it, or run the container with --network none)", tunPath, err))
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM)
	}
	if err == nil {
		// The device goes with its namespace, which the kernel clears away by itself. Else who closes the descriptor waits some
		// 20 ms for it, and that is the last process of a container, for whose end others wait.
		err = unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make the network device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), tunPath), nil
}

// route is a socket of rtnetlink(7).
type route struct {
	fd  int
	seq uint32
}

// ask sends a request and waits for its acknowledgement.
func (r *route) ask(kind, flags uint16, body []byte) error {
	r.seq++
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = binary.NativeEndian.AppendUint32(b, r.seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	if err := unix.Sendto(r.fd, append(b, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(r.fd, reply, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(reply[4:]) != unix.NLMSG_ERROR {
		return errors.New("the kernel answered with something else")
	}
	if errno := int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}

// attribute appends an attribute, padded to four bytes.
func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func index(name string) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err != nil {
		return 0, err
	}
	return request.Uint32(), nil
}

func (r *route) up(name string, mtu int) error {
	i, err := index(name)
	if err != nil {
		return err
	}
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], i)
	binary.NativeEndian.PutUint32(b[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(b[12:], unix.IFF_UP)
	if mtu > 0 {
		b = attribute(b, unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
	}
	return r.ask(unix.RTM_NEWLINK, 0, b)
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// configure gives the device its addresses and routes, and brings it up.
func (r *route) configure(t *Config) error {
	i, err := index(t.Name)
	if err != nil {
		return err
	}
	for _, p := range t.Addresses {
		a := p.Addr()
		b := []byte{family(a), byte(p.Bits()), unix.IFA_F_NODAD, 0}
		b = binary.NativeEndian.AppendUint32(b, i)
		b = attribute(b, unix.IFA_LOCAL, a.AsSlice())
		b = attribute(b, unix.IFA_ADDRESS, a.AsSlice())
		err := r.ask(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b)
		if err != nil {
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	if err := r.up(t.Name, t.MTU); err != nil {
		return err
	}
	if len(t.Gateways) == 0 {
		return r.addDefault(i, netip.Addr{})
	}
	for _, g := range t.Gateways {
		if err := r.addDefault(i, g); err != nil {
			return fmt.Errorf("gateway %s: %w", g, err)
		}
	}
	return nil
}

// addDefault adds a default route by a gateway, or without one straight to the device.
func (r *route) addDefault(index uint32, gateway netip.Addr) error {
	b := []byte{unix.AF_INET, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0}
	if gateway.IsValid() {
		b[0], b[6] = family(gateway), unix.RT_SCOPE_UNIVERSE
		b = attribute(b, unix.RTA_GATEWAY, gateway.AsSlice())
	}
	b = attribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, index))
	return r.ask(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b)
}
