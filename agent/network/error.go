package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/containerd/errdefs"
)

// Code is why something on the network failed, in a form that crosses from one system to another.
type Code string

// The codes, with the error of Linux that each is.
const (
	Refused            Code = "refused"             // ECONNREFUSED: nobody listens
	HostUnreachable    Code = "host unreachable"    // EHOSTUNREACH
	NetworkUnreachable Code = "network unreachable" // ENETUNREACH
	TimedOut           Code = "timed out"           // ETIMEDOUT
	Reset              Code = "reset"               // ECONNRESET
	NotFound           Code = "not found"           // of a name: EAI_NONAME
	Denied             Code = "denied"              // EACCES: a policy
	Unsupported        Code = "unsupported"         // EOPNOTSUPP
	Invalid            Code = "invalid"             // EINVAL: of an address
	Failed             Code = "failed"              // EIO: all else
)

// Error says why something on the network failed, wherever that was.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// NewError makes an error of this code.
func NewError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Message }

// Timeout says, as a net.Error, whether time ran out.
func (e *Error) Timeout() bool { return e.Code == TimedOut }

// Temporary is part of net.Error.
func (e *Error) Temporary() bool { return e.Code == TimedOut }

// Unwrap gives the class of the error.
func (e *Error) Unwrap() error {
	switch e.Code {
	case NotFound:
		return errdefs.ErrNotFound
	case Denied:
		return errdefs.ErrPermissionDenied
	case Unsupported:
		return errdefs.ErrNotImplemented
	case Invalid:
		return errdefs.ErrInvalidArgument
	case Refused, HostUnreachable, NetworkUnreachable, Reset, TimedOut:
		return errdefs.ErrUnavailable
	}
	return errdefs.ErrInternal
}

// Is makes the error that of the system, too.
func (e *Error) Is(target error) bool {
	if target == os.ErrDeadlineExceeded {
		return e.Code == TimedOut
	}
	errno, ok := target.(syscall.Errno)
	return ok && errno == e.Errno()
}

// Errno is the error of the system that a program would see.
func (e *Error) Errno() syscall.Errno {
	switch e.Code {
	case Refused:
		return syscall.ECONNREFUSED
	case HostUnreachable:
		return syscall.EHOSTUNREACH
	case NetworkUnreachable:
		return syscall.ENETUNREACH
	case TimedOut:
		return syscall.ETIMEDOUT
	case Reset:
		return syscall.ECONNRESET
	case Denied:
		return syscall.EACCES
	case Unsupported:
		return syscall.EOPNOTSUPP
	case Invalid:
		return syscall.EINVAL
	case NotFound:
		return syscall.ENOENT
	}
	return syscall.EIO
}

// Classify is an error as it crosses to the other side.
func Classify(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: codeOf(err), Message: err.Error()}
}

func codeOf(err error) Code {
	var name *net.DNSError
	if errors.As(err, &name) {
		switch {
		case name.IsNotFound:
			return NotFound
		case name.IsTimeout:
			return TimedOut
		}
		return Failed
	}
	for _, c := range errnos {
		if errors.Is(err, c.errno) {
			return c.code
		}
	}
	var netErr net.Error
	var address *net.AddrError
	switch {
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	case errors.As(err, &address), errdefs.IsInvalidArgument(err):
		return Invalid
	case errdefs.IsNotFound(err):
		return NotFound
	case errdefs.IsPermissionDenied(err):
		return Denied
	case errdefs.IsNotImplemented(err):
		return Unsupported
	case errdefs.IsUnavailable(err), errors.Is(err, net.ErrClosed):
		return NetworkUnreachable
	}
	return Failed
}

// errnoCode is what an error of this system means.
type errnoCode struct {
	errno syscall.Errno
	code  Code
}
