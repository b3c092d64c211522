package shell

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// result is what a script did.
type result struct {
	stdout, stderr string
	code           int
}

// collector is an open file that keeps what is written.
type collector struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *collector) Read(context.Context, []byte) (int, error) { return 0, io.EOF }
func (c *collector) Close() error                              { return nil }

func (c *collector) Write(_ context.Context, b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(b)
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// resolve finds the programs of the tests: the shells and the small commands of programs.
func resolve(files *rootfs.View, path string, args []string) (kernel.Program, []string, error) {
	info, err := files.Stat(path)
	if err != nil {
		return nil, nil, &kernel.ExecError{Code: 127, Err: syscall.ENOENT}
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return nil, nil, &kernel.ExecError{Code: 126, Err: syscall.EACCES}
	}
	text, _ := files.ReadFile(path)
	if line, ok := strings.CutPrefix(string(text), "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		words := strings.Fields(line)
		return resolve(files, words[0], append(append(words, path), args[1:]...))
	}
	if !strings.HasPrefix(path, "/bin/") {
		return nil, nil, &kernel.ExecError{Code: 126, Err: syscall.ENOEXEC}
	}
	name := strings.TrimPrefix(path, "/bin/")
	switch name {
	case "sh", "bash", "dash", "ash":
		return Main, args, nil
	}
	return func(p *kernel.Process) (status int) {
		defer func() {
			if recover() != nil { // arguments that the small command does not know
				status = 2
			}
		}()
		return programs()[name](p)
	}, args, nil
}

// newTree makes a small root file system with the commands in /bin.
func newTree(t testing.TB) *rootfs.Tree {
	t.Helper()
	tree := rootfs.NewTree(rootfs.NewTmpfs(0, 0o755), false)
	view := tree.View(rootfs.Cred{})
	for _, dir := range []string{"/bin", "/tmp/work", "/etc", "/root", "/dev", "/proc"} {
		if err := view.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"sh", "bash", "dash", "ash"}
	for name := range programs() {
		names = append(names, name)
	}
	for _, name := range names {
		if err := view.WriteFile("/bin/"+name, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := view.WriteFile("/etc/passwd", []byte("root:x:0:0:root:/root:/bin/bash\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return tree
}

// runShell runs a shell with arguments in a container of its own. A script that takes too long is killed.
func runShell(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	return runWith(t, "", stdin, args...)
}

// runWith is runShell with a script in the file t.sh of the working directory.
func runWith(t testing.TB, file, stdin string, args ...string) result {
	t.Helper()
	tree := newTree(t)
	defer tree.Close()
	table := kernel.NewTable(kernel.TableConfig{Tree: tree, Hostname: "box", Exec: resolve, Limits: kernel.Limits{Processes: 1000}})
	for path, fsys := range map[string]rootfs.FS{
		"/dev": table.DevFS(func() rootfs.FS { return rootfs.NewTmpfs(0, 0o777|fs.ModeSticky) }), "/proc": table.ProcFS(),
	} {
		if err := tree.Mount(path, fsys, false); err != nil {
			t.Fatal(err)
		}
	}
	view := tree.View(rootfs.Cred{})
	view.SetUmask(fs.FileMode(0o022))
	if err := view.Chdir("/tmp/work"); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		if err := view.WriteFile("/tmp/work/t.sh", []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs collector
	in := kernel.NewFile(&textStream{text: stdin})
	stdout, stderr := kernel.NewFile(&out), kernel.NewFile(&errs)
	// Process 1 cannot be killed from inside: the shell is another one.
	first, err := table.Start(kernel.StartOptions{Path: "/bin/init", Files: tree.View(rootfs.Cred{})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Signal(kernel.SIGKILL) }()
	done := make(chan kernel.WaitStatus, 1)
	p, err := table.Start(kernel.StartOptions{
		Path: "/bin/" + args[0], Args: args, Files: view, Stdin: in, Stdout: stdout, Stderr: stderr,
		Env:   []string{"PATH=/bin:/usr/bin", "HOME=/root"},
		Ended: func(s kernel.WaitStatus) { done <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*kernel.File{in, stdout, stderr} {
		_ = f.Close()
	}
	deadline := time.AfterFunc(20*time.Second, func() { _ = p.Signal(kernel.SIGKILL) })
	defer deadline.Stop()
	status := <-done
	return result{out.String(), errs.String(), status.Code()}
}
