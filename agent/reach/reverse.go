package reach

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/containerd/errdefs"
	"github.com/hashicorp/yamux"
)

// ReverseConfig says how an agent finds its server.
type ReverseConfig struct {
	URL   string // https://…, the path of the server's Gate
	Token string // for the first connection
	CA    []byte // PEM of the authorities that may have signed the server's certificate; nil is the system's
	// Proxy is as in http.Transport; nil is http.ProxyFromEnvironment: HTTPS_PROXY, NO_PROXY.
	Proxy     func(*http.Request) (*url.URL, error)
	Heartbeat time.Duration // how often the server is asked whether it lives; 10 seconds
	// Keep is told each next token, before the server counts on it, by an agent that wants to survive its own restart.
	Keep func(token string)
	// Failed is told why an attempt to reach the server failed. It is tried again all the same.
	Failed func(error)
}

const (
	dialTimeout = 30 * time.Second
	firstPause  = 250 * time.Millisecond
	longPause   = 10 * time.Second
)

// reverse is the net.Listener of an agent that dials.
type reverse struct {
	config  ReverseConfig
	name    string // that no other agent has
	client  *http.Client
	url     *url.URL
	cancel  context.CancelFunc
	ctx     context.Context
	streams chan net.Conn
	work    sync.WaitGroup
}

// Reverse dials the server, again and again until ctx ends or the listener is closed, and accepts the connections that
// the server opens. Errors: errdefs.ErrInvalidArgument for a configuration that can never work.
func Reverse(ctx context.Context, config ReverseConfig) (net.Listener, error) {
	u, err := url.Parse(config.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("dial back: %q is no URL of a server: %w", config.URL, errdefs.ErrInvalidArgument)
	}
	if u.Scheme != "https" && u.Scheme != "wss" {
		return nil, fmt.Errorf("dial back to %s: the token needs TLS, use https: %w", u.Redacted(), errdefs.ErrInvalidArgument)
	}
	transport := &http.Transport{
		Proxy: config.Proxy, DialContext: (&net.Dialer{}).DialContext, TLSHandshakeTimeout: dialTimeout,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		DisableKeepAlives: true,
	}
	if transport.Proxy == nil {
		transport.Proxy = http.ProxyFromEnvironment
	}
	if config.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(config.CA) {
			return nil, fmt.Errorf("dial back to %s: no certificate in the PEM of its authority: %w", u.Redacted(), errdefs.ErrInvalidArgument)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	if config.Heartbeat <= 0 {
		config.Heartbeat = 10 * time.Second
	}
	if config.Failed == nil {
		config.Failed = func(error) {}
	}
	if config.Keep == nil {
		config.Keep = func(string) {}
	}
	r := &reverse{config: config, name: rand.Text(), url: u, streams: make(chan net.Conn), client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this server
	}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.work.Go(r.run)
	return r, nil
}

// Accept waits for a connection from the server.
func (r *reverse) Accept() (net.Conn, error) {
	select {
	case s := <-r.streams:
		return s, nil
	case <-r.ctx.Done():
		return nil, &net.OpError{Op: "accept", Net: "reverse", Addr: r.Addr(), Err: net.ErrClosed}
	}
}

// Close stops dialing and ends all connections.
func (r *reverse) Close() error {
	r.cancel()
	r.work.Wait()
	return nil
}

func (r *reverse) Addr() net.Addr { return taskAddr(r.url.Redacted()) }

func (r *reverse) run() {
	defer r.cancel()
	pause := time.Duration(0)
	for r.ctx.Err() == nil {
		arrived, err := r.serve()
		if arrived {
			pause = 0
		}
		if r.ctx.Err() != nil {
			return
		}
		r.config.Failed(err)
		pause = min(max(2*pause, firstPause), longPause)
		t := time.NewTimer(pause/2 + mathrand.N(pause/2+1)) // many agents that lost one server do not come back at once
		select {
		case <-t.C:
		case <-r.ctx.Done():
		}
		t.Stop()
	}
}

// serve dials once and hands streams to Accept until the connection ends. It has arrived once it was given the next
// token.
func (r *reverse) serve() (arrived bool, err error) {
	dialing, cancel := context.WithTimeout(r.ctx, dialTimeout)
	defer cancel()
	socket, response, err := websocket.Dial(dialing, r.url.String(), &websocket.DialOptions{
		HTTPClient: r.client, HTTPHeader: http.Header{"Authorization": {"Bearer " + r.config.Token}, agentHeader: {r.name}},
	})
	switch {
	case err == nil:
	case response != nil && response.StatusCode == http.StatusUnauthorized:
		return false, fmt.Errorf("dial back to %s: the server does not take this agent's token: it has expired, or the task "+
			"is not expected (any more): %w", r.url.Redacted(), errdefs.ErrUnauthenticated)
	default:
		return false, fmt.Errorf("dial back to %s: %w", r.url.Redacted(), errors.Join(err, errdefs.ErrUnavailable))
	}
	socket.SetReadLimit(-1)
	mux, err := yamux.Server(&wire{socket: socket}, muxConfig(r.config.Heartbeat))
	if err != nil {
		return false, errors.Join(err, socket.CloseNow())
	}
	stop := context.AfterFunc(r.ctx, func() { _ = mux.Close() })
	defer stop()
	defer func() { _ = mux.Close() }()
	control, err := mux.AcceptStreamWithContext(dialing)
	if err == nil {
		_ = control.SetDeadline(time.Now().Add(dialTimeout))
		err = receiveToken(control, r.keep)
	}
	if err != nil {
		return false, fmt.Errorf("dial back to %s: wait for the next token: %w", r.url.Redacted(), errors.Join(err, errdefs.ErrUnavailable))
	}
	_ = control.SetDeadline(time.Time{})
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for receiveToken(control, r.keep) == nil {
		}
		_ = mux.Close()
	}()
	defer func() { <-renewed }()
	defer func() { _ = mux.Close() }()
	for {
		s, err := mux.AcceptStream()
		if err != nil {
			return true, fmt.Errorf("connection to %s: %w", r.url.Redacted(), errors.Join(err, errdefs.ErrUnavailable))
		}
		select {
		case r.streams <- &stream{Stream: s, local: r.Addr(), remote: taskAddr("server")}:
		case <-mux.CloseChan():
			_ = s.Close()
		case <-r.ctx.Done():
			_ = s.Close()
		}
	}
}

// keep is called by one goroutine at a time, and never while serve dials.
func (r *reverse) keep(token string) {
	r.config.Keep(token)
	r.config.Token = token
}
