package dockerapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// Config is what a [Server] needs.
type Config struct {
	Engine Engine
	// Version of this program, for the Server header.
	Version string
	// AllowedHosts are names, besides localhost, under which a plain TCP port may be addressed.
	AllowedHosts []string
	// MaxConns bounds the connections that are served at the same time, streams aside; 0 is 10,000.
	MaxConns int
	// Check tells what a backend needs, one thing after the other: see offload.Scheduler.CheckBackend. Nil is a server without backends.
	Check func(ctx context.Context, backend string, report func(finding any)) error
	Log   *slog.Logger // nil discards
}

// Server answers Docker clients.
type Server struct {
	engine Engine
	check  func(ctx context.Context, backend string, report func(any)) error
	router *router
	http   *transport.Server
}

// New makes a server that is not listening yet.
func New(config Config) *Server {
	s := &Server{engine: config.Engine, check: config.Check, router: newRouter(routes())}
	s.http = transport.New(transport.Config{
		Handler: s.serve,
		Error:   answerError,
		Headers: []transport.Header{
			{Name: "Api-Version", Value: maxVersion.String()},
			{Name: "Docker-Experimental", Value: "false"},
			{Name: "Ostype", Value: "linux"},
			{Name: "Server", Value: "Sockerless/" + config.Version + " (linux)"},
		},
		AllowedHosts: config.AllowedHosts,
		MaxConns:     config.MaxConns,
		Log:          config.Log,
	})
	return s
}

// Serve answers on ln until Shutdown, or until accepting fails. It may run for several listeners at a time.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(ln) }

// Shutdown ends all streams, lets other requests finish until ctx ends, and then cuts what is left.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// call is one request on its way through a handler.
type call struct {
	*transport.Request
	w       *transport.Response
	engine  Engine
	check   func(ctx context.Context, backend string, report func(any)) error
	version version
	// name is what stands for {name} in the route's path.
	name string
	// untrusted is a request whose client does not have the rights of the server's user.
	untrusted bool
}

// making is the context of what makes something that may use this machine's files.
func (c *call) making() context.Context {
	if c.untrusted {
		return runtime.Untrusted(c.Context())
	}
	return c.Context()
}

// serve finds the endpoint and lets it answer.
func (s *Server) serve(w *transport.Response, r *transport.Request) error {
	// A path is looked up before its version is looked at, as dockerd's router does.
	v, path, versionErr := cutVersion(r.Path())
	route, name, err := s.router.find(r.Method(), path)
	if err != nil {
		return err
	}
	if versionErr != nil {
		var old *tooOldError
		if errors.As(versionErr, &old) { // http.Error's header, which dockerd answers such clients with
			w.SetHeader("X-Content-Type-Options", "nosniff")
		}
		return versionErr
	}
	if v < route.since {
		return invalid(route.method + " " + route.path + " requires API version " + route.since.String() + ", the client asks for " + v.String())
	}
	c := &call{Request: r, w: w, engine: s.engine, check: s.check, version: v, name: name}
	switch conn := r.Conn().(type) {
	case *insideConn:
		limited, err := scopeOf(c.Context(), s.engine, conn.container)
		if err != nil {
			return err
		}
		if c.name, err = limited.admit(c.Context(), route, name); err != nil {
			return err
		}
		c.engine, c.untrusted = limited, true
	default:
		_, c.untrusted = conn.LocalAddr().(*net.TCPAddr)
	}
	return route.serve(c)
}

// json answers with a value, in the form that the client's version knows.
func (c *call) json(status int, v any) error {
	body, err := encodeFor(c.version, v)
	if err != nil {
		return err
	}
	c.w.Send(status, "application/json", body)
	return nil
}

// done answers that it is done, without a body.
func (c *call) done(err error) error {
	if err == nil {
		c.w.Send(http.StatusNoContent, "", nil)
	}
	return err
}
