//go:build linux

package native

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLimits uses the cgroups of this machine where it has some, else the limits of processes.
func TestLimits(t *testing.T) {
	h := ownHierarchy()
	s := spec(t, image(t), `cat /proc/1/cgroup >/dev/null; : >/.sockerless/run/ready; sleep 1000`)
	s.Shared = t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(s.Shared, "ready"), 0o600))
	s.Limits = Limits{Memory: 64 << 20, Pids: 7, NanoCPUs: 1_500_000_000}
	c, err := Start(t.Context(), config(t), s)
	must(t, err)
	defer c.Close()
	_, err = os.ReadFile(filepath.Join(s.Shared, "ready"))
	must(t, err)
	files := h.wanted(s.Limits)
	if os.Geteuid() == 0 && len(files) == 0 {
		t.Logf("no cgroup here: %s", h.reason)
	}
	for controller, all := range files {
		dir := filepath.Join(h.parents[controller], "sockerless-"+s.ID)
		for _, f := range all {
			text, err := os.ReadFile(filepath.Join(dir, f[0]))
			if err != nil || strings.TrimSpace(string(text)) != f[1] {
				t.Errorf("%s: %q %v, want %s", f[0], text, err, f[1])
			}
		}
		if pids := cgroupProcesses(dir); len(pids) == 0 || pids[0] != c.Pid() {
			t.Errorf("%s has %v, not %d", dir, pids, c.Pid())
		}
	}
	for memory := int64(0); memory <= 0; { // a process that has just called execve(2) has none yet
		stats, err := c.Stats()
		must(t, err)
		memory = stats.Memory
	}
	must(t, Remove(t.Context(), s.Dir))
	for _, dir := range h.directories(s.ID, s.Limits) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left: %s %v", dir, err)
		}
	}
}

func TestFindHierarchy(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "a/own")
	must(t, os.MkdirAll(own, 0o755))
	for _, c := range []string{"memory", "pids"} {
		must(t, os.MkdirAll(filepath.Join(dir, c, "me"), 0o755))
	}
	v1 := "30 29 0:27 / " + dir + "/memory rw - cgroup cgroup rw,memory\n31 29 0:28 /up " + dir + "/pids rw,relatime shared:1 - cgroup cgroup rw,pids\n" +
		"32 29 0:29 / " + dir + "/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 29 0:30 / " + dir + " rw - cgroup2 cgroup2 rw\n"
	h := findHierarchy(v1, "4:memory:/me\n3:pids:/up/me\n2:cpu,cpuacct:/missing\n0::/a/own\n")
	if h.version != "v1" || len(h.parents) != 2 || h.parents["memory"] != dir+"/memory/me" || h.parents["pids"] != dir+"/pids/me" {
		t.Errorf("v1: %+v", h)
	}

	// Our own cgroup has processes and gives nothing to children; the one above it does.
	v2 := "33 29 0:30 / " + dir + " rw - cgroup2 cgroup2 rw\n"
	if h := findHierarchy(v2, "0::/a/own\n"); h.version != "" || !strings.Contains(h.reason, "Delegate") {
		t.Errorf("v2, not delegated: %+v", h)
	}
	for name, text := range map[string]string{"cgroup.controllers": "cpuset cpu memory\n", "cgroup.subtree_control": ""} {
		must(t, os.WriteFile(filepath.Join(dir, "a", name), []byte(text), 0o644))
	}
	h = findHierarchy(v2, "0::/a/own\n")
	if h.version != "v2" || len(h.parents) != 2 || h.parents["cpu"] != dir+"/a" || h.parents["memory"] != dir+"/a" {
		t.Errorf("v2: %+v", h)
	}
	limits := Limits{Memory: 1 << 20, Pids: 5, NanoCPUs: 250_000_000}
	at := filepath.Join(dir, "a/sockerless-x")
	if dirs := h.directories("x", limits); len(dirs) != 1 || dirs[0] != at {
		t.Errorf("v2: %v", dirs)
	}
	must(t, os.Mkdir(at, 0o755))
	for _, name := range []string{"memory.max", "cpu.max", "cgroup.procs"} { // as the kernel makes them
		must(t, os.WriteFile(filepath.Join(at, name), nil, 0o644))
	}
	must(t, h.create("x", limits, 42))
	for name, want := range map[string]string{"memory.max": "1048576", "cpu.max": "25000 100000", "cgroup.procs": strconv.Itoa(42)} {
		if text, err := os.ReadFile(filepath.Join(at, name)); string(text) != want {
			t.Errorf("%s: %q %v, want %q", name, text, err, want)
		}
	}
}
