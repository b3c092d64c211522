package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/moby/moby/client"
)

// connect joins a new connection with the agent's socket in a container, by the agent's own program as an exec.
func connect(ctx context.Context, docker *client.Client, container string, command []string) (net.Conn, error) {
	exec, err := docker.ExecCreate(ctx, container, client.ExecCreateOptions{
		User: "0:0", AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: command,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the agent: %w", err)
	}
	attached, err := docker.ExecAttach(ctx, exec.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, fmt.Errorf("connect to the agent: %w", err)
	}
	return &execConn{Conn: attached.Conn, reader: attached.Reader}, nil
}

// execConn is the connection of an exec without a terminal: what comes back is in Docker's frames of 8 bytes of head (stream,
// length), see moby's api/pkg/stdcopy.
type execConn struct {
	net.Conn
	reader io.Reader

	mu   sync.Mutex
	left int    // bytes of standard output in the frame under way
	said []byte // the beginning of what came on standard error
}

// The streams in the frames.
const (
	frameHead = 8
	stdout    = 1
	maxSaid   = 512
)

func (c *execConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left == 0 {
		var head [frameHead]byte
		if _, err := io.ReadFull(c.reader, head[:]); err != nil {
			return 0, c.end(err)
		}
		size := int(binary.BigEndian.Uint32(head[4:]))
		if head[0] == stdout {
			c.left = size
			continue
		}
		text := make([]byte, min(size, maxSaid-len(c.said)))
		if _, err := io.ReadFull(c.reader, text); err != nil {
			return 0, c.end(err)
		}
		c.said = append(c.said, text...)
		if _, err := io.CopyN(io.Discard, c.reader, int64(size-len(text))); err != nil {
			return 0, c.end(err)
		}
	}
	n, err := c.reader.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// end is the end of the connection, with the words of the program where it has said why.
func (c *execConn) end(err error) error {
	if errors.Is(err, io.EOF) && len(c.said) > 0 {
		return fmt.Errorf("connect to the agent: %s", c.said)
	}
	return err
}
