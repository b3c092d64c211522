//go:build linux

package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/netdev"
)

const busybox = "/bin/busybox"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "native-init" {
		os.Exit(Init())
	}
	if len(os.Args) == 2 && os.Args[1] == "start-and-end" {
		os.Exit(startAndEnd())
	}
	os.Exit(m.Run())
}

// startAndEnd is a server that starts a container and ends.
func startAndEnd() int {
	var s Spec
	err := json.NewDecoder(os.Stdin).Decode(&s)
	if err == nil {
		_, err = Start(context.Background(), Config{Executable: "/proc/self/exe", Arguments: []string{"native-init"}}, s)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func config(t testing.TB) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Executable: self, Arguments: []string{"native-init"}}
}

// image makes a root directory with busybox.
func image(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatalf("the tests need a static busybox: apt-get install busybox-static: %v", err)
	}
	for _, d := range []string{"bin", "etc", "tmp", "var"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "bin/busybox"), program, 0o755))
	for _, name := range []string{"sh", "cat", "ls", "id", "mount", "mknod", "ps", "sleep", "unshare", "chown"} {
		must(t, os.Symlink("busybox", filepath.Join(dir, "bin", name)))
	}
	must(t, os.WriteFile(filepath.Join(dir, "etc/release"), []byte("of the image\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "etc/shadow"), []byte("secret\n"), 0o000))
	must(t, os.Link(filepath.Join(dir, "etc/release"), filepath.Join(dir, "etc/release2")))
	must(t, os.Chmod(filepath.Join(dir, "tmp"), 0o1777))
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// spec is a container that runs a script in busybox's shell; what it says is in its log.
func spec(t testing.TB, lower, script string) Spec {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	t.Cleanup(func() { must(t, Remove(context.Background(), dir)) })
	return Spec{
		ID: "test-" + itoa(os.Getpid()), Lower: lower, Dir: dir, Hostname: "box", Program: busybox,
		Args: []string{"sh", "-c", script}, Env: []string{"PATH=/bin"},
	}
}

// run runs a container to its end and gives what it said in this run.
func runSpec(t testing.TB, s Spec) string {
	t.Helper()
	before := logOf(t, s)
	c, err := Start(t.Context(), config(t), s)
	if err != nil {
		t.Fatalf("%v; log: %s", err, logOf(t, s))
	}
	defer c.Close()
	must(t, c.Wait(t.Context()))
	return strings.TrimPrefix(logOf(t, s), before)
}

func logOf(t testing.TB, s Spec) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, logFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func output(t *testing.T, s Spec, want string) {
	t.Helper()
	if got := runSpec(t, s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAsOrdinaryUser runs the tests of containers again, as a user without any rights.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to become another user")
	}
	const nobody = 65534
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	self, err := os.ReadFile(config(t).Executable)
	must(t, err)
	program := filepath.Join(dir, "native.test")
	must(t, os.WriteFile(program, self, 0o755))
	temp := filepath.Join(dir, "tmp")
	must(t, os.Mkdir(temp, 0o700))
	must(t, os.Chown(temp, nobody, nobody))
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^(TestContainer|TestLimits)$", "-test.v")
	cmd.Dir = temp
	cmd.Env = []string{"TMPDIR=" + temp, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: TestContainer") {
		t.Errorf("as an ordinary user: %v", err)
	}
}

func TestContainer(t *testing.T) {
	lower := image(t)
	before := hostMounts(t)
	root := os.Geteuid() == 0
	run := func(name string, f func(t *testing.T)) { t.Run(name, f) }

	run("identity", func(t *testing.T) {
		s := spec(t, lower, `echo $$ $(hostname) $(id -u); cat /proc/sys/kernel/domainname; ls -d /proc/[0-9]*; cat /etc/release`)
		s.Domainname = "example"
		output(t, s, "1 box 0\nexample\n/proc/1\nof the image\n")
	})
	run("environment and files are the program's only", func(t *testing.T) {
		t.Setenv("SECRET", "canary")
		s := spec(t, lower, `set -- /proc/1/fd/*; echo $#; env; pwd`)
		s.Env = []string{"PATH=/bin", "A=b"}
		got := runSpec(t, s)
		if want := "4\n"; !strings.HasPrefix(got, want) { // 0, 1, 2, and the directory that the shell reads
			t.Errorf("descriptors: %q", got)
		}
		if strings.Contains(got, "canary") || !strings.Contains(got, "A=b\n") || !strings.HasSuffix(got, "/\n") {
			t.Errorf("got %q", got)
		}
	})
	run("mount points are no changes", func(t *testing.T) {
		must(t, os.Chtimes(filepath.Join(lower, "etc"), time.Unix(1e9, 0), time.Unix(1e9, 0)))
		host := filepath.Join(t.TempDir(), "hosts")
		must(t, os.WriteFile(host, []byte("hosts\n"), 0o644))
		s := spec(t, lower, `cat /etc/hosts; stat -c '%a %Y' /etc /etc/release; ls -A /etc`)
		s.Mounts = []Mount{{Source: host, Target: "/etc/hosts"}}
		want := "hosts\n755 1000000000\n" + fmt.Sprintf("644 %d\n", stat(t, filepath.Join(lower, "etc/release")).ModTime().Unix()) +
			"hostname\nhosts\nrelease\nrelease2\nresolv.conf\nshadow\n"
		output(t, s, want)
		output(t, s, want)
		if changes, err := os.ReadDir(filepath.Join(s.Dir, upperDir)); err != nil || len(changes) > 0 {
			t.Errorf("changes: %v %v", changes, err)
		}
		unlock, err := lock(s.Dir)
		must(t, err)
		if _, err := Start(t.Context(), config(t), s); !errdefs.IsUnavailable(err) {
			t.Errorf("locked: %v", err)
		}
		unlock()
	})
	run("changes survive, deletions too", func(t *testing.T) {
		for _, copied := range []bool{false, true} {
			s := spec(t, lower, `[ -e /etc/release ] && { rm /etc/release; echo new >/var/file; chmod 4750 /var/file; echo first; exit; }
				ls /etc; ls -l /var/file | cut -c1-10; cat /var/file /etc/shadow`)
			s.Copy = copied
			output(t, s, "first\n")
			etc := "hostname\nhosts\nrelease2\nresolv.conf\n"
			if copied {
				etc = "release2\n"
			}
			output(t, s, etc+"shadow\n-rwsr-x---\nnew\nsecret\n")
			if _, err := os.Stat(filepath.Join(s.Dir, copyDir)); (err == nil) != copied {
				t.Errorf("copied: %v, want %v", err == nil, copied)
			}
		}
		if text, err := os.ReadFile(filepath.Join(lower, "etc/release")); err != nil || string(text) != "of the image\n" {
			t.Errorf("the image has changed: %q %v", text, err)
		}
		if _, err := os.Stat(filepath.Join(lower, "proc")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the image has changed: /proc is %v", err)
		}
	})
	run("read-only", func(t *testing.T) {
		s := spec(t, lower, `touch /x; touch /tmp/y && echo written; echo z >/dev/null && touch /dev/shm/a && echo fine`)
		s.ReadOnly, s.Mounts = true, []Mount{{Target: "/tmp", Size: 1 << 20, Mode: 0o700}}
		output(t, s, "touch: /x: Read-only file system\nwritten\nfine\n")
	})
	run("mounts", func(t *testing.T) {
		host := t.TempDir()
		must(t, os.WriteFile(filepath.Join(host, "file"), []byte("host\n"), 0o644))
		s := spec(t, lower, `cat /a/b/file /etc/hosts; echo more >/a/b/file2; touch /ro/x; ls -ld /t | cut -c1-10; df -k /t | tail -1 | awk '{print $2}'`)
		s.Mounts = []Mount{
			{Source: host, Target: "/a/b"}, {Source: host, Target: "/ro", ReadOnly: true},
			{Source: filepath.Join(host, "file"), Target: "/etc/hosts", ReadOnly: true}, {Target: "/t", Size: 1 << 20, Mode: 0o711},
		}
		output(t, s, "host\nhost\ntouch: /ro/x: Read-only file system\ndrwx--x--x\n1024\n")
		if text, err := os.ReadFile(filepath.Join(host, "file2")); string(text) != "more\n" {
			t.Errorf("file2: %q %v", text, err)
		}
	})
	run("targets stay in the root", func(t *testing.T) {
		outside := t.TempDir()
		evil := image(t)
		for link, to := range map[string]string{"out": outside, "up": "../../../../../../.." + outside, "loop": "loop", "dangling": "/made/here"} {
			must(t, os.Symlink(to, filepath.Join(evil, link)))
		}
		host := t.TempDir()
		s := spec(t, evil, `ls -d /made/here `+outside+`/a `+outside+`/b; ls /.sockerless`)
		s.Mounts = []Mount{{Source: host, Target: "/out/a"}, {Source: host, Target: "/up/b"}, {Source: host, Target: "/dangling"}}
		output(t, s, "/made/here\n"+outside+"/a\n"+outside+"/b\nagent\nlower\nupper\n")
		if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
			t.Errorf("outside: %v %v", left, err)
		}
		for _, target := range []string{"/loop", "/proc", "/proc/sys", "/", "/.sockerless/agent", "/etc/../proc/1"} {
			s.Mounts = []Mount{{Source: host, Target: target}}
			if c, err := Start(t.Context(), config(t), s); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "mount "+host+" at "+target) {
				t.Errorf("%s: %v %v", target, c, err)
			}
		}
		must(t, os.Symlink("/tmp", filepath.Join(evil, "proc")))
		if _, err := Start(t.Context(), config(t), spec(t, evil, "")); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "mount /proc") {
			t.Errorf("/proc is a link: %v", err)
		}
	})
	run("capabilities", func(t *testing.T) {
		const status = `grep -E 'Cap(Inh|Prm|Bnd|Amb)|NoNew|Seccomp:' /proc/1/status | awk '{print $2}' | tr '\n' ' '`
		s := spec(t, lower, status)
		output(t, s, "0000000000000000 00000000a80425fb 00000000a80425fb 0000000000000000 0 2 ")
		s.Security = Security{CapDrop: []string{"ALL"}, CapAdd: []string{"cap_net_admin"}, NoNewPrivileges: true}
		output(t, s, "0000000000000000 0000000000001000 0000000000001000 0000000000000000 1 2 ")
		s.Security = Security{CapDrop: []string{"ALL"}, Keep: []string{"KILL"}, Unconfined: true}
		output(t, s, "0000000000000020 0000000000000020 0000000000000000 0000000000000000 0 0 ")
	})
	run("filter", func(t *testing.T) {
		const script = `unshare -U true 2>&1; unshare -r true 2>&1; mount -t tmpfs none /tmp 2>&1; echo $?`
		s := spec(t, lower, script)
		s.Security.CapAdd = []string{"SYS_PTRACE"}
		got := runSpec(t, s)
		if strings.Count(got, "Operation not permitted") < 2 || strings.HasSuffix(got, "\n0\n") {
			t.Errorf("filtered: %q", got)
		}
		s.Security = Security{SeccompProfile: `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}`}
		s.Args[2] = `mkdir /tmp/a`
		output(t, s, "mkdir: can't create directory '/tmp/a': No space left on device\n")
		s.Security.SeccompProfile = `{`
		if _, err := Start(t.Context(), config(t), s); !errdefs.IsInvalidArgument(err) {
			t.Errorf("profile: %v", err)
		}
	})
	run("what is masked", func(t *testing.T) {
		s := spec(t, lower, `echo 1 >/proc/sys/kernel/panic; ls /sys/firmware | wc -l
			touch /proc/irq; touch /sys/x; wc -c </proc/keys`)
		output(t, s, "sh: can't create /proc/sys/kernel/panic: Read-only file system\n0\ntouch: /proc/irq: Read-only file system\n"+
			"touch: /sys/x: Read-only file system\n0\n")
	})
	run("devices", func(t *testing.T) {
		s := spec(t, lower, `for d in null zero full random urandom tty ptmx; do [ -c /dev/$d ] || [ -L /dev/$d ] || echo no $d; done
			head -c 3 /dev/zero | wc -c; [ -d /dev/mqueue ] && [ -d /dev/shm ] && ls -l /dev/pts/ptmx | cut -c1-10
			mknod /tmp/disk b 254 0 2>/dev/null; cat /tmp/disk >/dev/null 2>&1 || echo closed`)
		output(t, s, "3\ncrw-rw-rw-\nclosed\n")
	})
	run("network", func(t *testing.T) {
		s := spec(t, lower, `ip -o link | wc -l; ip -o addr show lo | grep -c 'inet 127.0.0.1/8'; cat /proc/sys/net/ipv4/ip_unprivileged_port_start`)
		output(t, s, "1\n1\n0\n")
		s.HostNetwork = true
		s.Args[2] = `readlink /proc/self/ns/net`
		own, err := os.Readlink("/proc/self/ns/net")
		must(t, err)
		output(t, s, own+"\n")
	})
	run("limits without a cgroup", func(t *testing.T) {
		s := spec(t, lower, `ulimit -n; ulimit -c`)
		s.Security.Ulimits = []Ulimit{{"nofile", 100, 200}, {"core", 0, 0}}
		output(t, s, "100\n0\n")
		s.Security.Ulimits = []Ulimit{{"nofile", 100, 1 << 30}}
		if _, err := Start(t.Context(), config(t), s); !mayRaise() && (!errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "CAP_SYS_RESOURCE")) {
			t.Errorf("above the hard limit: %v", err)
		}
		s.Security.Ulimits = []Ulimit{{"cows", 1, 1}}
		if _, err := Start(t.Context(), config(t), s); !errdefs.IsInvalidArgument(err) {
			t.Errorf("unknown: %v", err)
		}
	})
	run("refusals", func(t *testing.T) {
		s := spec(t, lower, "")
		for _, change := range []func(*Spec){
			func(s *Spec) { s.ID = "../x" }, func(s *Spec) { s.Lower = "x" }, func(s *Spec) { s.Dir = lower + "/x" }, func(s *Spec) { s.Args = nil },
			func(s *Spec) { s.Mounts = []Mount{{Target: "x"}} }, func(s *Spec) { s.Tun, s.HostNetwork = &netdev.Config{Name: "eth0"}, true },
			func(s *Spec) { s.Security.CapAdd = []string{"FLY"} },
		} {
			wrong := s
			change(&wrong)
			if _, err := Start(t.Context(), config(t), wrong); !errdefs.IsInvalidArgument(err) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
		missing := s
		missing.Lower = filepath.Join(s.Dir+"x", "none")
		if _, err := Start(t.Context(), config(t), missing); !errdefs.IsNotFound(err) {
			t.Errorf("no image: %v", err)
		}
		s.Program = filepath.Join(s.Dir, "missing")
		if _, err := Start(t.Context(), config(t), s); !errdefs.IsNotFound(err) || !strings.Contains(err.Error(), "mount the program") {
			t.Errorf("no program: %v", err)
		}
		s.Program = filepath.Join(lower, "etc/release")
		if _, err := Start(t.Context(), config(t), s); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "execute the program") {
			t.Errorf("no executable: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Start(ctx, config(t), spec(t, lower, "")); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
	run("killed, and found again", func(t *testing.T) {
		s := spec(t, lower, `sleep 1000 & echo started; sleep 1000`)
		s.Shared = t.TempDir()
		must(t, unix.Mkfifo(filepath.Join(s.Shared, "ready"), 0o600))
		s.Args[2] = `sleep 1000 & : >/.sockerless/run/ready; sleep 1000`
		c, err := Start(t.Context(), config(t), s)
		must(t, err)
		defer c.Close()
		_, err = os.ReadFile(filepath.Join(s.Shared, "ready")) // until the script has opened and closed it
		must(t, err)
		if _, err := Start(t.Context(), config(t), s); !errdefs.IsAlreadyExists(err) {
			t.Errorf("again: %v", err)
		}
		found, err := Find(s.Dir)
		must(t, err)
		defer found.Close()
		if found.Pid() != c.Pid() {
			t.Errorf("found %d, not %d", found.Pid(), c.Pid())
		}
		if stats, err := found.Stats(); err != nil || stats.Processes < 2 || stats.Memory <= 0 {
			t.Errorf("stats: %+v %v", stats, err)
		}
		if text, err := os.ReadFile(found.Root() + "/etc/release"); string(text) != "of the image\n" {
			t.Errorf("root: %q %v", text, err)
		}
		ns, err := os.Readlink("/proc/" + itoa(c.Pid()) + "/ns/pid")
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := found.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("wait: %v", err)
		}
		must(t, found.Kill())
		must(t, found.Wait(t.Context()))
		must(t, c.Wait(t.Context()))
		must(t, c.Kill())
		if _, err := Find(s.Dir); !errdefs.IsNotFound(err) {
			t.Errorf("after its end: %v", err)
		}
		if left := processesIn(t, ns); left != nil {
			t.Errorf("left: %v", left)
		}
	})
	run("its server ends", func(t *testing.T) {
		s := spec(t, lower, `sleep 1000`)
		order, err := json.Marshal(s)
		must(t, err)
		server := exec.CommandContext(t.Context(), config(t).Executable, "start-and-end")
		server.Stdin = strings.NewReader(string(order))
		if out, err := server.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		c, err := Find(s.Dir)
		must(t, err)
		defer c.Close()
		must(t, c.Kill())
		must(t, c.Wait(t.Context()))
	})
	run("its server ends before it has given its orders", func(t *testing.T) {
		s := spec(t, lower, `sleep 1000`)
		st, err := newStage(s, hierarchy{})
		must(t, err)
		p, err := fork(config(t), st)
		must(t, err)
		must(t, p.orders.Close())
		c := newContainer(s.Dir, state{Pid: p.pid}, p.pidfd)
		defer c.Close()
		must(t, c.Wait(t.Context()))
		p.pidfd = -1
		p.close()
	})
	run("privileged", func(t *testing.T) {
		s := spec(t, lower, `mount -t tmpfs none /tmp && grep -o '/sys sysfs rw' /proc/mounts; grep CapBnd /proc/self/status; grep Seccomp: /proc/self/status`)
		s.Security.Privileged = true
		ours, err := ourCaps()
		must(t, err)
		if !root {
			ours = 1<<len(capabilityNames) - 1
		}
		output(t, s, fmt.Sprintf("/sys sysfs rw\nCapBnd:\t%016x\nSeccomp:\t0\n", uint64(ours)))
	})
	run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 20 {
			s := spec(t, lower, "echo "+itoa(i))
			wg.Go(func() {
				c, err := Start(t.Context(), config(t), s)
				if err == nil {
					err = c.Wait(t.Context())
					c.Close()
				}
				if text, readErr := os.ReadFile(filepath.Join(s.Dir, logFile)); err != nil || string(text) != itoa(i)+"\n" {
					t.Errorf("%d: %q %v %v", i, text, err, readErr)
				}
			})
		}
		wg.Wait()
	})
	run("another process is never taken for it", func(t *testing.T) {
		s := spec(t, lower, "")
		started, boot, err := describe(os.Getpid())
		must(t, err)
		for _, st := range []state{{Pid: os.Getpid(), Started: started + 1, Boot: boot}, {Pid: os.Getpid(), Started: started, Boot: "x"}} {
			must(t, st.write(s.Dir))
			if _, err := Find(s.Dir); !errdefs.IsNotFound(err) {
				t.Errorf("%+v: %v", st, err)
			}
		}
	})
	run("removed", func(t *testing.T) {
		s := spec(t, lower, `mkdir -p /var/a/b; touch /var/a/b/c; chmod 0 /var/a/b /var/a; `+map[bool]string{true: "chown -R 1000 /var/a; ", false: ""}[root]+`sleep 1000`)
		c, err := Start(t.Context(), config(t), s)
		must(t, err)
		defer c.Close()
		must(t, Remove(t.Context(), s.Dir))
		if _, err := os.Lstat(s.Dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left: %v", err)
		}
		must(t, Remove(t.Context(), s.Dir))
	})
	run("probe", func(t *testing.T) {
		s := Probe(t.Context(), config(t), t.TempDir())
		if s.Unavailable != "" || s.NoOverlay != "" || s.NoSeccomp != "" || s.Rootless == root {
			t.Errorf("%+v", s)
		}
		t.Logf("%+v: %s", s, s.Limiting())
	})
	if after := hostMounts(t); after != before {
		t.Errorf("mounts of the host: before\n%s\nafter\n%s", before, after)
	}
}

func stat(t *testing.T, name string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(name)
	must(t, err)
	return info
}

func hostMounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	return string(text)
}
