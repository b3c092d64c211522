package kernel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Network is what is beyond a container. Errors carry a number: errors.As finds a syscall.Errno, or something with a
// method Errno that returns one.
type Network interface {
	// Dial connects to "address:port" over "tcp" or "udp". Each Write and Read of a connection over UDP is a datagram.
	// One over TCP may have CloseWrite.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup returns the addresses of a name, ErrNoName if there is none.
	Lookup(ctx context.Context, name string) ([]netip.Addr, error)
}

// SocketDev is the number of the device that the sockets of the file tree are on with which a process can connect.
const SocketDev = 0xe7d

// ErrNoName says that a name stands for no address.
var ErrNoName = errors.New("Name or service not known") //nolint:staticcheck // as glibc's gai_strerror(3) has it

// connectError is an error of a Network as connect(2) has it.
func connectError(err error) error {
	var number interface{ Errno() syscall.Errno }
	switch {
	case errors.Is(err, ErrNoName), errors.Is(err, ErrKilled), errors.Is(err, syscall.EINTR):
		return err
	case errors.As(err, &number):
		return number.Errno()
	case errors.Is(err, context.DeadlineExceeded):
		return syscall.ETIMEDOUT
	}
	return err
}

// Dial connects to "host:port" over "tcp" or "udp", or to a socket of the file tree over "unix". The host is an address or a
// name, which is looked up in the container's /etc/hosts first. The caller has the only reference to the file, whose reads and
// writes are those of the connection. Errors are those of connect(2), ErrNoName, EINTR after a caught signal, and ErrKilled.
func (p *Process) Dial(ctx context.Context, network, address string) (*File, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	connect := func(ctx context.Context) (*File, error) { return p.dialSocket(ctx, address) }
	if network != "unix" {
		host, port, err := splitAddress(network, address)
		if err != nil {
			return nil, err
		}
		connect = func(ctx context.Context) (*File, error) { return p.dial(ctx, network, host, port) }
	}
	ctx, release := p.interruptible(ctx)
	defer release()
	ctx, free := p.alive(ctx)
	defer free()
	p.blocked()
	defer p.computes()
	file, err := connect(ctx)
	if killed := p.stand(); killed != nil {
		if file != nil {
			_ = file.Close()
		}
		return nil, killed
	}
	return file, err
}

// dial tries the addresses of a host in turn. The error is that of the last one.
func (p *Process) dial(ctx context.Context, network, host string, port uint16) (*File, error) {
	addrs, err := p.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		var s socket
		if s, err = p.table.connect(ctx, network, netip.AddrPortFrom(addr, port)); err == nil {
			return NewFile(s), nil
		}
		if ctx.Err() != nil {
			return nil, connectError(context.Cause(ctx))
		}
	}
	return nil, err
}

// dialSocket connects to a socket of the file tree. Those of folders of the host that are mounted belong to the host's programs, which
// cannot be reached.
func (p *Process) dialSocket(ctx context.Context, name string) (*File, error) {
	info, err := p.view.Stat(name)
	if err != nil {
		return nil, rootfs.Errno(err)
	}
	if info.Dev() != SocketDev || p.table.config.Socket == nil {
		return nil, syscall.ECONNREFUSED
	}
	c, err := p.table.config.Socket(ctx, info.Ino())
	if err != nil {
		return nil, connectError(err)
	}
	return NewFile(newRemote(c, "unix")), nil
}

// connect connects to an address: within the container, or beyond it.
func (t *Table) connect(ctx context.Context, network string, to netip.AddrPort) (socket, error) {
	switch {
	case t.own(to.Addr()):
		s, err := t.ports.connect(ctx, network, to, netip.AddrPort{})
		if err == syscall.ECONNREFUSED && network == "udp" {
			return newUnheard(to), nil
		}
		return s, err
	case t.config.Network == nil:
		return nil, syscall.ENETUNREACH
	}
	c, err := t.config.Network.Dial(ctx, network, to.String())
	if err != nil {
		return nil, connectError(err)
	}
	return newRemote(c, network), nil
}

// own says whether an address is this container itself.
func (t *Table) own(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || slices.Contains(t.config.Addresses, a)
}

// LookupHost returns the addresses of a name, as getaddrinfo(3) does: the container's /etc/hosts comes first.
func (p *Process) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	ctx, free := p.alive(ctx)
	defer free()
	p.blocked()
	defer p.computes()
	addrs, err := p.lookup(ctx, name)
	if killed := p.stand(); killed != nil {
		return nil, killed
	}
	return addrs, err
}

// alive is ctx that ends with the process too. free must be called.
func (p *Process) alive(ctx context.Context) (_ context.Context, free func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.ctx, func() { cancel(ErrKilled) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

func (p *Process) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if addrs := hostsFile(p.view, host); len(addrs) > 0 {
		return addrs, nil
	}
	switch {
	case strings.EqualFold(host, "localhost"):
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	case p.table.config.Network == nil:
		return nil, ErrNoName
	}
	addrs, err := p.table.config.Network.Lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = ErrNoName
	}
	return addrs, connectError(err)
}

// hostsFile finds a name in /etc/hosts, IPv4 addresses first since that is what containers have.
func hostsFile(files *rootfs.View, name string) []netip.Addr {
	data, err := files.ReadFile("/etc/hosts")
	if err != nil {
		return nil
	}
	var found []netip.Addr
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.ContainsFunc(fields[1:], func(f string) bool { return strings.EqualFold(f, name) }) {
			continue
		}
		if a, err := netip.ParseAddr(fields[0]); err == nil && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return found
}

// splitAddress takes "host:port" apart.
func splitAddress(network, address string) (host string, port uint16, err error) {
	if network != "tcp" && network != "udp" {
		return "", 0, syscall.EAFNOSUPPORT
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, syscall.EINVAL
	}
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, syscall.EINVAL
	}
	return host, uint16(number), nil
}
