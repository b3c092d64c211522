package native

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// capSet has bit n for capability n.
type capSet uint64

// capabilityNames are in the kernel's order.
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
	SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE
	AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

// defaultCaps are those of dockerd: moby, daemon/pkg/oci/caps/defaults.go.
var defaultCaps = strings.Fields(`CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP
	NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE`)

const allCaps = "ALL"

func parseCap(name string) (capSet, error) {
	i := slices.Index(capabilityNames, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	if i < 0 {
		return 0, fmt.Errorf("capability %q is unknown: %w", name, errdefs.ErrInvalidArgument)
	}
	return 1 << i, nil
}

func parseCaps(names []string) (set capSet, all bool, err error) {
	for _, name := range names {
		if strings.EqualFold(name, allCaps) || strings.EqualFold(name, "CAP_"+allCaps) {
			all = true
			continue
		}
		c, err := parseCap(name)
		if err != nil {
			return 0, false, err
		}
		set |= c
	}
	return set, all, nil
}

func (s capSet) names() []string {
	var names []string
	for i, name := range capabilityNames {
		if s&(1<<i) != 0 {
			names = append(names, "CAP_"+name)
		}
	}
	return names
}

// containerCaps gives the capabilities of a container's processes, out of those that we have, and those of the program. With ALL added
// the dropped ones go; with ALL dropped the added ones stay: as dockerd's TweakCapabilities.
func containerCaps(s Security, ours capSet) (container, program capSet, err error) {
	add, addAll, err := parseCaps(s.CapAdd)
	if err != nil {
		return 0, 0, err
	}
	drop, dropAll, err := parseCaps(s.CapDrop)
	if err != nil {
		return 0, 0, err
	}
	keep, keepAll, err := parseCaps(s.Keep)
	if err != nil {
		return 0, 0, err
	}
	every := capSet(1)<<len(capabilityNames) - 1
	base, _, err := parseCaps(defaultCaps)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case s.Privileged:
		container = every
	case addAll:
		container = every &^ drop
	case dropAll:
		container = add
	default:
		container = base&^drop | add
	}
	if keepAll {
		keep = every
	}
	if missing := add &^ ours; missing != 0 && !s.Privileged {
		return 0, 0, fmt.Errorf("add %s: this machine does not have it to give: %w",
			strings.Join(missing.names(), ", "), errdefs.ErrFailedPrecondition)
	}
	return container & ours, (container | keep) & ours, nil
}

// ourCaps are the capabilities of the calling thread.
func ourCaps() (capSet, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, err
	}
	return capSet(data[1].Permitted)<<32 | capSet(data[0].Permitted), nil
}

// dropCaps leaves the calling thread, and what it executes as root, the container's capabilities, and the program's
// own as inheritable ones: for root those are permitted after execve(2) whatever the bounding set says, and are gone with
// the inheritable set. Otherwise that set is empty (CVE-2022-24769).
func dropCaps(container, program capSet) error {
	inherit := program &^ container
	ours, err := ourCaps()
	if err != nil {
		return err
	}
	if err := setCaps(ours, inherit); err != nil { // while the bounding set allows it
		return err
	}
	for i := 0; ; i++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(i), 0, 0, 0); err != nil {
			break // the kernel has no more
		}
		if container&(1<<i) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(i), 0, 0, 0); err != nil {
				return fmt.Errorf("drop capability %d: %w", i, err)
			}
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	return setCaps(program, inherit)
}

func setCaps(permitted, inheritable capSet) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(permitted), Permitted: uint32(permitted), Inheritable: uint32(inheritable)},
		{Effective: uint32(permitted >> 32), Permitted: uint32(permitted >> 32), Inheritable: uint32(inheritable >> 32)},
	}
	return unix.Capset(&header, &data[0])
}
