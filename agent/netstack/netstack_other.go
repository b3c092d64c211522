//go:build !linux

package netstack

import (
	"context"
	"net"
	"os"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// errLinux is why nothing of this package is to be had here.
var errLinux = errdefs.ErrNotImplemented.WithMessage("native containers need Linux, whose network namespaces they have")

// Setup is only there on Linux.
func Setup([]*agentpb.Endpoint) (*os.File, error) { return nil, errLinux }

// Stack is only there on Linux.
type Stack struct{}

// Start is only there on Linux.
func Start(Config) (*Stack, error) { return nil, errLinux }

// DialInto is only there on Linux.
func (s *Stack) DialInto(context.Context, string, string, string) (net.Conn, error) {
	return nil, errLinux
}

// Close is only there on Linux.
func (s *Stack) Close() error { return nil }
