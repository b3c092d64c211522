package rootfs

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// hostPath is the path of an open host file by now, however it was reached: of one in another mount namespace, from the root
// there. A file that has lost its last name has none: ENOENT.
func (h *hostHandle) hostPath() (string, error) {
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", h.f.Fd()))
	if err != nil {
		return "", bare(err)
	}
	if strings.HasSuffix(name, " (deleted)") {
		return "", syscall.ENOENT
	}
	return name, nil
}
