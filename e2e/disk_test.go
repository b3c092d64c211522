package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// smallDisk gives a server a data folder of size bytes: a tmpfs in a mount namespace that a process holds open, so that
// the folder outlives the server.
func smallDisk(t *testing.T, s *server, size string) {
	t.Helper()
	if err := os.Mkdir(s.data(), 0o755); err != nil {
		t.Fatal(err)
	}
	unshare, enter := []string{"--mount"}, []string{"nsenter", "--mount"}
	if os.Geteuid() != 0 {
		unshare, enter = append(unshare, "--map-root-user"), append(enter, "--user", "--preserve-credentials")
	}
	holder := exec.Command("unshare", append(unshare, "sh", "-c", `mount -t tmpfs -o size=`+size+` tmpfs "$1" && echo mounted && exec cat`, "sh", s.data())...)
	release, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	holder.Stderr = os.Stderr
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = release.Close() // ends cat
		_ = holder.Wait()
	})
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "mounted\n" {
		t.Fatalf("mount a tmpfs in a namespace: %q, %v", line, err)
	}
	s.within = append(enter, "--target", strconv.Itoa(holder.Process.Pid))
}

// TestFullDisk fills the disk from a container: what is there stays and can be read and removed, what is new is refused,
// and the server lives on, and starts again.
func TestFullDisk(t *testing.T) {
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	smallDisk(t, s, "400m")
	t.Cleanup(func() {
		if err := s.remove(t); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "run", "--name", "earlier", "sockerless/base", "sh", "-c", "echo said before; exit 4; true")
}

var _ = fmt.Sprint
var _ = filepath.Join
var _ = strings.Cut
var _ syscall.Signal
