package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// network brings up the loopback and, where it is asked for, makes the device whose descriptor it gives, else -1.
func (st *stage) network() (tun int, err error) {
	if st.Spec.HostNetwork {
		return -1, nil
	}
	r, err := openRoute()
	if err != nil {
		return -1, st.fail("open the network", err, "")
	}
	defer unix.Close(r.fd)
	if err := r.up("lo", 0); err != nil {
		return -1, st.fail("bring up the loopback", err, "")
	}
	if st.Spec.Tun == nil {
		return -1, nil
	}
	tun, err = openTun(st.Spec.Tun.Name)
	if err != nil {
		return -1, st.fail("make the network device", err, "is /dev/net/tun there, and open to the server's user? the kernel's module is tun")
	}
	if err := r.configure(*st.Spec.Tun); err != nil {
		return -1, st.fail("configure the network device", err, "")
	}
	return tun, nil
}

func openTun(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	defer unix.Close(fd)
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 16) // not where the program will have it
}

// route is a socket of rtnetlink(7).
type route struct {
	fd  int
	seq uint32
}

func openRoute() (*route, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	return &route{fd: fd}, nil
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
		return errors.New("the kernel's answer is none")
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
func (r *route) configure(t Tun) error {
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
	mtu := t.MTU
	if mtu == 0 {
		mtu = 1500
	}
	if err := r.up(t.Name, mtu); err != nil {
		return err
	}
	for _, g := range t.Gateways {
		b := []byte{family(g), 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0}
		b = attribute(b, unix.RTA_GATEWAY, g.AsSlice())
		b = attribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, i))
		if err := r.ask(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b); err != nil {
			return fmt.Errorf("gateway %s: %w", g, err)
		}
	}
	return nil
}
