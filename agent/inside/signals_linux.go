package inside

import (
	"fmt"
	"syscall"
	"unsafe"
)

// The kernel's numbers of signals, and what it calls a signal that is ignored.
const (
	lastSignal   = 64
	ignoreAction = 1 // SIG_IGN
)

// unignore gives the signals that this process was started to ignore (by nohup, or by make, for those of the C library's threads)
// their default action, which the container's processes would inherit otherwise. It comes before signals are caught.
func unignore() error {
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		var now, byDefault [4]uint64 // struct sigaction, the handler first; all zero is SIG_DFL
		if err := sigaction(signal, nil, &now); err != nil {
			return err
		}
		if now[0] != ignoreAction {
			continue
		}
		if err := sigaction(signal, &byDefault, nil); err != nil {
			return err
		}
	}
	return nil
}

func sigaction(signal uintptr, set, old *[4]uint64) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), lastSignal/8, 0, 0)
	if errno != 0 {
		return fmt.Errorf("action of signal %d: %w", signal, errno)
	}
	return nil
}
