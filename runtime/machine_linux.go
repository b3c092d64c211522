package runtime

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// kernelVersion is the release of the kernel; empty where it is not known.
func kernelVersion() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// totalMemory is the machine's memory in bytes; 0 where it is not known.
func totalMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 1 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// openFiles counts the descriptors of this process.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// osRelease reads os-release(5).
func osRelease() map[string]string {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return nil
	}
	values := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), "="); ok {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	return values
}
