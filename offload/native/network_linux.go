package native

import (
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/netdev"
)

// network brings up the loopback and, where it is asked for, makes the device whose descriptor it gives, else -1.
func (st *stage) network() (tun int, err error) {
	if st.Spec.HostNetwork {
		return -1, nil
	}
	device, err := netdev.Setup(st.Spec.Tun)
	if err != nil {
		return -1, st.fail("make the network", err, "")
	}
	if device == nil {
		return -1, nil
	}
	defer device.Close()
	tun, err = unix.FcntlInt(device.Fd(), unix.F_DUPFD_CLOEXEC, 16) // not where the program will have it
	if err != nil {
		return -1, st.fail("keep the network device", err, "")
	}
	return tun, unix.SetNonblock(tun, true) // Fd has made it block
}
