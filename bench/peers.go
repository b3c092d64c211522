package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is another engine that runs the same root.
type peer struct {
	name, runs string
	run        func() error                   // `true` in a new container, from nothing to nothing
	begin      func() (end func(), err error) // a container for execs
	exec       func() error                   // `true` in it
}

// findPeers are the runtimes that this machine has, and the dockerd at SOCKERLESS_DOCKERD. done ends what they left.
func findPeers(root []byte) (peers []peer, done func(), err error) {
	dir, err := os.MkdirTemp("", "bench-peers")
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			done()
		}
	}()
	for _, name := range []string{"runc", "crun"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Printf("%-46s %21s\n", name, "not on this machine")
			continue
		}
		p, err := ociRuntime(name, dir, root)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		peers = append(peers, p)
	}
	if address, ok := strings.CutPrefix(os.Getenv("SOCKERLESS_DOCKERD"), "unix://"); ok {
		p, err := dockerd(address, root)
		if err != nil {
			return nil, nil, fmt.Errorf("dockerd: %w", err)
		}
		peers = append(peers, p)
	}
	return peers, done, nil
}

// ociRuntime is a runtime of the OCI, run on a bundle.
func ociRuntime(name, dir string, root []byte) (peer, error) {
	bundle := filepath.Join(dir, name)
	if err := unpack(filepath.Join(bundle, "rootfs"), root); err != nil {
		return peer{}, err
	}
	bundleOf := func(args ...string) (string, error) {
		b := filepath.Join(dir, name+"-"+args[0])
		return b, writeSpec(b, filepath.Join(bundle, "rootfs"), args)
	}
	runs, err := bundleOf("true")
	if err != nil {
		return peer{}, err
	}
	sleeps, err := bundleOf("sleep", "1000000")
	if err != nil {
		return peer{}, err
	}
	global := []string{name, "--root", filepath.Join(dir, name+"-state")}
	if hybrid := "/sys/fs/cgroup/unified"; name == "crun" && mounted(hybrid) {
		// It refuses to run beside both versions of cgroups: so one of them is hidden from it, which costs it a millisecond or two.
		global = append([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", "umount " + hybrid + `; exec "$@"`, "sh"}, global...)
	}
	call := func(args ...string) error { return quiet(append(append([]string(nil), global...), args...)) }
	return peer{
		name: name, runs: "run",
		run: func() error { return call("run", "--bundle", runs, "bench") },
		begin: func() (func(), error) {
			if err := call("run", "--detach", "--bundle", sleeps, "sleeper"); err != nil {
				return nil, err
			}
			return func() { _ = call("delete", "--force", "sleeper") }, nil
		},
		exec: func() error { return call("exec", "sleeper", "true") },
	}, nil
}

func mounted(dir string) bool {
	mounts, err := os.ReadFile("/proc/self/mounts")
	return err == nil && strings.Contains(string(mounts), " "+dir+" ")
}

// quiet runs a command; the error has what it said. Its output is a file, as a process that it leaves would keep a pipe open.
func quiet(command []string) error {
	said, err := os.CreateTemp("", "bench-said")
	if err != nil {
		return err
	}
	defer said.Close()
	if err := os.Remove(said.Name()); err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		text := make([]byte, 500)
		n, _ := said.ReadAt(text, 0)
		return fmt.Errorf("%s: %w: %s", command, err, text[:n])
	}
	return nil
}

// writeSpec makes a bundle: the runtime's namespaces and mounts as runc's own default has them.
func writeSpec(bundle, root string, args []string) error {
	type object = map[string]any
	mount := func(target, kind string, options ...string) object {
		return object{"destination": target, "type": kind, "source": kind, "options": options}
	}
	var namespaces []object
	for _, n := range []string{"pid", "network", "ipc", "uts", "mount"} {
		namespaces = append(namespaces, object{"type": n})
	}
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	spec := object{
		"ociVersion": "1.0.2", "hostname": "bench", "root": object{"path": root, "readonly": true},
		"process": object{"args": args, "cwd": "/", "env": []string{"PATH=/bin"}, "user": object{"uid": 0, "gid": 0},
			"noNewPrivileges": true, "capabilities": object{"bounding": caps, "effective": caps, "permitted": caps}},
		"mounts": []object{
			mount("/proc", "proc"), mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
			mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
			mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev"), mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
		},
		"linux": object{"namespaces": namespaces, "maskedPaths": []string{"/proc/kcore", "/proc/keys"},
			"readonlyPaths": []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"}},
	}
	text, err := json.Marshal(spec)
	if err == nil {
		err = os.MkdirAll(bundle, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600)
	}
	return err
}

// unpack writes a tar that busyboxRoot has made.
func unpack(dir string, data []byte) error {
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		target := filepath.Join(dir, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(target, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, target)
		default:
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(target, content, 0o755)
			}
		}
		if err != nil {
			return err
		}
	}
}

// dockerd is a real one, spoken to as sockerless is.
func dockerd(socket string, root []byte) (peer, error) {
	const image = "bench:latest"
	cmd := exec.Command("docker", "-H", "unix://"+socket, "import", "-c", "ENV PATH=/bin", "-", image)
	cmd.Stdin = bytes.NewReader(root)
	if out, err := cmd.CombinedOutput(); err != nil {
		return peer{}, fmt.Errorf("docker import: %w: %s", err, out)
	}
	n := &native{server: &server{socket: socket}, image: image}
	var sleeper string
	return peer{
		name: "dockerd", runs: "create + start + wait + rm",
		run: func() error {
			id, err := n.new(map[string]any{"Image": image, "Cmd": []string{"true"}, "HostConfig": map[string]any{"NetworkMode": "none"}})
			if err != nil {
				return err
			}
			return n.finish(id)
		},
		begin: func() (func(), error) {
			var err error
			if sleeper, err = n.begin("", "sleep", "1000000"); err != nil {
				return nil, err
			}
			return func() { _ = n.remove(sleeper) }, nil
		},
		exec: func() error { return n.exec(sleeper) },
	}, nil
}
