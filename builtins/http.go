package builtins

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// httpClient exchanges requests over the process's own sockets. Each exchange has a connection of its own, so that
// nothing is left of it when its answer is closed, and each head can be shown as it was sent.
type httpClient struct {
	p              *Process
	insecure       bool   // certificates are not verified
	bundle         string // file of certificates; the system's if empty
	proxy          func(u *url.URL) (*url.URL, error)
	connectTimeout time.Duration // 0 is none
	tcp            func(ctx context.Context, address string) (net.Conn, error)
	connected      func(host, port string, c net.Conn)
	sent           func(head []byte) // what went out up to the empty line

	roots *x509.CertPool
}

// httpAnswer is an answer whose Body must be closed.
type httpAnswer struct {
	*http.Response
	head []byte // as it came
}

// connectError says that a host could not be reached.
type connectError struct {
	host, port string
	err        error
}

func (e *connectError) Error() string { return strerror(e.err) }
func (e *connectError) Unwrap() error { return e.err }

// handshakeError says that TLS could not be agreed on.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// untrusted says whether it is the certificate that is wrong.
func (e *handshakeError) untrusted() bool {
	var verification *tls.CertificateVerificationError
	return errors.As(e.err, &verification)
}

var (
	errEmptyAnswer  = errors.New("empty reply from server")
	errNoCA         = errors.New("no file of trusted certificates")
	errNotHTTP      = errors.New("the answer is not HTTP")
	errProxyRefused = errors.New("the proxy refused to connect")
)

// do sends a request and reads the head of the answer. Redirections are not followed.
func (c *httpClient) do(req *http.Request) (*httpAnswer, error) {
	ctx := req.Context()
	proxy, err := c.proxy(req.URL)
	if err != nil {
		return nil, err
	}
	conn, err := c.connect(ctx, req.URL, proxy)
	if err != nil {
		return nil, pastDeadline(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	answer, err := c.exchange(conn, req, proxy != nil && req.URL.Scheme == "http")
	if err != nil {
		stop()
		conn.Close()
		return nil, pastDeadline(ctx, err)
	}
	answer.Body = &httpBody{ReadCloser: answer.Body, ctx: ctx, close: func() { stop(); conn.Close() }}
	return answer, nil
}

// pastDeadline is why a call failed whose connection ctx has closed.
func pastDeadline(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

type httpBody struct {
	io.ReadCloser
	ctx   context.Context
	close func()
}

func (b *httpBody) Read(data []byte) (int, error) {
	n, err := b.ReadCloser.Read(data)
	if err != nil && err != io.EOF {
		err = pastDeadline(b.ctx, err)
	}
	return n, err
}

// Close ends the connection; the rest of the body is not read.
func (b *httpBody) Close() error {
	b.close()
	return nil
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// connect makes the connection that a URL's requests are sent over.
func (c *httpClient) connect(ctx context.Context, to, proxy *url.URL) (net.Conn, error) {
	if c.connectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.connectTimeout)
		defer cancel()
	}
	target := to
	if proxy != nil {
		target = proxy
	}
	host, port := target.Hostname(), portOf(target)
	conn, err := c.tcp(ctx, net.JoinHostPort(host, port))
	if err != nil {
		return nil, &connectError{host, port, pastDeadline(ctx, err)}
	}
	if c.connected != nil {
		c.connected(host, port, conn)
	}
	if to.Scheme != "https" {
		return conn, nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	secure, err := c.secure(ctx, conn, to, proxy)
	if !stop() || err != nil {
		conn.Close()
		return nil, pastDeadline(ctx, err)
	}
	return secure, nil
}

// secure makes a TLS connection of a connection, through the proxy if there is one.
func (c *httpClient) secure(ctx context.Context, conn net.Conn, to, proxy *url.URL) (net.Conn, error) {
	if proxy != nil {
		address := net.JoinHostPort(to.Hostname(), portOf(to))
		tunnel := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{"User-Agent": {""}}}
		authorizeProxy(tunnel, proxy)
		answer, err := c.exchange(conn, tunnel, false)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%w: %s", errProxyRefused, answer.Status)
		}
	}
	config := &tls.Config{ServerName: to.Hostname(), InsecureSkipVerify: c.insecure, NextProtos: []string{"http/1.1"}, Time: c.p.System.Now}
	if !c.insecure {
		var err error
		if config.RootCAs, err = c.trusted(); err != nil {
			return nil, err
		}
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// bundles are where distributions keep the certificates that they trust.
var bundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"}

// trusted reads the certificates of the container; never those of the host.
func (c *httpClient) trusted() (*x509.CertPool, error) {
	if c.roots != nil {
		return c.roots, nil
	}
	names := bundles
	if c.bundle != "" {
		names = []string{c.bundle}
	} else if name := c.p.Getenv("SSL_CERT_FILE"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		data, err := c.p.Files.ReadFile(name)
		if err != nil {
			continue
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%w in %s", errNoCA, name)
		}
		c.roots = pool
		return pool, nil
	}
	return nil, fmt.Errorf("%w: %s (install the package ca-certificates)", errNoCA, names[0])
}

// exchange sends a request and reads the answer's head. What a server answers before it has read everything counts.
func (c *httpClient) exchange(conn net.Conn, req *http.Request, viaProxy bool) (*httpAnswer, error) {
	out := &headWriter{w: conn, head: c.sent}
	write := req.Write
	if viaProxy {
		write = req.WriteProxy
	}
	sendErr := write(out)
	in := bufio.NewReaderSize(conn, blockSize)
	for {
		head, err := readHead(in)
		if err != nil {
			if sendErr != nil {
				err = sendErr
			}
			return nil, err
		}
		answer, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), in)), req)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotHTTP, err)
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return &httpAnswer{answer, head}, nil
		}
	}
}

// headLimit is how long the head of an answer may be, in bytes.
const headLimit = 300 << 10

// readHead reads up to the empty line.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case err == io.EOF && len(head) == 0:
			return nil, errEmptyAnswer
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil && err != bufio.ErrBufferFull:
			return nil, err
		case len(head) > headLimit || !bytes.HasPrefix(head, []byte("HTTP/")[:min(5, len(head))]):
			return nil, errNotHTTP
		case err == nil && len(bytes.TrimRight(line, "\r\n")) == 0:
			return head, nil
		}
	}
}

// headWriter reports what is written up to the first empty line.
type headWriter struct {
	w    io.Writer
	kept []byte
	head func([]byte) // nil once it was called
}

func (h *headWriter) Write(b []byte) (int, error) {
	if h.head != nil {
		h.kept = append(h.kept, b...)
		if end := bytes.Index(h.kept, []byte("\r\n\r\n")); end >= 0 {
			h.head(h.kept[:end+4])
			h.head = nil
		}
	}
	return h.w.Write(b)
}

// dialer connects to addresses of one kind: "4", "6" or both with "".
func (p *Process) dialer(kind string) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		if kind == "" {
			return p.System.Dial(ctx, "tcp", address)
		}
		return p.dialKind(ctx, "tcp", address, kind)
	}
}

// dialKind connects to the first address of a host that is of a kind and answers.
func (p *Process) dialKind(ctx context.Context, network, address, kind string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := p.System.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	err = &net.DNSError{Err: "no address of IPv" + kind, Name: host, IsNotFound: true}
	for _, a := range addresses {
		if a.Is4() != (kind == "4") {
			continue
		}
		var c net.Conn
		if c, err = p.System.Dial(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// environmentProxy finds proxies as curl and wget do: in http_proxy, https_proxy, all_proxy and no_proxy of the process's
// own environment. HTTP_PROXY is not asked, since a CGI program has it from its client.
func (p *Process) environmentProxy(u *url.URL) (*url.URL, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := p.Getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	if bypasses(first("no_proxy", "NO_PROXY"), u) {
		return nil, nil
	}
	if u.Scheme == "https" {
		return parseProxy(first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"))
	}
	return parseProxy(first("http_proxy", "all_proxy", "ALL_PROXY"))
}

// parseProxy reads "[http://][user:password@]host[:port]"; "" is no proxy.
func parseProxy(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("unsupported proxy %q", text)
	}
	if u.Scheme != "http" {
		return nil, fmt.Errorf("unsupported proxy scheme %q: only http:// is supported", u.Scheme)
	}
	return u, nil
}

// bypasses says whether a list of hosts and domains, as in no_proxy, has the URL's.
func bypasses(list string, u *url.URL) bool {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if entry == "*" {
			return true
		}
		if _, network, err := net.ParseCIDR(entry); err == nil {
			if a := net.ParseIP(host); a != nil && network.Contains(a) {
				return true
			}
			continue
		}
		entry = strings.ToLower(strings.TrimPrefix(entry, "."))
		if name, port, err := net.SplitHostPort(entry); err == nil {
			if port != portOf(u) {
				continue
			}
			entry = name
		}
		if entry = strings.Trim(entry, "[]"); host == entry || strings.HasSuffix(host, "."+entry) {
			return true
		}
	}
	return false
}

// authorizeProxy adds the name and password that a proxy's URL has.
func authorizeProxy(req *http.Request, proxy *url.URL) {
	if proxy == nil || proxy.User == nil {
		return
	}
	password, _ := proxy.User.Password()
	named := &http.Request{Header: http.Header{}}
	named.SetBasicAuth(proxy.User.Username(), password)
	req.Header.Set("Proxy-Authorization", named.Header.Get("Authorization"))
}

// authorizeURL moves the name and password of a URL into the request, unless it has an Authorization.
func authorizeURL(req *http.Request) {
	if user := req.URL.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
}

// headerLine adds a header as a user writes it: "Name: value". Host and an empty one, which removes a header that would be
// sent otherwise, are Go's special cases. False is for what is no header.
func headerLine(req *http.Request, line string) bool {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "":
		return false
	case strings.EqualFold(name, "Host"):
		req.Host = value
	case strings.EqualFold(name, "Content-Length"): // it is what the body has
	case value == "" && strings.EqualFold(name, "User-Agent"):
		req.Header["User-Agent"] = []string{""}
	case value == "":
		req.Header.Del(name)
	default:
		req.Header.Add(name, value)
	}
	return true
}

// parseURL reads a URL as a user writes it: without a scheme it is http.
func parseURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	u.Scheme = strings.ToLower(u.Scheme)
	return u, nil
}

// timedOut says whether an error is that of a deadline.
func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}
