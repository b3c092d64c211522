//go:build linux

package inside_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/inside"
)

// asAgent, in the environment, makes the test's binary an agent.
const asAgent = "SOCKERLESS_TEST_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		_ = os.Unsetenv(asAgent)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // ends when the test says so, or with the test
			cancel()
		}()
		if err := inside.Command(ctx, os.Args[1:], "test", os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests make namespaces and mounts: run them as root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// contain makes a small container, with the machine's own programs and files of its own, and runs the agent as its first
// process. STATE is what both sides see of /.sockerless; ROOT is the container's root, seen from outside too unless it is
// an overlay.
const contain = `
set -e
mount --make-rprivate /
if [ -n "$LOWER" ]; then
	mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$STATE/upper,workdir=$STATE/work" "$ROOT"
fi
for d in bin sbin lib lib64; do
	[ ! -L "/$d" ] || [ -L "$ROOT/$d" ] || ln -s "$(readlink "/$d")" "$ROOT/$d"
done
mkdir -p "$ROOT/usr" "$ROOT/proc" "$ROOT/dev" "$ROOT/.sockerless"
mount --bind /usr "$ROOT/usr"
for d in bin sbin lib lib64; do
	[ -L "/$d" ] || [ ! -d "/$d" ] || { mkdir -p "$ROOT/$d"; mount --bind "/$d" "$ROOT/$d"; }
done
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --bind "$STATE" "$ROOT/.sockerless"
if [ -n "$LOWER" ]; then
	mkdir -p "$ROOT/.sockerless/lower"
	mount --bind "$LOWER" "$ROOT/.sockerless/lower"
fi
if [ -n "$CGROUP" ]; then
	mkdir "$ROOT/.sockerless/cgroup"
	mount -t cgroup2 cgroup "$ROOT/.sockerless/cgroup"
	mkdir "$ROOT/.sockerless/cgroup/$CGROUP"
fi
mount --bind "$AGENT" "$ROOT/.sockerless/agent"
mkdir -p "$ROOT/data"
[ -z "$VOLUME" ] || mount --bind "$VOLUME" "$ROOT/data"
exec chroot "$ROOT" /.sockerless/agent "$@"
`

// container is a container with its agent.
type container struct {
	t     *testing.T
	root  string // of a container without an overlay, from outside
	state string // /.sockerless
	agent *exec.Cmd
	log   *bytes.Buffer
	ended chan struct{}
	stop  io.Closer // ends the agent
	free  bool
	execs int
	*agent.Client
}

// layout is what a container is made of.
type layout struct {
	lower  string   // directory of the image; the root is an overlay then
	volume string   // directory for /data
	args   []string // more settings of the agent
	cgroup bool     // with a cgroup of its own
	free   bool     // not in a namespace: the agent is an ordinary process in the machine's own root
}

// makeContainer starts an agent and connects to it.
func makeContainer(t *testing.T, l layout) *container {
	t.Helper()
	dir, err := os.MkdirTemp("", "in") // short: it is in the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &container{t: t, root: filepath.Join(dir, "r"), state: filepath.Join(dir, "s"), log: &bytes.Buffer{}, free: l.free, ended: make(chan struct{})}
	for _, d := range []string{"r/etc", "r/tmp", "r/data", "s/upper", "s/work", "s/run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\n")
	c.write("/etc/group", "root:x:0:\nweb:x:33:\nadm:x:4:web\n")
	if err := os.WriteFile(filepath.Join(c.state, "agent"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--socket", "/.sockerless/socket", "--container", "c", "--id", "a1"}, l.args...)
	cgroup := ""
	if l.cgroup {
		cgroup = fmt.Sprint("sockerless-test-", os.Getpid())
		args = append(args, "--cgroup", "/.sockerless/cgroup/"+cgroup)
		t.Cleanup(func() { // the agent has ended: see below
			out, err := exec.Command("unshare", "--mount", "sh", "-c", `mount -t cgroup2 cgroup "$1" && rmdir "$1/$2"`, "sh", c.root, cgroup).CombinedOutput()
			if err != nil {
				t.Errorf("remove the cgroup: %v: %s", err, out)
			}
		})
	}
	if l.free {
		args[1] = filepath.Join(c.state, "socket")
		args = append(args, "--directory", filepath.Join(c.state, "run"))
		c.agent = exec.Command(self, args...)
	} else {
		c.agent = exec.Command("unshare", append([]string{"--pid", "--fork", "--mount", "--kill-child", "sh", "-c", contain, "sh"}, args...)...)
	}
	c.agent.Env = append(os.Environ(), asAgent+"=1", "ROOT="+c.root, "STATE="+c.state, "AGENT="+self, "LOWER="+l.lower, "VOLUME="+l.volume, "CGROUP="+cgroup)
	ready := make(chan struct{})
	c.agent.Stdout = &logWriter{to: c.log, first: ready}
	c.agent.Stderr = c.agent.Stdout
	if c.stop, err = c.agent.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.agent.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.agent.Wait() // its end is the tests' to judge
	}()
	t.Cleanup(func() {
		_ = c.agent.Process.Kill()
		<-c.ended
		if t.Failed() {
			t.Logf("agent: %s", c.log)
		}
	})
	select {
	case <-ready:
	case <-c.ended:
		t.Fatalf("the agent did not start: %s", c.log)
	}
	c.Client = c.dial()
	return c
}

// logWriter takes what an agent logs: first when it serves.
type logWriter struct {
	to    *bytes.Buffer
	first chan struct{}
}

func (w *logWriter) Write(p []byte) (int, error) {
	if w.to.Len() == 0 {
		close(w.first)
	}
	return w.to.Write(p)
}

// dial connects to the agent; if the agent ends first, the test does.
func (c *container) dial() *agent.Client {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	go func() {
		select {
		case <-c.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	client, err := agent.Dial(ctx, "unix://"+filepath.Join(c.state, "socket"), "server")
	if err != nil {
		c.t.Fatalf("%v: %s", err, c.log)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// cgroupFile is a file of the container's cgroup, from outside.
func (c *container) cgroupFile(name string) string {
	return fmt.Sprintf("/proc/%s/root/.sockerless/cgroup/sockerless-test-%d/%s", c.pid(), os.Getpid(), name)
}

// pid is the agent's process id, from outside.
func (c *container) pid() string {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", c.agent.Process.Pid, c.agent.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// write makes a file in the root, from outside.
func (c *container) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.root, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

var environment = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "LC_ALL=C"}

func spec() *agentpb.Container { return &agentpb.Container{Id: "c", Directory: "/.sockerless/run"} }

// start runs the container's first process.
func (c *container) start(p *agentpb.Process) *agentpb.StartReply {
	c.t.Helper()
	reply, err := c.tryStart(p)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply
}

func (c *container) tryStart(p *agentpb.Process) (*agentpb.StartReply, error) {
	p.Env = append(environment, p.GetEnv()...)
	container := spec()
	if c.free {
		container.Directory = filepath.Join(c.state, "run")
	}
	return c.Start(c.t.Context(), &agentpb.StartRequest{Container: container, Process: p, Run: 1})
}

// twin makes the container a twin, to run execs in.
func (c *container) twin() *container {
	c.start(&agentpb.Process{})
	return c
}

func sh(script string) *agentpb.Process { return &agentpb.Process{Args: []string{"sh", "-c", script}} }

// attach starts an exec with its streams.
func (c *container) attach(open *agentpb.AttachOpen) *agent.Stream {
	c.t.Helper()
	s, err := c.tryAttach(open)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *container) tryAttach(open *agentpb.AttachOpen) (*agent.Stream, error) {
	open.Container = "c"
	if open.Process != nil {
		c.execs++
		open.Exec = fmt.Sprint("e", c.execs)
		open.Process.Env = append(environment, open.GetProcess().GetEnv()...)
	}
	open.Output = true
	s, err := c.Attach(c.t.Context(), open)
	if err == nil {
		c.t.Cleanup(s.Close)
	}
	return s, err
}

// result is what came of a process.
type result struct {
	stdout, stderr string
	taken          []int64
	*agentpb.Exit
}

// drain reads a stream to its end.
func (c *container) drain(s *agent.Stream) (r result) {
	c.t.Helper()
	var out, errs bytes.Buffer
	for {
		m, err := s.Recv()
		if err != nil {
			c.t.Fatalf("after %q %q: %v", out.String(), errs.String(), err)
		}
		switch m := m.GetOutput().(type) {
		case *agentpb.AttachOutput_Exit:
			if _, err := s.Recv(); !errors.Is(err, io.EOF) {
				c.t.Fatalf("behind the exit: %v", err)
			}
			r.stdout, r.stderr, r.Exit = out.String(), errs.String(), m.Exit
			return r
		case *agentpb.AttachOutput_Taken:
			r.taken = append(r.taken, m.Taken)
		case *agentpb.AttachOutput_Data:
			if m.Data.GetStream() == uint32(agent.Stderr) {
				errs.Write(m.Data.GetData())
			} else {
				out.Write(m.Data.GetData())
			}
		}
	}
}

// exec runs a process to its end.
func (c *container) exec(p *agentpb.Process) result {
	c.t.Helper()
	return c.drain(c.attach(&agentpb.AttachOpen{Process: p}))
}

// sh runs a script that has to succeed, and returns what it prints.
func (c *container) sh(script string) string {
	c.t.Helper()
	r := c.exec(sh(script))
	if r.GetCode() != 0 || r.stderr != "" {
		c.t.Fatalf("%s: exit %d, %s", script, r.GetCode(), r.stderr)
	}
	return r.stdout
}

// output reads what the first process prints, to its end.
func (c *container) output() result {
	c.t.Helper()
	return c.drain(c.attach(&agentpb.AttachOpen{}))
}

// until reads a stream until it has printed some text.
func (c *container) until(s *agent.Stream, text string) string {
	c.t.Helper()
	var got bytes.Buffer
	for !strings.Contains(got.String(), text) {
		m, err := s.Recv()
		if err != nil || m.GetExit() != nil {
			c.t.Fatalf("no %q after %q: %v, %v", text, got.String(), m.GetExit(), err)
		}
		got.Write(m.GetData().GetData())
	}
	return got.String()
}
