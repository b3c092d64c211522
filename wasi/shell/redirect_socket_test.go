package shell

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// TestSocketFailures compares what fails with bash, messages too. Nothing listens at port 1.
func TestSocketFailures(t *testing.T) {
	for _, script := range []string{
		"echo x > /dev/tcp/127.0.0.1/1; echo $?", "exec 3<>/dev/tcp/127.0.0.1/1; echo $?", "cat < /dev/tcp/127.0.0.1/1 || echo no", "echo x >> /dev/tcp/127.0.0.1/1; echo $?",
		"echo x &> /dev/tcp/127.0.0.1/1; echo $?", "set -C; echo x > /dev/tcp/127.0.0.1/1; echo $?", "echo x > /dev/tcp/127.0.0.1/nosuch; echo $?", "echo x > /dev/tcp/127.0.0.1/80/; echo $?",
		"echo x > /dev/tcp//1; echo $?", "echo x > /dev/udp/127.0.0.1/9; echo $?", "(echo > /dev/tcp/127.0.0.1/1) 2>/dev/null && echo open || echo closed", "[ -e /dev/tcp/127.0.0.1/1 ] || echo none", "echo x > /dev/tcp/127.0.0.1; echo $?",
	} {
		want, got := realBash.run(t, script), runShell(t, "", "bash", "-c", script)
		// Which line of a script it is depends on the version of bash.
		plain := strings.NewReplacer("bash: line 1: ", "bash: ").Replace
		if got.stdout != want.stdout || got.code != want.code || plain(got.stderr) != plain(want.stderr) {
			t.Errorf("%s\n got %+v\nwant %+v", script, got, want)
		}
	}
	for _, shell := range []string{"dash", "sh"} {
		got := runShell(t, "", shell, "-c", "echo x > /dev/tcp/127.0.0.1/1")
		if got.code != 2 || !strings.Contains(got.stderr, "cannot create /dev/tcp/127.0.0.1/1: Directory nonexistent") {
			t.Errorf("%s: %+v", shell, got)
		}
	}
}

// TestSockets has a server in the container, and for bash one on the loopback interface.
func TestSockets(t *testing.T) {
	reply := func(c net.Conn) {
		line := make([]byte, 5)
		n, _ := io.ReadFull(c, line)
		fmt.Fprintf(c, "heard %q\nbye\n", line[:n])
		c.Close()
	}
	script := `exec 3<>/dev/tcp/127.0.0.1/PORT; echo ping >&3; read -r a <&3; echo "$a"; cat <&3; exec 3>&-; echo $?`
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			reply(c)
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	want := realBash.run(t, strings.ReplaceAll(script, "PORT", port))
	l.Close()
	<-done
	got := runServed(t, strings.ReplaceAll(script, "PORT", "4000"), reply)
	if got.stdout != want.stdout || got.code != want.code || got.stdout != "heard \"ping\\n\"\nbye\n0\n" {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// runServed runs a bash script in a container whose first process answers one connection to port 4000.
func runServed(t *testing.T, script string, answer func(net.Conn)) result {
	t.Helper()
	tree := newTree(t)
	defer tree.Close()
	listening := make(chan error, 1)
	server := func(p *kernel.Process) int {
		f, err := p.Listen("tcp", ":4000")
		listening <- err
		if err != nil {
			return 1
		}
		l, err := p.NetListener(f)
		if err != nil {
			return 1
		}
		if c, err := l.Accept(); err == nil {
			answer(c)
		}
		<-p.Context().Done()
		return 0
	}
	table := kernel.NewTable(kernel.TableConfig{Tree: tree, Hostname: "box", Limits: kernel.Limits{Processes: 100},
		Exec: func(files *rootfs.View, path string, args []string) (kernel.Program, []string, error) {
			if path == "/bin/server" {
				return server, args, nil
			}
			return resolve(files, path, args)
		}})
	first, err := table.Start(kernel.StartOptions{Path: "/bin/server", Files: tree.View(rootfs.Cred{})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Signal(kernel.SIGKILL) }()
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
	var out, errs collector
	stdout, stderr := kernel.NewFile(&out), kernel.NewFile(&errs)
	ended := make(chan kernel.WaitStatus, 1)
	_, err = table.Start(kernel.StartOptions{Path: "/bin/bash", Args: []string{"bash", "-c", script}, Files: tree.View(rootfs.Cred{}),
		Stdin: kernel.NullFile(), Stdout: stdout, Stderr: stderr, Env: []string{"PATH=/bin"}, Ended: func(s kernel.WaitStatus) { ended <- s }})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = stdout.Close(), stderr.Close()
	status := <-ended
	return result{out.String(), errs.String(), status.Code()}
}
