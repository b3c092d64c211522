package rootfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestMoveToAnotherNamespace moves to /proc/PID/root of a process that has mounts of its own, which count there too.
func TestMoveToAnotherNamespace(t *testing.T) {
	dirs := deltaLayers(t)
	dir, _ := twinOf(t, dirs)
	cmd := exec.Command("/bin/sh", "-c", `mount -t tmpfs none "$1/c" && echo ready && read line`, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("a process with mounts of its own needs root: %v", err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	o := openOverlay(t, dirs, "")
	v := rootView(o)
	if err := v.WriteFile("/a/b", []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, dir)
	if _, err := o.Transfer(Mark{}, func(layer io.Reader) error {
		_, err := rootView(hostDir(t, root)).ApplyLayer(layer, "/", ApplyLayerOptions{})
		return err
	}, func() (FS, error) { return NewHostDir(root, HostOptions{}) }); err != nil {
		t.Fatal(err)
	}
	if err := v.WriteFile("/c/new", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/a/b": "changed", "/c/new": "new"} {
		if b, err := os.ReadFile(root + name); err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := os.Stat(dir + "/c/new"); err == nil {
		t.Error("it is seen in this process's mounts")
	}
}
