package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// DefaultBallastSize is enough to open the database, and to remove containers and images from it.
const DefaultBallastSize = hardFloor

// ballast is a file that only occupies space. On a full disk its removal gives the room in which the server can start
// and its user can delete something.
type ballast struct {
	path string
	size int64
}

func newBallast(dir string, opts Options) ballast {
	b := ballast{path: opts.Ballast, size: opts.BallastSize}
	if b.path == "" {
		b.path = filepath.Join(dir, "ballast")
	}
	switch {
	case b.size == 0:
		b.size = DefaultBallastSize
	case b.size < 0:
		b.size = 0
	}
	return b
}

// fill makes the file where it is missing or short.
func (b ballast) fill() error {
	if info, err := os.Stat(b.path); b.size == 0 || err == nil && info.Size() >= b.size {
		return nil
	}
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("ballast: %w", err)
	}
	if !allocate(f, b.size) {
		// Blocks must be written, with what does not compress: a sparse file keeps nothing in reserve.
		seed := noise(1)
		_, err = io.CopyN(f, &seed, b.size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("ballast: %w", errors.Join(err, os.Remove(b.path)))
	}
	return nil
}

// release removes the file, and tells whether there was one.
func (b ballast) release() (bool, error) {
	err := os.Remove(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("release ballast: %w", err)
	}
	return true, nil
}

// noise is an endless stream that does not compress (xorshift).
type noise uint64

func (n *noise) Read(p []byte) (int, error) {
	x := uint64(*n)
	for i := range p {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		p[i] = byte(x)
	}
	*n = noise(x)
	return len(p), nil
}
