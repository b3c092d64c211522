package dockerapi

import (
	"encoding/binary"
	"io"
	"net"
)

// Content types of a stream of output: the bytes of a terminal, or frames that say which stream each piece is of.
const (
	rawStream         = "application/vnd.docker.raw-stream"
	multiplexedStream = "application/vnd.docker.multiplexed-stream"
)

// streamType is the content type of output for a client of this version. Before 1.42 both kinds were called raw.
func streamType(v version, tty bool) string {
	if tty || v < 42 {
		return rawStream
	}
	return multiplexedStream
}

// Streams, as they stand in a frame's first byte.
const (
	streamStdout byte = 1
	streamStderr byte = 2
)

// frames writes output as Docker multiplexes it: [stream, 0, 0, 0, length as 32 bits big-endian], then the bytes. With tty
// there are no frames, only bytes.
type frames struct {
	to   io.Writer
	tty  bool
	head [8]byte
}

// write sends one piece of one stream.
func (f *frames) write(stream byte, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if f.tty {
		_, err := f.to.Write(p)
		return err
	}
	f.head[0] = stream
	binary.BigEndian.PutUint32(f.head[4:], uint32(len(p)))
	if to, ok := f.to.(interface{ WriteBuffers(*net.Buffers) error }); ok { // one system call for both
		return to.WriteBuffers(&net.Buffers{f.head[:], p})
	}
	if _, err := f.to.Write(f.head[:]); err != nil {
		return err
	}
	_, err := f.to.Write(p)
	return err
}
