package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Limits of a server, the same for every listener.
const (
	// maxHead bounds a request's head in bytes: X-Registry-Config alone can hold credentials of dozens of registries.
	maxHead = 64 << 10
	// headTimeout is how long a client may take to send a head, and to read an answer that is not a stream.
	headTimeout  = 30 * time.Second
	writeTimeout = 5 * time.Minute
	// bodyTimeout ends an upload that is still not through after a day.
	bodyTimeout = 24 * time.Hour
	// idleTimeout closes a connection kept alive on which nothing was asked.
	idleTimeout = 5 * time.Minute
	// defaultMaxConns bounds the connections that are served at the same time, streams and hijacked ones aside.
	defaultMaxConns = 10_000
)

// Handler answers one request. An error that it returns before anything was sent is answered as [Config.Error] says.
type Handler func(w *Response, r *Request) error

// Header is one line of a response's head.
type Header struct{ Name, Value string }

// headerLine is a Header that need not be converted for every response.
type headerLine struct{ name, value []byte }

// Config is what a [Server] needs.
type Config struct {
	// Handler gets every request.
	Handler Handler
	// Error turns a handler's error into an answer. A nil body is an answer without one.
	Error func(err error) (status int, contentType string, body []byte)
	// Headers are on every response, those to broken requests included. Their names are in the canonical form.
	Headers []Header
	// AllowedHosts are names, besides localhost and addresses, that a Host header may have on a plain TCP port.
	AllowedHosts []string
	// MaxConns bounds the connections served at the same time; 0 is 10,000.
	MaxConns int
	// Log gets panics and what breaks below HTTP. It never gets a request's head: that may hold credentials.
	Log *slog.Logger
}

// Server serves HTTP on any number of listeners.
type Server struct {
	config Config
	http   *fasthttp.Server
	// head is Config.Headers as they stand in a head that is written by hand, lines the same for fasthttp.
	head  []byte
	lines []headerLine

	// requests ends when Shutdown's time is over; streams end when Shutdown begins.
	requests context.Context
	abandon  context.CancelFunc

	mu       sync.Mutex
	draining bool
	conns    map[*frontConn]struct{}
	streams  map[*stream]struct{}
	joined   sync.WaitGroup // one for every entry of streams
}

// New makes a server that is not listening yet.
func New(config Config) *Server {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.MaxConns == 0 {
		config.MaxConns = defaultMaxConns
	}
	s := &Server{config: config, conns: map[*frontConn]struct{}{}, streams: map[*stream]struct{}{}}
	s.requests, s.abandon = context.WithCancel(context.Background())
	for _, h := range config.Headers {
		s.head = append(s.head, h.Name+": "+h.Value+"\r\n"...)
		s.lines = append(s.lines, headerLine{[]byte(h.Name), []byte(h.Value)})
	}
	s.http = &fasthttp.Server{
		Handler:         s.serve,
		ErrorHandler:    s.refuse,
		HeaderReceived:  bodyDeadline,
		Concurrency:     config.MaxConns,
		ReadBufferSize:  maxHead,
		ReadTimeout:     headTimeout,
		WriteTimeout:    writeTimeout,
		IdleTimeout:     idleTimeout,
		CloseOnShutdown: true,
		// Bodies are read as they come: a gigabyte of docker cp never lies in memory or in a temporary file.
		// The size is no limit then, but how much is read before the handler is called: as little as can be.
		StreamRequestBody:            true,
		MaxRequestBodySize:           1,
		DisablePreParseMultipartForm: true,
		// A head may hold X-Registry-Auth.
		SecureErrorLogMessage: true,
		Logger:                serverLog{config.Log},
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
	}
	return s
}

// Serve answers requests on ln until Shutdown or until accepting fails. It may run for several listeners at a time.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(&frontListener{Listener: ln, server: s}); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops listening, ends every stream and hijacked connection by its context, lets other requests finish, and
// returns when all are done. When ctx ends first, the connections that are left are closed, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for st := range s.streams {
		st.cancel()
	}
	s.mu.Unlock()

	err := s.http.ShutdownWithContext(ctx)
	joined := make(chan struct{})
	go func() {
		s.joined.Wait()
		close(joined)
	}()
	select {
	case <-joined:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.abandon()
	s.closeConns()
	<-joined
	return err
}

// closeConns cuts what is still connected.
func (s *Server) closeConns() {
	s.mu.Lock()
	left := make([]*frontConn, 0, len(s.conns))
	for c := range s.conns {
		left = append(left, c)
	}
	s.mu.Unlock()
	for _, c := range left {
		c.Close()
	}
}

// serve runs the handler for one request, on the goroutine of its connection.
func (s *Server) serve(fc *fasthttp.RequestCtx) {
	x := &exchange{}
	x.request = Request{server: s, http: fc, method: method(fc.Method()), path: string(fc.URI().PathOriginal())}
	x.response = Response{server: s, http: fc, request: &x.request, extra: x.room[:0]}
	w := &x.response
	for _, h := range s.lines {
		fc.Response.Header.SetCanonical(h.name, h.value)
	}
	if err := s.call(w, &x.request); err != nil {
		w.fail(err)
	}
	// What was handed to a stream goes on after the handler, and so does its context.
	if x.request.cancel != nil && !w.taken {
		x.request.cancel()
	}
}

// exchange holds a request and its response in one allocation.
type exchange struct {
	request  Request
	response Response
	room     [4]Header // for Response.extra
}

// method is the verb as a string, without an allocation for those that are used.
func method(b []byte) string {
	for _, known := range [...]string{"GET", "POST", "HEAD", "DELETE", "PUT"} {
		if string(b) == known {
			return known
		}
	}
	return string(b)
}

// call runs the handler and turns a panic into an error, so that one broken endpoint does not end the server.
func (s *Server) call(w *Response, r *Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.config.Log.Error("panic in a request", "method", r.method, "path", r.path, "panic", p, "stack", string(debug.Stack()))
			err = errors.New("internal error: the server's log has the reason")
		}
	}()
	if c, ok := r.http.Conn().(*frontConn); ok && c.plainTCP {
		if err := s.checkOrigin(r); err != nil {
			return err
		}
	}
	return s.config.Handler(w, r)
}

// refuse answers a request that cannot be read.
func (s *Server) refuse(fc *fasthttp.RequestCtx, err error) {
	status := fasthttp.StatusBadRequest
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		status, err = fasthttp.StatusRequestHeaderFieldsTooLarge, fmt.Errorf("the request's head is larger than %d bytes", maxHead)
	case errors.As(err, &timeout) && timeout.Timeout():
		status, err = fasthttp.StatusRequestTimeout, errors.New("the request took too long to arrive")
	default:
		err = fmt.Errorf("bad request: %w", err)
	}
	for _, h := range s.lines {
		fc.Response.Header.SetCanonical(h.name, h.value)
	}
	_, contentType, body := s.config.Error(err)
	fc.Response.Header.SetContentType(contentType)
	fc.SetStatusCode(status)
	fc.Response.SetBody(body)
}

// bodyDeadline gives a request with a body the time of an upload; the deadline of the head is over with the head.
func bodyDeadline(h *fasthttp.RequestHeader) (config fasthttp.RequestConfig) {
	if h.ContentLength() != 0 && !h.IsGet() && !h.IsHead() {
		config.ReadTimeout = bodyTimeout
	}
	return config
}

// serverLog takes what fasthttp has to say about connections.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Printf(format string, args ...any) {
	l.log.Debug("http: " + fmt.Sprintf(format, args...))
}
