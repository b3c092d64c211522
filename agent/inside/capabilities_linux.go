package inside

import (
	"fmt"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// capabilities are those that an agent needs and a container may not be meant to have.
var capabilities = map[string]uintptr{
	"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "FOWNER": unix.CAP_FOWNER, "FSETID": unix.CAP_FSETID, "KILL": unix.CAP_KILL,
	"MKNOD": unix.CAP_MKNOD, "NET_ADMIN": unix.CAP_NET_ADMIN, "SETFCAP": unix.CAP_SETFCAP, "SETGID": unix.CAP_SETGID,
	"SETPCAP": unix.CAP_SETPCAP, "SETUID": unix.CAP_SETUID,
}

// withhold keeps capabilities from what this process will start: what a program may have at most is inherited from the
// thread that starts it. The process itself goes on to have them.
func withhold(names []string) error {
	for _, name := range names {
		capability, known := capabilities[name]
		if !known {
			return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("withhold %q: it is no capability that an agent needs", name))
		}
		if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0); errno != 0 {
			return fmt.Errorf("withhold %s from the container's processes: %w", name, errno)
		}
	}
	return nil
}
