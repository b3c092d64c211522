package guest

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// program is compiled to WASI by the tests.
const program = `package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	switch os.Args[1] {
	case "say":
		dir, _ := os.Getwd()
		fmt.Println(strings.Join(os.Args, " "), os.Getenv("A"), dir)
		fmt.Fprintln(os.Stderr, "to stderr")
		os.Exit(42)
	case "copy":
		n, err := io.Copy(os.Stdout, bufio.NewReader(os.Stdin))
		fmt.Fprintln(os.Stderr, n, err)
	case "files":
		check(os.MkdirAll("/d/e", 0o755))
		check(os.WriteFile("/d/e/f", []byte("one\n"), 0o644))
		f, err := os.OpenFile("/d/e/f", os.O_APPEND|os.O_WRONLY, 0)
		check(err)
		_, err = f.WriteString("two\n")
		check(err)
		check(f.Close())
		check(os.Symlink("e/f", "/d/link"))
		check(os.Rename("/d/e/f", "/d/e/g"))
		_, err = os.ReadFile("/d/link")
		fmt.Println(err)
		check(os.Rename("/d/e/g", "/d/e/f"))
		text, err := os.ReadFile("/d/link")
		check(err)
		fmt.Print(string(text))
		_, err = os.ReadFile("/../../../etc/secret")
		fmt.Println(err)
		list, err := os.ReadDir("/d")
		check(err)
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		sort.Strings(names)
		fmt.Println(names)
		null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
		check(err)
		_, err = null.WriteString("x")
		check(err)
	case "loop":
		fmt.Println("looping")
		for i := 0; ; i++ {
		}
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
	case "panic":
		panic("ouch")
	case "memory":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
`

func compileProgram(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("go", "build", "-o", "out.wasm", "main.go")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("compile the guest: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(dir, "out.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// output collects what a guest writes, and tells when there is something.
type output struct {
	mu    sync.Mutex
	b     bytes.Buffer
	first chan struct{}
}

func (o *output) Read(context.Context, []byte) (int, error) { return 0, io.EOF }
func (o *output) Close() error                              { return nil }

func (o *output) Write(_ context.Context, b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.b.Len() == 0 {
		close(o.first)
	}
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// box is a container with one guest.
type box struct {
	table       *kernel.Table
	process     *kernel.Process
	out, failed output
	stdin       *kernel.File
	status      chan kernel.WaitStatus
}

func start(t *testing.T, run kernel.Program, args ...string) *box {
	t.Helper()
	b := &box{status: make(chan kernel.WaitStatus, 1)}
	b.out.first, b.failed.first = make(chan struct{}), make(chan struct{})
	tree := rootfs.NewTree(rootfs.NewTmpfs(0, 0o755), false)
	b.table = kernel.NewTable(kernel.TableConfig{
		Tree: tree, Limits: kernel.Limits{Memory: 64 << 20},
		Exec: func(*rootfs.View, string, []string) (kernel.Program, []string, error) { return run, args, nil },
	})
	if err := tree.MountHidden("/dev", b.table.DevFS(func() rootfs.FS { return rootfs.NewTmpfs(0, 0o755) }), false); err != nil {
		t.Fatal(err)
	}
	view := tree.View(rootfs.Cred{})
	if err := view.Mkdir("/work", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := view.Chdir("/work"); err != nil {
		t.Fatal(err)
	}
	var in *kernel.File
	in, b.stdin = kernel.NewPipe()
	out, failed := kernel.NewFile(&b.out), kernel.NewFile(&b.failed)
	p, err := b.table.Start(kernel.StartOptions{
		Path: "guest", Env: []string{"A=1"}, Files: view, Stdin: in, Stdout: out, Stderr: failed,
		Ended: func(s kernel.WaitStatus) { b.status <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.process = p
	for _, f := range []*kernel.File{in, out, failed} {
		_ = f.Close()
	}
	return b
}

func (b *box) wait(t *testing.T) int {
	t.Helper()
	select {
	case s := <-b.status:
		if used := b.table.Usage().Memory; used != 0 {
			t.Errorf("%d bytes are still accounted", used)
		}
		return s.Code()
	case <-time.After(60 * time.Second):
		t.Fatal("the guest does not end")
	}
	return 0
}

func TestGuest(t *testing.T) {
	module := compileProgram(t)
	cache := NewCache()
	main := Main(cache)
	run := func(p *kernel.Process) int { return main(module, p) }

	t.Run("say", func(t *testing.T) {
		b := start(t, run, "guest", "say", "x y")
		code := b.wait(t)
		if code != 42 || b.out.String() != "guest say x y 1 /work\n" || b.failed.String() != "to stderr\n" {
			t.Errorf("%d %q %q", code, b.out.String(), b.failed.String())
		}
	})
	t.Run("copy", func(t *testing.T) {
		b := start(t, run, "guest", "copy")
		text := strings.Repeat("all work and no play\n", 20000)
		if _, err := b.stdin.Write(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = b.stdin.Close()
		if code := b.wait(t); code != 0 || b.out.String() != text || b.failed.String() != "420000 <nil>\n" {
			t.Errorf("%d, %d bytes, %q", code, len(b.out.String()), b.failed.String())
		}
	})
	t.Run("files", func(t *testing.T) {
		b := start(t, run, "guest", "files")
		want := "open /d/link: No such file or directory\none\ntwo\nopen /../../../etc/secret: No such file or directory\n[e link]\n"
		if code := b.wait(t); code != 0 || !strings.EqualFold(b.out.String(), want) {
			t.Errorf("%d %q %q", code, b.out.String(), b.failed.String())
		}
		if text, err := b.table.Tree().View(rootfs.Cred{}).ReadFile("/d/e/f"); err != nil || string(text) != "one\ntwo\n" {
			t.Errorf("%q, %v", text, err)
		}
	})
	t.Run("panic", func(t *testing.T) {
		b := start(t, run, "guest", "panic")
		if code := b.wait(t); code != 2 || !strings.Contains(b.failed.String(), "panic: ouch") {
			t.Errorf("%d %q", code, b.failed.String())
		}
	})
	t.Run("memory limit", func(t *testing.T) {
		b := start(t, run, "guest", "memory")
		if code := b.wait(t); code != 2 || !strings.Contains(b.failed.String(), "out of memory") {
			t.Errorf("%d %q", code, b.failed.String())
		}
	})
	for _, what := range []string{"loop", "sleep"} {
		t.Run("kill in "+what, func(t *testing.T) {
			b := start(t, run, "guest", what)
			<-b.out.first
			if err := b.process.Signal(kernel.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if code := b.wait(t); code != 137 {
				t.Errorf("code %d", code)
			}
		})
	}
	t.Run("kill in a read", func(t *testing.T) {
		b := start(t, run, "guest", "copy")
		if _, err := b.stdin.Write(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		<-b.out.first
		if err := b.process.Signal(kernel.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code := b.wait(t); code != 137 {
			t.Errorf("code %d", code)
		}
	})
	if n := len(cache.modules); n != 1 {
		t.Errorf("%d modules are cached", n)
	}
}

func TestMalformedModule(t *testing.T) {
	main := Main(NewCache())
	for text, want := range map[string]string{
		"\x00asm\x01\x00\x00\x00": "guest: the module is not a WASI command: it has no function _start\n",
		"\x00asm\x09\x00\x00\x00": "guest: invalid version header\n",
	} {
		b := start(t, func(p *kernel.Process) int { return main([]byte(text), p) }, "guest")
		if code := b.wait(t); code != 126 || b.failed.String() != want {
			t.Errorf("%q: %d %q", text, code, b.failed.String())
		}
	}
}

// trap is a module whose _start executes the instruction unreachable.
const trap = "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" +
	"\x07\x0a\x01\x06_start\x00\x00" + "\x0a\x05\x01\x03\x00\x00\x0b"

func TestTrap(t *testing.T) {
	main := Main(NewCache())
	b := start(t, func(p *kernel.Process) int { return main([]byte(trap), p) }, "guest")
	if code := b.wait(t); code != 134 || !strings.Contains(b.failed.String(), "guest: module[] function[_start] failed: wasm error: unreachable\n") {
		t.Errorf("%d %q", code, b.failed.String())
	}
}

func TestCacheIsBounded(t *testing.T) {
	cache := NewCache()
	for i := range 3 * cached {
		// A custom section makes each module another one.
		module := trap + "\x00\x03\x01n" + string(rune('a'+i))
		_, release, err := cache.get(t.Context(), []byte(module))
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if len(cache.modules) > cached+1 || len(cache.idle) > cached {
		t.Errorf("%d modules, %d idle", len(cache.modules), len(cache.idle))
	}
}
