//go:build linux

package native

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// processesIn are the processes of a PID namespace.
func processesIn(t *testing.T, ns string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	must(t, err)
	var in []string
	for _, name := range all {
		if is, err := os.Readlink(name); err == nil && is == ns {
			in = append(in, name)
		}
	}
	return in
}
