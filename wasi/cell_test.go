package wasi

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/wasi/placement"
)

// serveCell serves a cell on a unix socket and returns a client of it.
func serveCell(t *testing.T) *agent.Client {
	t.Helper()
	cell := NewCell()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	server := agent.NewServer(cell, agent.ServerConfig{ID: "cell", Version: "test"})
	go func() { served <- server.Serve(ctx, l) }()
	client, err := agent.Dial(t.Context(), target(socket), "server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := cell.CloseAll(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// elfHead is enough of a native program for the resolution: x86-64, little endian.
var elfHead = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00" + strings.Repeat("\x00", 44)

// module is a WASI command without its code section.
const module = "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x07\x0a\x01\x06_start\x00\x00"

// image is what containers of the tests have: path → contents; mode 0755 in bin directories.
var image = map[string]string{
	"bin/busybox":         elfHead,
	"bin/cat":             elfHead,
	"bin/echo":            placement.Mark + "\n",
	"bin/sh":              placement.Mark + "\n",
	"bin/env":             placement.Mark + "\n",
	"bin/sleep":           placement.Mark + "\n",
	"bin/ls":              placement.Mark + "\n",
	"bin/curl":            placement.Mark + "\n",
	"bin/nc":              placement.Mark + "\n",
	"bin/wget":            placement.Mark + "\n",
	"usr/local/bin/node":  elfHead,
	"usr/local/bin/cat":   elfHead,
	"usr/local/bin/loop":  "#!/usr/local/bin/loop\n",
	"usr/local/bin/lost":  "#!/no/such/interpreter\n",
	"usr/local/bin/hello": "#!/bin/cat -n\n",
	"usr/local/bin/text":  "echo text\n",
	"usr/local/bin/wasm":  module + "\x0a\x04\x01\x02\x00\x0b",     // _start returns
	"usr/local/bin/trap":  module + "\x0a\x05\x01\x03\x00\x00\x0b", // _start traps
	"etc/passwd":          "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n",
	"etc/group":           "root:x:0:\nusers:x:1001:\nwheel:x:10:root,ann\ndocker:x:11:ann\n",
}

func imageTar(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range image {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644}
		if strings.Contains(name, "bin/") {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "usr/bin", Linkname: "../bin"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// newContainer opens a container with the image's files.
func newContainer(t *testing.T, c *agent.Client) *agentpb.Container {
	t.Helper()
	spec := &agentpb.Container{Id: "c1", Hostname: "box", Directory: t.TempDir()}
	if err := c.OpenContainer(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), &agentpb.PutOpen{Container: "c1", Path: "/"}, imageTar(t)); err != nil {
		t.Fatal(err)
	}
	return spec
}

var environment = []string{"PATH=/usr/local/bin:/bin"}

// runIn runs a command in the container and returns what it wrote, and its exit code.
func runIn(t *testing.T, c *agent.Client, stdin string, p *agentpb.Process) (stdout, stderr string, code int32) {
	t.Helper()
	if p.Env == nil {
		p.Env = environment
	}
	p.Stdin = stdin != ""
	s, err := c.Attach(t.Context(), &agentpb.AttachOpen{
		Container: "c1", Exec: newID(), Process: p, Stdin: p.Stdin, Output: true,
	})
	if err != nil {
		var start *agent.StartError
		if errors.As(err, &start) {
			return "", start.Message, int32(start.Code)
		}
		t.Fatal(err)
	}
	defer s.Close()
	if stdin != "" {
		if err := s.Stdin([]byte(stdin)); err != nil {
			t.Fatal(err)
		}
		if err := s.CloseStdin(); err != nil {
			t.Fatal(err)
		}
	}
	for {
		o, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := o.GetExit(); e != nil {
			return stdout, stderr, e.GetCode()
		}
		if d := o.GetData(); d.GetStream() == uint32(agent.Stderr) {
			stderr += string(d.GetData())
		} else {
			stdout += string(d.GetData())
		}
	}
}

// startSleeper starts the container with something that does nothing.
func startSleeper(t *testing.T, c *agent.Client, spec *agentpb.Container) {
	t.Helper()
	_, err := c.Start(t.Context(), &agentpb.StartRequest{
		Container: spec, Process: &agentpb.Process{Args: []string{"cat"}, Env: []string{"PATH=/bin"}, Stdin: true}, Run: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolution(t *testing.T) {
	c := serveCell(t)
	startSleeper(t, c, newContainer(t, c))
	native := "permission denied: %s is a native linux/amd64 program (ELF), which the sandbox cannot run: no offload is configured"
	for _, test := range []struct {
		args   []string
		stdin  string
		stdout string
		stderr string
		code   int32
	}{
		{args: []string{"nosuch"}, stderr: `exec: "nosuch": executable file not found in $PATH`, code: 127},
		{args: []string{"/no/such"}, stderr: `exec: "/no/such": stat /no/such: no such file or directory`, code: 127},
		{args: []string{"/etc/passwd"}, stderr: `exec: "/etc/passwd": permission denied`, code: 126},
		{args: []string{"/bin"}, stderr: `exec: "/bin": is a directory`, code: 126},
		{args: []string{"node"}, stderr: `exec: "node": ` + strings.ReplaceAll(native, "%s", "/usr/local/bin/node"), code: 126},
		{args: []string{"cat"}, stderr: `exec: "cat": ` + strings.ReplaceAll(native, "%s", "/usr/local/bin/cat"), code: 126},
		{args: []string{"/usr/bin/cat"}, stdin: "through\n", stdout: "through\n"},
		{args: []string{"/bin/cat", "/etc/hostname"}, stdout: "box\n"},
		{args: []string{"busybox", "cat"}, stdin: "applet\n", stdout: "applet\n"},
		{args: []string{"hello", "/etc/hostname"}, stdout: "     1\t#!/bin/cat -n\n     2\tbox\n"},
		{args: []string{"sh", "-c", "text && sh -c 'exit 3'"}, stdout: "text\n", code: 3},
		{args: []string{"env", "-i", "/usr/local/bin/text"}, stdout: "text\n"},
		{args: []string{"sh", "-c", "node; echo $?"}, stdout: "126\n",
			stderr: `sh: 1: exec: "node": ` + strings.ReplaceAll(native, "%s", "/usr/local/bin/node") + "\n"},
		{args: []string{"wasm"}},
		{args: []string{"trap"}, code: 134, stderr: "trap: module[] function[_start] failed: wasm error: unreachable\n" +
			"wasm stack trace:\n\t.$0()\n"},
		{args: []string{"loop"}, stderr: "exec /usr/local/bin/loop: too many levels of symbolic links", code: 126},
		{args: []string{"lost"}, stderr: "exec /usr/local/bin/lost: no such file or directory", code: 127},
		{args: []string{"text"}, stderr: "exec /usr/local/bin/text: exec format error", code: 126},
	} {
		stdout, stderr, code := runIn(t, c, test.stdin, &agentpb.Process{Args: test.args})
		if stdout != test.stdout || stderr != test.stderr || code != test.code {
			t.Errorf("%q: %q, %q, %d\nwant %q, %q, %d", test.args, stdout, stderr, code, test.stdout, test.stderr, test.code)
		}
	}
}

func TestUsers(t *testing.T) {
	c := serveCell(t)
	startSleeper(t, c, newContainer(t, c))
	for _, test := range []struct{ user, want string }{
		{"", "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t10 \nHOME=/root"},
		{"ann", "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:\t10 11 \nHOME=/home/ann"},
		{"1000", "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:\t10 11 \nHOME=/home/ann"},
		{"ann:docker", "Uid:\t1000\t1000\t1000\t1000\nGid:\t11\t11\t11\t11\nGroups:\t\nHOME=/home/ann"},
		{"77:88", "Uid:\t77\t77\t77\t77\nGid:\t88\t88\t88\t88\nGroups:\t\nHOME=/"},
		{"bob", "unable to find user bob: no matching entries in passwd file"},
		{"ann:nix", "unable to find group nix: no matching entries in group file"},
	} {
		out, failure, _ := runIn(t, c, "", &agentpb.Process{Args: []string{"/bin/cat", "/proc/self/status"}, User: test.user})
		var got []string
		for line := range strings.Lines(out) {
			if name, _, _ := strings.Cut(line, ":"); name == "Uid" || name == "Gid" || name == "Groups" {
				got = append(got, strings.TrimSuffix(line, "\n"))
			}
		}
		if failure == "" {
			environ, _, _ := runIn(t, c, "", &agentpb.Process{Args: []string{"/bin/cat", "/proc/self/environ"}, User: test.user})
			for v := range strings.SplitSeq(environ, "\x00") {
				if strings.HasPrefix(v, "HOME=") {
					got = append(got, v)
				}
			}
		}
		if s := strings.Join(got, "\n") + failure; s != test.want {
			t.Errorf("user %q:\n%s\nwant\n%s", test.user, s, test.want)
		}
	}
}

// nextExit returns the next exit that the cell reports.
func nextExit(t *testing.T, events *agent.EventStream) *agentpb.Event {
	t.Helper()
	for {
		e, err := events.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetExit() != nil {
			if err := events.Ack(e.GetSequence()); err != nil {
				t.Fatal(err)
			}
			return e
		}
	}
}

func TestContainerLife(t *testing.T) {
	c := serveCell(t)
	events, err := c.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	spec := newContainer(t, c)
	startSleeper(t, c, spec)

	if err := c.Pause(t.Context(), "c1", true); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(t.Context(), "c1", false); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseContainer(t.Context(), "c1"); err == nil {
		t.Error("a running container was closed")
	}
	if err := c.Signal(t.Context(), "c1", "", 15); err != nil { // no effect on a process 1 that does not catch it
		t.Fatal(err)
	}
	if err := c.Signal(t.Context(), "c1", "", 9); err != nil {
		t.Fatal(err)
	}
	if e := nextExit(t, events); e.GetContainer() != "c1" || e.GetRun() != 1 || e.GetExit().GetCode() != 137 {
		t.Errorf("event %v", e)
	}

	// A second run sees what was written, and has its output behind the first one's.
	stdin, err := c.Start(t.Context(), &agentpb.StartRequest{
		Container: spec, Run: 2,
		Process: &agentpb.Process{Args: []string{"/bin/cat", "/etc/passwd"}, Cwd: "/made/by/start"},
	})
	if err != nil || stdin.GetPid() != 1 {
		t.Fatal(stdin, err)
	}
	if e := nextExit(t, events); e.GetRun() != 2 || e.GetExit().GetCode() != 0 {
		t.Errorf("event %v", e)
	}
	s, err := c.Attach(t.Context(), &agentpb.AttachOpen{Container: "c1", Output: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out string
	for {
		o, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if o.GetExit() != nil {
			break
		}
		out += string(o.GetData().GetData())
	}
	if out != image["etc/passwd"] {
		t.Errorf("output %q", out)
	}
	stat, err := c.Stat(t.Context(), "c1", "/made/by/start")
	if err != nil || stat.GetName() != "start" {
		t.Errorf("Stat = %v, %v", stat, err)
	}
	if err := c.CloseContainer(t.Context(), "c1"); err != nil {
		t.Error(err)
	}
}

func TestTop(t *testing.T) {
	c := serveCell(t)
	startSleeper(t, c, newContainer(t, c))
	top, err := c.Top(t.Context(), "c1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(top.GetTitles(), " "); got != "UID PID PPID C STIME TTY TIME CMD" {
		t.Errorf("titles %q", got)
	}
	if len(top.GetProcesses()) != 1 {
		t.Fatalf("processes %v", top.GetProcesses())
	}
	row := top.GetProcesses()[0].GetCells()
	if len(row) != 8 || row[0] != "root" || row[1] != "1" || row[7] != "cat" {
		t.Errorf("row %q", row)
	}
	top, err = c.Top(t.Context(), "c1", []string{"-o", "pid,args"})
	if err != nil || len(top.GetProcesses()) != 1 || strings.Join(top.GetProcesses()[0].GetCells(), "|") != "1|cat" {
		t.Errorf("with arguments: %v, %v", top, err)
	}
	if _, err := c.Top(t.Context(), "c1", []string{"-o", "args"}); err == nil || !strings.Contains(err.Error(), "Couldn't find PID field in ps output") {
		t.Errorf("without pids: %v", err)
	}
}

func TestTerminal(t *testing.T) {
	c := serveCell(t)
	startSleeper(t, c, newContainer(t, c))
	s, err := c.Attach(t.Context(), &agentpb.AttachOpen{
		Container: "c1", Exec: "e1", Stdin: true, Output: true,
		Process: &agentpb.Process{Args: []string{"/bin/cat"}, Env: environment, Tty: true, Stdin: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Stdin([]byte("hellp\x7fo\r\x03")); err != nil {
		t.Fatal(err)
	}
	var out string
	for {
		o, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := o.GetExit(); e != nil {
			if e.GetCode() != 130 {
				t.Errorf("exit code %d", e.GetCode())
			}
			break
		}
		out += string(o.GetData().GetData())
	}
	// cat may be interrupted before it has shown the line.
	if got := strings.Replace(out, "hello\r\n", "", 1); !strings.HasPrefix(out, "hellp\b \bo\r\n") || !strings.Contains(got, "^C") {
		t.Errorf("screen %q", out)
	}
}

func TestReadOnlyAndMounts(t *testing.T) {
	c := serveCell(t)
	host := t.TempDir()
	spec := newContainer(t, c)
	spec.ReadOnly = true
	spec.Mounts = []*agentpb.Mount{
		{Type: agentpb.Mount_VOLUME, Source: host, Target: "/usr/local", CopyUp: true},
		{Type: agentpb.Mount_TMPFS, Target: "/scratch", Mode: 0o700},
		{Type: agentpb.Mount_VOLUME, Source: t.TempDir(), Target: "/etc", CopyUp: true},
	}
	startSleeper(t, c, spec)
	if _, stderr, code := runIn(t, c, "", &agentpb.Process{Args: []string{"/bin/cat", "/usr/local/bin/text"}}); code != 0 {
		t.Errorf("the volume has not got the image's content: %s", stderr)
	}
	// What every container has in /etc is seen above a volume there.
	if stdout, stderr, _ := runIn(t, c, "", &agentpb.Process{Args: []string{"/bin/cat", "/etc/hostname", "/etc/group"}}); stdout != "box\n"+image["etc/group"] {
		t.Errorf("/etc of the volume: %q, %q", stdout, stderr)
	}
	small := func() io.Reader {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "new", Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		return &b
	}
	err := c.Put(t.Context(), &agentpb.PutOpen{Container: "c1", Path: "/usr"}, small())
	if err == nil || !strings.Contains(err.Error(), "container rootfs is marked read-only") {
		t.Errorf("Put into a read-only root = %v", err)
	}
	for _, dir := range []string{"/scratch", "/usr/local/bin"} {
		if err := c.Put(t.Context(), &agentpb.PutOpen{Container: "c1", Path: dir}, small()); err != nil {
			t.Errorf("Put into %s = %v", dir, err)
		}
	}
}

func TestRunCellEnds(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	ready, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- RunCell(context.Background(), CellConfig{Socket: socket, Version: "v", Ready: w, Idle: 50 * time.Millisecond})
	}()
	line := make([]byte, 6)
	if _, err := io.ReadFull(ready, line); err != nil || string(line) != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := RunCell(t.Context(), CellConfig{Socket: socket}); err == nil {
		t.Error("a second cell took the socket")
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("an idle cell did not end")
	}
}
