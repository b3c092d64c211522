package kernel

import (
	"errors"

	"github.com/sockerless/sockerless/store/rootfs"
)

// ErrKilled is what every call gives a process that has to end: it returns from its Program soon after, with any
// status. The cause of its context is the same error.
var ErrKilled = errors.New("process was killed")

// WaitStatus says what became of a process: it exited with a code, a signal ended it, it was stopped or continued.
type WaitStatus struct {
	kind waitKind
	n    uint8
}

type waitKind uint8

const (
	exited waitKind = iota
	signaled
	stopped
	continued
)

func exitStatus(code int) WaitStatus      { return WaitStatus{exited, uint8(code)} }
func signalStatus(sig Signal) WaitStatus  { return WaitStatus{signaled, uint8(sig)} }
func stoppedStatus(sig Signal) WaitStatus { return WaitStatus{stopped, uint8(sig)} }

// Exited says that the process returned; the status is Code.
func (s WaitStatus) Exited() bool { return s.kind == exited }

// Signaled says that a signal ended the process; it is Signal.
func (s WaitStatus) Signaled() bool { return s.kind == signaled }

// Stopped says that a signal stopped the process; it is Signal.
func (s WaitStatus) Stopped() bool { return s.kind == stopped }

// Continued says that the process goes on after a stop.
func (s WaitStatus) Continued() bool { return s.kind == continued }

// Signal is the signal that ended or stopped the process, 0 if none did.
func (s WaitStatus) Signal() Signal {
	if s.kind == signaled || s.kind == stopped {
		return Signal(s.n)
	}
	return 0
}

// Code is the status as a shell and Docker show it: the exit code, or 128 and the signal.
func (s WaitStatus) Code() int {
	switch s.kind {
	case exited:
		return int(s.n)
	case continued:
		return 0
	}
	return 128 + int(s.n)
}

// ExecError says why a program did not start.
type ExecError struct {
	Code    int    // 127 not found, 126 found but cannot run
	Err     error  // the error number as execve(2) gives it; ENOEXEC: a file without a known format
	Message string // a whole message for whoever started the container; "" where Err says it all
}

func (e *ExecError) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return rootfs.Strerror(e.Err)
}

func (e *ExecError) Unwrap() error { return e.Err }
