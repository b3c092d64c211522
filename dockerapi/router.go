package dockerapi

import (
	"net/url"
	"strings"

	"github.com/containerd/errdefs"
)

// route is one line of the table in routes.go.
type route struct {
	method string
	// path has at most one {name}, which stands for one or more characters, slashes among them: images have such names.
	path string
	// since is the API version that brought the endpoint; 0: it was always there.
	since version
	serve func(c *call) error
	// reason says, where serve is nil, why the endpoint answers 501.
	reason string
}

// router finds the route for a request. Where several match, the first of the table wins.
type router struct {
	fixed map[string]map[string]*route // path → method
	named map[string][]namedRoute      // method → in the table's order
}

// namedRoute is a route with a {name}: what stands before it and behind it.
type namedRoute struct {
	prefix, suffix string
	route          *route
}

func newRouter(table []route) *router {
	rt := &router{fixed: map[string]map[string]*route{}, named: map[string][]namedRoute{}}
	for i := range table {
		r := &table[i]
		before, rest, ok := strings.Cut(r.path, "{")
		if !ok {
			if rt.fixed[r.path] == nil {
				rt.fixed[r.path] = map[string]*route{}
			}
			rt.fixed[r.path][r.method] = r
			continue
		}
		_, after, _ := strings.Cut(rest, "}")
		rt.named[r.method] = append(rt.named[r.method], namedRoute{before, after, r})
	}
	return rt
}

// find takes a path without its version, still percent-encoded: decoding comes after splitting, so that an encoded slash
// cannot change which endpoint is meant.
func (rt *router) find(method, path string) (*route, string, error) {
	if r := rt.fixed[path][method]; r != nil {
		return r, "", nil
	}
	for _, n := range rt.named[method] {
		if len(path) <= len(n.prefix)+len(n.suffix) || !strings.HasPrefix(path, n.prefix) || !strings.HasSuffix(path, n.suffix) {
			continue
		}
		name, err := url.PathUnescape(path[len(n.prefix) : len(path)-len(n.suffix)])
		if err != nil {
			return nil, "", errdefs.ErrInvalidArgument.WithMessage("malformed path: " + err.Error())
		}
		return n.route, name, nil
	}
	return nil, "", errPage
}
