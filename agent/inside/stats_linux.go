package inside

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Stats returns what the container's processes use: as its cgroup counts where that can be seen, else the sum of them.
func (h *Host) Stats(_ context.Context, id string) (*agentpb.StatsReply, error) {
	if _, err := h.check(id); err != nil {
		return nil, err
	}
	reply := &agentpb.StatsReply{Time: time.Now().UnixNano()}
	cpu := cpuOfDead()
	for _, p := range containerProcesses() {
		cpu += p.cpu + p.cpuOfChildren
		reply.Memory += p.rss
		reply.Processes++
		read, written := transferred(p.pid)
		reply.ReadBytes += read
		reply.WriteBytes += written
	}
	reply.Cpu = int64(cpu)
	h.cgroupStats(reply)
	return reply, nil
}

// transferred is what a process has read from storage and written to it.
func transferred(pid int) (read, written int64) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseInt(value, 10, 64) // the kernel writes numbers
		switch key {
		case "read_bytes":
			read = n
		case "write_bytes":
			written = n
		}
	}
	return read, written
}

// cgroupStats takes the cgroup's figures in place of sums. The root of all cgroups, which is no container's, has no files
// of these names.
func (h *Host) cgroupStats(reply *agentpb.StatsReply) {
	dir := h.cgroupDirs()[0]
	memory, ok := cgroupValue(filepath.Join(dir, "memory.current"), "")
	if !ok {
		return
	}
	// Docker shows memory without the page cache that can go at any time.
	cache, _ := cgroupValue(filepath.Join(dir, "memory.stat"), "inactive_file")
	reply.Memory = max(memory-cache, 0)
	if usec, ok := cgroupValue(filepath.Join(dir, "cpu.stat"), "usage_usec"); ok {
		reply.Cpu = usec * int64(time.Microsecond)
	}
	text, err := os.ReadFile(filepath.Join(dir, "io.stat"))
	if err != nil {
		return
	}
	reply.ReadBytes, reply.WriteBytes = 0, 0
	for _, field := range bytes.Fields(text) {
		key, value, _ := strings.Cut(string(field), "=")
		n, _ := strconv.ParseInt(value, 10, 64) // the kernel writes numbers
		switch key {
		case "rbytes":
			reply.ReadBytes += n
		case "wbytes":
			reply.WriteBytes += n
		}
	}
}
