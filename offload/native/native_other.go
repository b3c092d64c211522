//go:build !linux

package native

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
)

var errLinux = fmt.Errorf("native containers need Linux: %w", errdefs.ErrNotImplemented)

// Init is the first stage of a container: Linux only.
func Init() int { return 1 }

// Probe says that there is nothing here.
func Probe(context.Context, Config, string) Support {
	why := "native containers need Linux"
	return Support{Unavailable: why, NoOverlay: why, NoCgroup: why, NoSeccomp: why, NoTun: why}
}

// Container is a running container: Linux only.
type Container struct{}

// Start starts a container: Linux only.
func Start(context.Context, Config, Spec) (*Container, error) { return nil, errLinux }

// Find finds a running container by its folder: Linux only.
func Find(string) (*Container, error) { return nil, errLinux }

// Remove frees what a container had: Linux only.
func Remove(context.Context, string) error { return errLinux }

// Pid is the host's number of the program.
func (*Container) Pid() int { return 0 }

// Root is the container's root directory, as the host reaches it.
func (*Container) Root() string { return "" }

// Wait waits for the end of the program.
func (*Container) Wait(context.Context) error { return errLinux }

// Kill ends all processes of the container.
func (*Container) Kill() error { return errLinux }

// Stats is what the container uses.
func (*Container) Stats() (Stats, error) { return Stats{}, errLinux }

// Close lets go of the container, which goes on running.
func (*Container) Close() error { return nil }
