package kernel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

const (
	// backlog is how many connections wait for an Accept.
	backlog = 128
	// The ports that are given out, as Linux has them.
	firstEphemeral, lastEphemeral = 32768, 60999
)

// ports are the ports of a container: who listens, and what is given out.
type ports struct {
	mu        sync.Mutex
	listeners []*listener
	last      uint16
}

// listener is a socket that accepts connections, or what first comes from each sender of datagrams.
type listener struct {
	ports   *ports
	network string
	at      netip.AddrPort
	queue   chan socket
	closed  chan struct{}
	once    sync.Once
}

// Listen accepts connections ("tcp") or datagrams ("udp") at "host:port", an address of the container; without a host at
// all of them, with port 0 at a free one. The caller has the only reference to the file, which is for Accept. Errors:
// EADDRINUSE, EADDRNOTAVAIL, EINVAL.
func (p *Process) Listen(network, address string) (*File, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	host, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	addr := netip.IPv4Unspecified()
	if host != "" {
		addrs, err := p.LookupHost(p.ctx, host)
		if err != nil {
			return nil, err
		}
		addr = addrs[0]
	}
	if !p.table.own(addr) {
		return nil, syscall.EADDRNOTAVAIL
	}
	l, err := p.table.ports.listen(network, netip.AddrPortFrom(addr, port))
	if err != nil {
		return nil, err
	}
	return NewFile(l), nil
}

// Accept returns the next connection of a file of Listen; the caller has the only reference. Over "udp" a connection is
// the datagrams from and to one sender. Errors: EINVAL for a file of another kind, EINTR, ErrKilled, the cause of ctx's end.
func (p *Process) Accept(ctx context.Context, f *File) (*File, error) {
	if err := p.Gate(); err != nil {
		return nil, err
	}
	l, ok := f.stream.(*listener)
	if !ok {
		return nil, syscall.EINVAL
	}
	ctx, release := p.interruptible(ctx)
	defer release()
	ctx, free := p.alive(ctx)
	defer free()
	p.blocked()
	defer p.computes()
	s, err := l.accept(ctx)
	if killed := p.stand(); killed != nil {
		if s != nil {
			_ = s.Close()
		}
		return nil, killed
	}
	if err != nil {
		return nil, err
	}
	return NewFile(s), nil
}

// DialInto connects from outside to a program of the container. source is who connects, if that is known. Errors:
// ECONNREFUSED if no program listens there.
func (t *Table) DialInto(ctx context.Context, network string, to, source netip.AddrPort) (net.Conn, error) {
	if network != "tcp" && network != "udp" {
		return nil, syscall.EAFNOSUPPORT
	}
	s, err := t.ports.connect(ctx, network, to, source)
	if err != nil {
		return nil, err
	}
	return newNetConn(context.Background(), s, s.Read, s.Write, s.Close), nil
}

func (t *ports) listen(network string, at netip.AddrPort) (*listener, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), t.ephemeral(network))
	}
	for _, other := range t.listeners {
		if other.network == network && other.at.Port() == at.Port() && (other.at.Addr() == at.Addr() ||
			other.at.Addr().IsUnspecified() || at.Addr().IsUnspecified()) {
			return nil, syscall.EADDRINUSE
		}
	}
	l := &listener{ports: t, network: network, at: at, queue: make(chan socket, backlog), closed: make(chan struct{})}
	t.listeners = append(t.listeners, l)
	return l, nil
}

// ephemeral gives out a port; the lock is held.
func (t *ports) ephemeral(network string) uint16 {
	for {
		if t.last++; t.last < firstEphemeral || t.last > lastEphemeral {
			t.last = firstEphemeral
		}
		taken := false
		for _, l := range t.listeners {
			taken = taken || l.network == network && l.at.Port() == t.last
		}
		if !taken {
			return t.last
		}
	}
}

// connect makes a connection to who listens at an address. source is who connects; without one that is the container
// itself.
func (t *ports) connect(ctx context.Context, network string, to, source netip.AddrPort) (socket, error) {
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
	}
	t.mu.Lock()
	var l *listener
	for _, other := range t.listeners {
		if other.network == network && other.at.Port() == to.Port() && (other.at.Addr().IsUnspecified() || other.at.Addr() == to.Addr()) {
			l = other
			break
		}
	}
	if l != nil && !source.IsValid() {
		source = netip.AddrPortFrom(to.Addr(), t.ephemeral(network))
	}
	t.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	mine, theirs := newSocketPair(network, source, to)
	// Both may be possible at once: what is put into the queue of a closed listener must not stay there.
	select {
	case l.queue <- theirs:
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, connectError(context.Cause(ctx))
	}
	select {
	case <-l.closed:
		l.drain()
	default:
	}
	return mine, nil
}

func (l *listener) accept(ctx context.Context) (socket, error) {
	select {
	case s := <-l.queue:
		return s, nil
	case <-l.closed:
		return nil, syscall.EBADF
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// drain breaks off what nobody has accepted.
func (l *listener) drain() {
	for {
		select {
		case s := <-l.queue:
			_ = s.Reset()
		default:
			return
		}
	}
}

func (l *listener) Read(context.Context, []byte) (int, error)  { return 0, syscall.ENOTCONN }
func (l *listener) Write(context.Context, []byte) (int, error) { return 0, syscall.ENOTCONN }
func (l *listener) Name() string                               { return "socket:[1]" }
func (l *listener) Readable() bool                             { return len(l.queue) > 0 }

// Close stops listening.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.ports.mu.Lock()
		for i, other := range l.ports.listeners {
			if other == l {
				l.ports.listeners = append(l.ports.listeners[:i:i], l.ports.listeners[i+1:]...)
				break
			}
		}
		l.ports.mu.Unlock()
		close(l.closed)
		l.drain()
	})
	return nil
}

// NetListener makes a net.Listener of a file of Listen. It takes over the reference, and keeps it as a descriptor of the
// process, which closes it at its end.
func (p *Process) NetListener(f *File) (net.Listener, error) {
	l, ok := f.stream.(*listener)
	if !ok {
		return nil, syscall.EINVAL
	}
	fd, err := p.keep(f)
	if err != nil {
		return nil, err
	}
	return &processListener{p: p, file: f, fd: fd, listener: l}, nil
}

type processListener struct {
	p        *Process
	file     *File
	fd       int
	listener *listener
}

func (l *processListener) Accept() (net.Conn, error) {
	f, err := l.p.Accept(l.p.ctx, l.file)
	if errors.Is(err, syscall.EBADF) {
		return nil, net.ErrClosed
	}
	if err != nil {
		return nil, err
	}
	return l.p.NetConn(f)
}

func (l *processListener) Addr() net.Addr { return netAddr(l.listener.network, l.listener.at) }

func (l *processListener) Close() error { return l.p.drop(l.fd, l.file) }

// first is the least descriptor of what a program opens besides its standard streams.
const first = 3

// keep makes a descriptor of a file, which no other program inherits. It takes over the reference.
func (p *Process) keep(f *File) (int, error) {
	defer f.Close()
	p.fds.mu.Lock()
	defer p.fds.mu.Unlock()
	return p.fds.add(f, first, true)
}

// drop closes the descriptor of a file, if it still is that.
func (p *Process) drop(fd int, f *File) error {
	if now, err := p.fds.Get(fd); err != nil || now != f {
		return net.ErrClosed
	}
	return p.fds.Close(fd)
}

// end is io.EOF as a socket has it that was broken off.
func end(err error, broken bool) error {
	if broken && (err == io.EOF || err == syscall.EPIPE) {
		return syscall.ECONNRESET
	}
	return err
}
