package native

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// controllers are those that limits need.
var controllers = []string{"memory", "pids", "cpu"}

// hierarchy is where cgroups for containers can be made: below our own of version 1, so that what limits us limits them
// too; beside or below our own of version 2, whose cgroups have either processes or children.
type hierarchy struct {
	version string            // "v1", "v2", "" for none
	parents map[string]string // controller to directory
	reason  string            // why there is none, or none of a controller
}

// findHierarchy reads what is mounted. The two files are those of /proc/self.
func findHierarchy(mountinfo, self string) hierarchy {
	v1, v2 := map[string]string{}, ""
	own := map[string]string{} // controller, "" for version 2, to our cgroup
	for line := range strings.Lines(self) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for _, c := range strings.Split(f[1], ",") {
				own[c] = f[2]
			}
		}
	}
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		f, kind := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(kind) < 3 {
			continue
		}
		in := func(own string) (string, bool) { // the mount may show a part of the hierarchy only
			rest, err := filepath.Rel(f[3], own)
			return filepath.Join(f[4], rest), err == nil && rest != ".." && !strings.HasPrefix(rest, "../")
		}
		switch kind[0] {
		case "cgroup":
			for _, c := range strings.Split(kind[2], ",") {
				if dir, ok := in(own[c]); ok && slices.Contains(controllers, c) {
					v1[c] = dir
				}
			}
		case "cgroup2":
			if dir, ok := in(own[""]); ok && v2 == "" {
				v2 = dir
			}
		}
	}
	if v2 != "" && len(v1) == 0 {
		return unified(v2)
	}
	h := hierarchy{version: "v1", parents: map[string]string{}}
	for c, dir := range v1 {
		if err := unix.Access(dir, unix.W_OK); err != nil {
			h.reason = fmt.Sprintf("%s cannot be written to: %v", dir, err)
			continue
		}
		h.parents[c] = dir
	}
	if len(h.parents) == 0 {
		h.version = ""
		if h.reason == "" {
			h.reason = "no cgroup controllers are mounted"
		}
	}
	return h
}

// unified tries our own cgroup, and then the one above it.
func unified(own string) hierarchy {
	h := hierarchy{reason: "the server's cgroup is not delegated to it (systemd: Delegate=yes and DelegateSubgroup=)"}
	for _, dir := range []string{own, filepath.Dir(own)} {
		has, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err != nil || unix.Access(filepath.Join(dir, "cgroup.subtree_control"), unix.W_OK) != nil || unix.Access(dir, unix.W_OK) != nil {
			continue
		}
		parents := map[string]string{}
		for _, c := range strings.Fields(string(has)) {
			if !slices.Contains(controllers, c) {
				continue
			}
			if err := writeFile(dir, "cgroup.subtree_control", "+"+c); err == nil {
				parents[c] = dir
			} else {
				h.reason = fmt.Sprintf("%s: %v", dir, err)
			}
		}
		if len(parents) > 0 {
			return hierarchy{version: "v2", parents: parents}
		}
	}
	return h
}

func ownHierarchy() hierarchy {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return hierarchy{reason: err.Error()}
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return hierarchy{reason: err.Error()}
	}
	return findHierarchy(string(mountinfo), string(self))
}

// wanted are the files that hold limits: by controller, each a file's name and text, in the order of writing.
func (h hierarchy) wanted(l Limits) map[string][][2]string {
	const period = 100_000 // microseconds
	quota := strconv.FormatInt(max(l.NanoCPUs*period/1e9, 1000), 10)
	memory, pids := strconv.FormatInt(l.Memory, 10), strconv.FormatInt(l.Pids, 10)
	files := map[string][][2]string{}
	if l.Memory > 0 {
		files["memory"] = [][2]string{{"memory.limit_in_bytes", memory}}
		if h.version == "v2" {
			files["memory"] = [][2]string{{"memory.max", memory}}
		}
	}
	if l.Pids > 0 {
		files["pids"] = [][2]string{{"pids.max", pids}}
	}
	if l.NanoCPUs > 0 {
		files["cpu"] = [][2]string{{"cpu.cfs_period_us", strconv.Itoa(period)}, {"cpu.cfs_quota_us", quota}}
		if h.version == "v2" {
			files["cpu"] = [][2]string{{"cpu.max", quota + " " + strconv.Itoa(period)}}
		}
	}
	for c := range files {
		if _, ok := h.parents[c]; !ok {
			delete(files, c)
		}
	}
	return files
}

// directories are the cgroups of a container, none where there is nothing to limit: a process that moves waits for the
// kernel for up to some ten milliseconds.
func (h hierarchy) directories(id string, l Limits) []string {
	var dirs []string
	for c := range h.wanted(l) {
		if dir := filepath.Join(h.parents[c], "sockerless-"+id); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

func writeFile(dir, name, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// create makes the cgroups with their limits and puts a process there, before it has started others.
func (h hierarchy) create(id string, l Limits, pid int) error {
	for c, files := range h.wanted(l) {
		dir := filepath.Join(h.parents[c], "sockerless-"+id)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		for _, f := range files {
			if err := writeFile(dir, f[0], f[1]); err != nil {
				return err
			}
		}
		if err := writeFile(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes cgroups, and ends what is still in them.
func removeCgroups(dirs []string, wait func(pid int) error) error {
	for _, dir := range dirs {
		for {
			err := os.Remove(dir)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			pids := cgroupProcesses(dir)
			if !errors.Is(err, unix.EBUSY) || len(pids) == 0 {
				return err
			}
			for _, pid := range pids {
				if err := wait(pid); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func cgroupProcesses(dir string) []int {
	f, err := os.Open(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	defer f.Close()
	var pids []int
	for s := bufio.NewScanner(f); s.Scan(); {
		if pid, err := strconv.Atoi(s.Text()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cgroupStats takes what the cgroups count; what they do not is left as it is.
func cgroupStats(dirs []string, s *Stats) {
	for _, dir := range dirs {
		for _, name := range []string{"memory.current", "memory.usage_in_bytes"} {
			if n, err := readNumber(filepath.Join(dir, name)); err == nil {
				s.Memory = n
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "usage_usec "); ok {
				if usec, err := strconv.ParseInt(n, 10, 64); err == nil {
					s.CPU = time.Duration(usec) * time.Microsecond
				}
			}
		}
	}
}

func readNumber(name string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
