package transport

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
)

// checkOrigin keeps web pages away from a plain TCP port on this machine. A page in the user's browser can send requests to
// 127.0.0.1: its browser then names the page in Origin, or, when the page's own name was made to point to 127.0.0.1 (DNS
// rebinding), names that in Host. No Docker client does either.
func (s *Server) checkOrigin(r *Request) error {
	if origin := r.Header("Origin"); origin != "" {
		return errdefs.ErrPermissionDenied.WithMessage("requests of web pages are refused (Origin: " + origin + ")")
	}
	host := strings.ToLower(string(r.http.Host()))
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host) != nil || slices.Contains(s.config.AllowedHosts, host) {
		return nil
	}
	return errdefs.ErrPermissionDenied.WithMessage("the Host header " + strconv.Quote(host) + " is neither an address nor an allowed name")
}
