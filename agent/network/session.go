package network

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/net/dns/dnsmessage"
)

// version of the protocol. A side that meets a newer one refuses the request.
const version = 1

// window is how many bytes of a connection may be under way: enough for 100 Mbit/s at 80 ms.
const window = 1 << 20

// The operations of a request.
const (
	opDial    = "dial"
	opResolve = "resolve"
	opReset   = "reset" // breaks off the connection on another stream: yamux has no way to say so
)

// request is what a stream begins with.
type request struct {
	Version   int             `json:"v"`
	Op        string          `json:"op"`
	Container string          `json:"container,omitempty"`
	Network   string          `json:"network,omitempty"`
	Address   string          `json:"address,omitempty"`
	Source    netip.AddrPort  `json:"source,omitzero"`
	Name      string          `json:"name,omitempty"`
	Type      dnsmessage.Type `json:"type,omitempty"`
	Stream    uint32          `json:"stream,omitempty"` // that is reset
}

// response is the answer to a request that is not a reset.
type response struct {
	Error  *Error         `json:"error,omitempty"`
	Local  netip.AddrPort `json:"local,omitzero"`  // of the connection, as the other side sees it
	Remote netip.AddrPort `json:"remote,omitzero"` //
	DNS    []byte         `json:"dns,omitempty"`   // a message with the records
}

type (
	dialFunc    func(ctx context.Context, container, network, address string) (net.Conn, error)
	resolveFunc func(ctx context.Context, container, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error)
)

// session is either end of a stream.
type session struct {
	mux     *yamux.Session
	dialer  dialFunc
	answers resolveFunc

	ctx    context.Context // ends with the session
	cancel context.CancelFunc

	mu         sync.Mutex
	closed     bool
	background sync.WaitGroup
	conns      map[uint32]*conn // by the id of their streams
}

// newSession begins a session; first is the server's side.
func newSession(stream io.ReadWriteCloser, first bool, dialer dialFunc, answers resolveFunc) (*session, error) {
	config := yamux.DefaultConfig()
	config.LogOutput, config.Logger = nil, log.New(io.Discard, "", 0) // what it logs is in the errors, too
	config.EnableKeepAlive = false                                    // the connection below has its own
	config.MaxStreamWindowSize = window
	config.ConnectionWriteTimeout = 24 * time.Hour // a slow connection is not a dead one
	config.StreamOpenTimeout = 0                   // the context of who asks
	config.StreamCloseTimeout = 0                  // a direction may be closed for as long as it likes
	open := yamux.Server
	if first {
		open = yamux.Client
	}
	mux, err := open(stream, config)
	if err != nil {
		return nil, fmt.Errorf("begin a session of the network: %w", err)
	}
	s := &session{mux: mux, dialer: dialer, answers: answers, conns: map[uint32]*conn{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.background.Go(s.accept)
	return s, nil
}

// Done is closed when the stream has ended.
func (s *session) Done() <-chan struct{} { return s.ctx.Done() }

// Close ends the session and all that it started.
func (s *session) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.mux.Close() //nolint:errcheck // it has no errors
	s.background.Wait()
}

// spawn runs f in the background; Close waits for it. It does not once the session is closed.
func (s *session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.background.Go(f)
	return true
}

// accept takes what the other side asks for, until the stream ends.
func (s *session) accept() {
	defer s.cancel()
	for {
		stream, err := s.mux.AcceptStream()
		if err != nil {
			return
		}
		s.mu.Lock()
		c := s.register(stream)
		s.mu.Unlock()
		if !s.spawn(func() { s.serve(c) }) {
			return
		}
	}
}

// register makes the connection of a stream. s.mu is held.
func (s *session) register(stream *yamux.Stream) *conn {
	c := newConn(s, stream)
	s.conns[stream.StreamID()] = c
	return c
}

func (s *session) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.stream.StreamID())
}

// open makes a new stream. A reset of it cannot come before it is registered.
func (s *session) open() (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stream, err := s.mux.OpenStream()
	if err != nil {
		return nil, NewError(NetworkUnreachable, "the network's connection between agent and server has ended: %s", err)
	}
	return s.register(stream), nil
}

// serve answers a request.
func (s *session) serve(c *conn) {
	var r request
	if err := receive(c, &r); err != nil {
		c.Reset() //nolint:errcheck // nobody to tell
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	stop := context.AfterFunc(c.broken, cancel) // who asked has gone away
	defer stop()
	switch {
	case r.Version > version:
		s.refuse(c, NewError(Unsupported, "version %d of the network's protocol is newer than %d: update this side", r.Version, version))
	case r.Op == opDial:
		s.serveDial(ctx, c, &r)
	case r.Op == opResolve && s.answers != nil:
		s.serveResolve(ctx, c, &r)
	case r.Op == opReset:
		s.mu.Lock()
		other := s.conns[r.Stream]
		s.mu.Unlock()
		if other != nil {
			other.wasReset()
		}
		c.Close() //nolint:errcheck // nobody to tell
	default:
		s.refuse(c, NewError(Unsupported, "the network's protocol has no operation %q here", r.Op))
	}
}

func (s *session) refuse(c *conn, err *Error) {
	send(c, response{Error: err}) //nolint:errcheck // then it is gone already
	c.Close()                     //nolint:errcheck // as above
}

func (s *session) serveDial(ctx context.Context, c *conn, r *request) {
	if r.Source.IsValid() {
		ctx = WithSource(ctx, r.Source)
	}
	target, err := s.dialer(ctx, r.Container, r.Network, r.Address)
	if err != nil {
		s.refuse(c, Classify(err))
		return
	}
	if err := send(c, response{Local: addrPort(target.LocalAddr()), Remote: addrPort(target.RemoteAddr())}); err != nil {
		reset(target)
		reset(c)
		return
	}
	if isDatagram(r.Network) {
		Join(s.ctx, target, datagrams{c})
		return
	}
	Join(s.ctx, target, c)
}

func (s *session) serveResolve(ctx context.Context, c *conn, r *request) {
	records, err := s.answers(ctx, r.Container, r.Name, r.Type)
	if err != nil {
		s.refuse(c, Classify(err))
		return
	}
	message := dnsmessage.Message{Answers: records}
	packed, err := message.Pack()
	if err != nil {
		s.refuse(c, NewError(Failed, "pack the records of %s: %s", r.Name, err))
		return
	}
	send(c, response{DNS: packed}) //nolint:errcheck // then it is gone already
	c.Close()                      //nolint:errcheck // as above
}

// ask opens a stream with a request. Where ctx ends first, the stream is broken off.
func (s *session) ask(ctx context.Context, r request) (*conn, *response, error) {
	type result struct {
		c    *conn
		resp response
		err  error
	}
	done := make(chan result)
	if !s.spawn(func() {
		var res result
		res.c, res.err = s.open()
		if res.err == nil {
			stop := context.AfterFunc(ctx, func() { res.c.Reset() }) //nolint:errcheck // nobody to tell
			if res.err = send(res.c, r); res.err == nil {
				res.err = receive(res.c, &res.resp)
			}
			stop()
		}
		if res.err == nil && res.resp.Error != nil {
			res.err = res.resp.Error
			res.c.Close() //nolint:errcheck // it is at its end
		} else if res.err != nil && res.c != nil {
			res.c.Reset() //nolint:errcheck // nobody to tell
		}
		select {
		case done <- res:
		case <-ctx.Done():
			if res.err == nil {
				res.c.Reset() //nolint:errcheck // nobody to tell
			}
		}
	}) {
		return nil, nil, NewError(NetworkUnreachable, "the network's connection between agent and server has ended")
	}
	select {
	case res := <-done:
		if res.err != nil && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return res.c, &res.resp, res.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// dial asks the other side for a connection.
func (s *session) dial(ctx context.Context, container, network, address string) (net.Conn, error) {
	if network = strings.TrimRight(network, "46"); network != "tcp" && network != "udp" && network != "unix" {
		return nil, NewError(Unsupported, "dial %s %s: there are only tcp, udp and unix", network, address)
	}
	if _, _, err := net.SplitHostPort(address); err != nil && network != "unix" {
		return nil, NewError(Invalid, "dial %s: %s", network, err)
	}
	c, resp, err := s.ask(ctx, request{Version: version, Op: opDial, Container: container, Network: network, Address: address, Source: Source(ctx)})
	if err != nil {
		return nil, failed(err, "dial "+network+" "+address)
	}
	c.local, c.remote = netAddr(network, resp.Local), netAddr(network, resp.Remote)
	if isDatagram(network) {
		return datagrams{c}, nil
	}
	return c, nil
}

// resolve asks the other side for the records of a name.
func (s *session) resolve(ctx context.Context, container, name string, qtype dnsmessage.Type) ([]dnsmessage.Resource, error) {
	c, resp, err := s.ask(ctx, request{Version: version, Op: opResolve, Container: container, Name: name, Type: qtype})
	if err != nil {
		return nil, failed(err, "lookup "+name)
	}
	c.Close() //nolint:errcheck // it is at its end
	var message dnsmessage.Message
	if err := message.Unpack(resp.DNS); err != nil {
		return nil, NewError(Failed, "lookup %s: records that cannot be read: %s", name, err)
	}
	return message.Answers, nil
}

// failed is the error of a request as who asked sees it.
func failed(err error, what string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := Classify(err)
	if strings.HasPrefix(e.Message, what) {
		return e
	}
	return NewError(e.Code, "%s: %s", what, e.Message)
}

// most is how long a request or a response may be, in bytes.
const most = 128 << 10

// send writes a request or a response.
func send(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// receive reads a request or a response.
func receive(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > most {
		return NewError(Invalid, "a message of %d bytes on the network's connection: the most is %d", n, most)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
