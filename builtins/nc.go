package builtins

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var ncUsage = usage{
	synopsis: "[-46dklNnuvz] [-p port] [-q seconds] [-w timeout] [destination] [port]",
	about:    "Connect to a port, or listen at one, and copy standard input to it and what comes from it to standard output.",
	options:  []string{"4", "6", "d", "k", "l", "N", "n", "p=", "q=", "u", "v", "w=", "z"},
}

// ncCall is one run of nc.
type ncCall struct {
	p                                              *Process
	kind                                           string // of addresses: "4", "6", ""
	network                                        string // "tcp", "udp"
	deaf, keep, listen, half, plain, verbose, scan bool
	linger                                         time.Duration // from the end of standard input on; negative is for ever
	idle                                           time.Duration // 0 is for ever
	port                                           string

	input *ncInput
}

// ncInput is standard input as it is read, once for all connections. It is read ahead by one block; at the end of the
// command its reader ends with the process.
type ncInput struct {
	blocks chan []byte // closed at the end
}

func nc(p *Process) int {
	opts, operands, status, done := p.parse(ncUsage)
	if done {
		return status
	}
	n := &ncCall{p: p, network: "tcp", linger: -1}
	for _, o := range opts {
		ok := true
		switch o.name {
		case "4", "6":
			n.kind = o.name
		case "d":
			n.deaf = true
		case "k":
			n.keep = true
		case "l":
			n.listen = true
		case "N":
			n.half = true
		case "n":
			n.plain = true
		case "p":
			n.port = o.value
		case "q":
			seconds, err := strconv.Atoi(o.value)
			n.linger, ok = time.Duration(seconds)*time.Second, err == nil
			n.half = n.half || seconds >= 0
		case "u":
			n.network = "udp"
		case "v":
			n.verbose = true
		case "w":
			seconds, err := strconv.Atoi(o.value)
			n.idle, ok = time.Duration(seconds)*time.Second, err == nil && seconds >= 0
		case "z":
			n.scan = true
		}
		if !ok {
			p.Errorf("option -%s: invalid number of seconds: %s", o.name, o.value)
			return p.tryHelp(ncUsage)
		}
	}
	switch {
	case n.keep && !n.listen:
		p.Errorf("must use -l with -k")
	case n.listen && n.scan:
		p.Errorf("cannot use -z and -l")
	case n.listen:
		return n.serve(operands)
	case n.port != "":
		p.Errorf("option -p: the port to connect from cannot be chosen in the sandbox")
	case len(operands) == 2:
		return n.connect(operands[0], operands[1])
	default:
		p.Errorf("a destination and a port are needed")
	}
	return p.tryHelp(ncUsage)
}

// connect connects to the ports of a host in turn. The status is 0 if one answered.
func (n *ncCall) connect(host, list string) int {
	first, last, err := n.ports(list)
	if err != nil {
		n.p.Errorf("port number invalid: %s", list)
		return 1
	}
	if _, err := netip.ParseAddr(host); err != nil && n.plain {
		n.p.Errorf("getaddrinfo for host \"%s\" port %s: Name or service not known (with -n it must be an address)", host, list)
		return 1
	}
	status := 1
	for port := first; port <= last && n.p.Context.Err() == nil; port++ {
		conn, err := n.dial(host, strconv.Itoa(port))
		if err == nil && n.scan && n.network == "udp" {
			err = probe(conn)
		}
		if err != nil {
			if conn != nil {
				conn.Close()
			}
			var name *net.DNSError
			if errors.As(err, &name) {
				n.p.Errorf("getaddrinfo for host \"%s\" port %d: Name or service not known", host, port)
				return 1
			}
			if n.verbose {
				n.p.Errorf("connect to %s port %d (%s) failed: %s", host, port, n.network, ncError(err))
			}
			continue
		}
		status = 0
		if n.verbose {
			where := host
			if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil && at.Addr().String() != host {
				where += " (" + at.Addr().String() + ")"
			}
			io.WriteString(n.p.Stderr, "Connection to "+where+" "+strconv.Itoa(port)+" port ["+n.network+"/"+n.service(port)+"] succeeded!\n")
		}
		if !n.scan {
			status = n.carry(conn, true)
		}
		conn.Close()
	}
	return status
}

func ncError(err error) string {
	if timedOut(err) || errors.Is(err, syscall.ETIMEDOUT) {
		return "Connection timed out"
	}
	return strerror(err)
}

func (n *ncCall) dial(host, port string) (net.Conn, error) {
	ctx := n.p.Context
	if n.idle > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, n.idle)
		defer cancel()
	}
	if n.kind != "" {
		return n.p.dialKind(ctx, n.network, net.JoinHostPort(host, port), n.kind)
	}
	return n.p.System.Dial(ctx, n.network, net.JoinHostPort(host, port))
}

// probe finds out whether somebody refuses datagrams; silence is none.
func probe(c net.Conn) error {
	c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("X")); err != nil {
		return err
	}
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

// ports reads "80", "http" or "20-30".
func (n *ncCall) ports(list string) (first, last int, err error) {
	low, high, ranged := strings.Cut(list, "-")
	if _, err := strconv.Atoi(low); err != nil || !ranged {
		low, high = list, list
	}
	if first, err = n.portNumber(low); err == nil {
		last, err = n.portNumber(high)
	}
	return min(first, last), max(first, last), err
}

func (n *ncCall) portNumber(text string) (int, error) {
	if port, err := strconv.ParseUint(text, 10, 16); err == nil && port > 0 {
		return int(port), nil
	}
	for name, port := range n.services() {
		if name == text {
			return port, nil
		}
	}
	return 0, syscall.EINVAL
}

// service is the name of a port, "*" if it has none or names are not wanted.
func (n *ncCall) service(port int) string {
	if !n.plain {
		for name, number := range n.services() {
			if number == port {
				return name
			}
		}
	}
	return "*"
}

// services gives the names of the network's ports in /etc/services.
func (n *ncCall) services() func(yield func(name string, port int) bool) {
	return func(yield func(string, int) bool) {
		data, err := n.p.Files.ReadFile("/etc/services")
		if err != nil {
			return
		}
		for line := range strings.Lines(string(data)) {
			line, _, _ = strings.Cut(line, "#")
			fields := strings.Fields(line)
			if len(fields) < 2 {
				continue
			}
			number, network, _ := strings.Cut(fields[1], "/")
			if port, err := strconv.Atoi(number); err == nil && network == n.network && !yield(fields[0], port) {
				return
			}
		}
	}
}

// serve accepts one connection, or with -k one after the other.
func (n *ncCall) serve(operands []string) int {
	host := ""
	switch {
	case n.port == "" && len(operands) == 1:
		n.port = operands[0]
	case n.port == "" && len(operands) == 2:
		host, n.port = operands[0], operands[1]
	case n.port != "" && len(operands) == 1:
		host = operands[0]
	case n.port == "" || len(operands) > 0:
		n.p.Errorf("-l needs one port")
		return n.p.tryHelp(ncUsage)
	}
	port, err := n.portNumber(n.port)
	if err != nil {
		n.p.Errorf("port number invalid: %s", n.port)
		return 1
	}
	l, err := n.p.System.Listen(n.network, net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		n.p.Errorf("%s", strerror(err))
		return 1
	}
	defer l.Close()
	stop := context.AfterFunc(n.p.Context, func() { l.Close() })
	defer stop()
	if n.verbose {
		if host == "" {
			host = "0.0.0.0"
		}
		io.WriteString(n.p.Stderr, "Listening on "+host+" "+strconv.Itoa(port)+"\n")
	}
	for {
		var conn net.Conn
		n.p.System.Block(func() { conn, err = l.Accept() })
		if err != nil {
			if n.p.Context.Err() == nil {
				n.p.Errorf("%s", strerror(err))
			}
			return 1
		}
		if n.verbose {
			address, port, _ := net.SplitHostPort(conn.RemoteAddr().String())
			io.WriteString(n.p.Stderr, "Connection received on "+address+" "+port+"\n")
		}
		status := n.carry(conn, false)
		conn.Close()
		if !n.keep || n.p.Context.Err() != nil {
			return status
		}
	}
}

// read starts to read standard input.
func (n *ncCall) read() *ncInput {
	if n.input != nil {
		return n.input
	}
	in := &ncInput{blocks: make(chan []byte)}
	n.input = in
	if n.deaf {
		close(in.blocks)
		return in
	}
	go func() {
		defer close(in.blocks)
		for {
			block := make([]byte, 16<<10)
			got, err := n.p.Stdin.Read(block)
			if got > 0 {
				select {
				case in.blocks <- block[:got]:
				case <-n.p.Context.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return in
}

// carry copies both ways until both have ended: the other side may still read when it has finished sending. What a user
// types is not waited for then.
//
// The end of standard input is told to the other side. A listener with an empty one, which containers have without -i,
// does so only if asked to (-N, -q): its client would leave before it has sent anything.
func (n *ncCall) carry(conn net.Conn, client bool) int {
	ctx, cancel := context.WithCancel(n.p.Context)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	received := make(chan error, 1)
	active := make(chan struct{}, 1)
	go func() { received <- n.receive(conn, active) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	limit := func(d time.Duration) {
		timer.Stop()
		if d > 0 {
			timer.Reset(d)
		}
	}
	limit(n.idle)
	blocks := n.read().blocks
	spoken := false // standard input had something
	ended := false  // nothing comes any more
	finish := func(err error) int {
		if !ended {
			conn.Close()
			<-received
		}
		if err != nil && !broken(err) && n.p.Context.Err() == nil {
			n.p.Errorf("%s", strerror(err))
			return 1
		}
		return 0
	}
	for {
		var err error
		var block []byte
		more, wait := true, true
		n.p.System.Block(func() {
			select {
			case block, more = <-blocks:
			case err = <-received:
				ended = true
			case <-active:
				if n.linger < 0 || blocks != nil {
					limit(n.idle)
				}
			case <-timer.C:
				wait = false
			case <-ctx.Done():
				wait = false
			}
		})
		switch {
		case !wait:
			return finish(nil)
		case err != nil && !broken(err):
			return finish(err)
		case ended && (n.p.System.IsTerminal(0) || blocks == nil || err != nil):
			return finish(nil)
		case ended && len(block) == 0 && more:
			received = nil
		case !more:
			blocks = nil
			if ended {
				return finish(nil)
			}
			if half, ok := conn.(interface{ CloseWrite() error }); ok && (client || n.half || spoken) {
				half.CloseWrite()
			}
			switch {
			case n.linger == 0:
				return finish(nil)
			case n.linger > 0:
				limit(n.linger)
			}
		case len(block) > 0:
			spoken = true
			limit(n.idle)
			if _, err := conn.Write(block); err != nil {
				return finish(err)
			}
		}
	}
}

// broken says whether an error is the way in which the other side ends a connection.
func broken(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// receive copies what comes to standard output.
func (n *ncCall) receive(conn net.Conn, active chan<- struct{}) error {
	buffer := make([]byte, 64<<10)
	for {
		got, err := conn.Read(buffer)
		if got > 0 {
			select {
			case active <- struct{}{}:
			default:
			}
			if _, err := n.p.Stdout.Write(buffer[:got]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
