package transport

import (
	"context"
	"net"
	"net/url"

	"github.com/valyala/fasthttp"
)

// Request is one request. Its header and body can be read until the handler returns; all else stays.
type Request struct {
	server *Server
	http   *fasthttp.RequestCtx
	method string
	path   string
	query  url.Values
	ctx    context.Context
	cancel context.CancelFunc
	body   *bodyReader
}

// Method is the verb, in capitals.
func (r *Request) Method() string { return r.method }

// Path is the path as it was sent: no percent-encoding undone, no segment cleaned away, without the query.
func (r *Request) Path() string { return r.path }

// Context ends when the server has no more time, and for a stream or hijacked connection when that ends.
func (r *Request) Context() context.Context {
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithCancel(r.server.requests)
	}
	return r.ctx
}

// Query returns the values of the query. A part that cannot be decoded is left out.
func (r *Request) Query() url.Values {
	if r.query == nil {
		r.query, _ = url.ParseQuery(string(r.http.URI().QueryString()))
	}
	return r.query
}

// Header returns the value of a header, "" when the client sent none.
func (r *Request) Header(name string) string {
	return string(r.http.Request.Header.Peek(name))
}

// RemoteAddr says where the client is, for the log.
func (r *Request) RemoteAddr() string { return r.http.RemoteAddr().String() }

// Conn is the connection as its listener accepted it.
func (r *Request) Conn() net.Conn {
	if c, ok := r.http.Conn().(*frontConn); ok {
		return c.Conn
	}
	return r.http.Conn()
}

// upgrades says whether the client asks for another protocol, as the Docker clients do before they hijack.
func (r *Request) upgrades() bool {
	return len(r.http.Request.Header.Peek("Upgrade")) > 0
}
