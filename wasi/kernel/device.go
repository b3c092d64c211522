package kernel

import (
	"context"
	"crypto/rand"
	"io"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Numbers of the character devices, as Documentation/admin-guide/devices.txt of Linux has them.
const (
	memoryMajor  = 1
	ttyMajor     = 5
	ptsMajor     = 136
	nullMinor    = 3
	zeroMinor    = 5
	fullMinor    = 7
	randomMinor  = 8
	urandomMinor = 9
	ttyMinor     = 0
	consoleMinor = 1
)

// openDevice opens a character device by its number. What the sandbox does not have is ENXIO.
func (p *Process) openDevice(rdev uint64) (*File, error) {
	major, minor := rootfs.Major(rdev), rootfs.Minor(rdev)
	switch {
	case major == memoryMajor && (minor == nullMinor || minor == zeroMinor || minor == fullMinor ||
		minor == randomMinor || minor == urandomMinor):
		return NewFile(device(minor)), nil
	case major == ttyMajor && minor == ttyMinor:
		if t := p.Terminal(); t != nil {
			return t.Open(), nil
		}
	case major == ttyMajor && minor == consoleMinor:
		if first := p.table.Find(1); first != nil && first.Terminal() != nil {
			return first.Terminal().Open(), nil
		}
	case major == ptsMajor:
		if t := p.table.terminal(int(minor)); t != nil {
			return t.Open(), nil
		}
	}
	return nil, syscall.ENXIO
}

// device is a memory device, by its minor number.
type device uint32

var deviceNames = map[device]string{
	nullMinor: "/dev/null", zeroMinor: "/dev/zero", fullMinor: "/dev/full", randomMinor: "/dev/random", urandomMinor: "/dev/urandom",
}

func (d device) Read(_ context.Context, b []byte) (int, error) {
	switch d {
	case nullMinor:
		return 0, io.EOF
	case zeroMinor, fullMinor:
		clear(b)
		return len(b), nil
	}
	return rand.Read(b)
}

func (d device) Write(_ context.Context, b []byte) (int, error) {
	if d == fullMinor && len(b) > 0 {
		return 0, syscall.ENOSPC
	}
	return len(b), nil
}

func (d device) Seek(int64, int) (int64, error) { return 0, nil }
func (d device) Name() string                   { return deviceNames[d] }
func (d device) Close() error                   { return nil }

// NullFile opens /dev/null for the start of a process.
func NullFile() *File { return NewFile(device(nullMinor)) }
