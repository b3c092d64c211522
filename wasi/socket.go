package wasi

import (
	"context"
	"io/fs"
	"net"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// engineSocket is the socket at which the engine answers a container, the one among its mounts that has the number. It is a file
// system of one file, to be mounted. Each user of the container may connect: it gives no more than the container has.
type engineSocket struct {
	rootfs.NodeBase
	number uint64 // of the mount, from 1 on
	made   time.Time
}

// Root is the socket itself.
func (s *engineSocket) Root() rootfs.Node { return s }

// Type is that of a socket.
func (s *engineSocket) Type() fs.FileMode { return fs.ModeSocket }

// Stat describes the socket.
func (s *engineSocket) Stat() (rootfs.Info, error) {
	return rootfs.NewInfo("", rootfs.Attr{
		Mode: fs.ModeSocket | 0o666, Dev: kernel.SocketDev, Ino: s.number, Nlink: 1, Atime: s.made, Mtime: s.made, Ctime: s.made,
	}), nil
}

// dialEngine connects to the engine by the socket among the mounts that has the number.
func (c *container) dialEngine(ctx context.Context, number uint64) (net.Conn, error) {
	return c.cell.network.Dial(ctx, c.spec.GetId(), "unix", c.spec.GetMounts()[number-1].GetTarget())
}
