//go:build !race

package state

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"
)

// resident is what /proc says this process has in memory, mapped files included, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

func TestMemory(t *testing.T) {
	before := resident(t)
	s := open(t, t.TempDir(), Options{})
	opened := resident(t)
	value := make([]byte, 512)
	for i := range 5000 {
		if err := s.Update(context.Background(), Put(fmt.Sprint("container/", i%1000), value)); err != nil {
			t.Fatal(err)
		}
	}
	after := resident(t)
	t.Logf("RSS: %d KiB before, %d KiB open, %d KiB after 5,000 updates", before>>10, opened>>10, after>>10)
	if grown := after - before; grown > 10<<20 {
		t.Errorf("5,000 updates cost %d KiB", grown>>10)
	}
}
