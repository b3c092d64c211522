package kernel_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/sockerless/sockerless/wasi/kernel"
)

func TestPipeKeepsBytes(t *testing.T) {
	r, w := kernel.NewPipe()
	sent, got := sha256.New(), sha256.New()
	random := rand.New(rand.NewPCG(1, 2))
	go func() {
		defer w.Close()
		for range 300 {
			b := make([]byte, random.IntN(100_000))
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			sent.Write(b)
			if n, err := w.Write(context.Background(), b); n != len(b) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		}
	}()
	b := make([]byte, 70_000)
	for i := 1; ; i = i*7%70_000 + 1 {
		n, err := r.Read(t.Context(), b[:i])
		got.Write(b[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Error("other bytes came out than went in")
	}
	if _, err := r.Write(t.Context(), b); err != syscall.EBADF {
		t.Errorf("write to the reading end: %v", err)
	}
}

// Writes of at most PIPE_BUF bytes do not mix.
func TestPipeIsAtomic(t *testing.T) {
	r, w := kernel.NewPipe()
	for i := range 8 {
		go func(c byte, f *kernel.File) {
			defer f.Close()
			for range 200 {
				if _, err := f.Write(context.Background(), bytes.Repeat([]byte{c}, kernel.PipeBuf)); err != nil {
					t.Error(err)
				}
			}
		}('a'+byte(i), w.Ref())
	}
	w.Close()
	block := make([]byte, kernel.PipeBuf)
	for blocks := 0; ; blocks++ {
		for n := 0; n < len(block); {
			m, err := r.Read(t.Context(), block[n:])
			if err == io.EOF && n == 0 {
				if blocks != 1600 {
					t.Errorf("%d blocks", blocks)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		if strings.Trim(string(block), string(block[:1])) != "" {
			t.Fatal("writes are mixed")
		}
	}
}

func TestWriteWithoutReader(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		r, w := kernel.NewPipe()
		c, err := p.Fork(func(c *kernel.Process) int {
			for {
				if _, err := c.Stdout().Write([]byte("x")); err != nil {
					return 1
				}
			}
		}, kernel.ForkOptions{Files: map[int]*kernel.File{1: w}})
		must(t, err)
		w.Close()
		r.Close()
		result, err := p.Wait(p.Context(), c.PID(), 0)
		if err != nil || result.Status.Signal() != kernel.SIGPIPE {
			t.Errorf("%+v, %v", result, err)
		}
		// Whoever ignores the signal has the error.
		r, w = kernel.NewPipe()
		r.Close()
		must(t, p.SetAction(kernel.SIGPIPE, kernel.Ignore))
		must(t, p.FDs().Set(7, w))
		if _, err := p.Write(p.Context(), 7, []byte("x")); err != syscall.EPIPE {
			t.Errorf("write = %v", err)
		}
		return 0
	})
}

func TestFIFO(t *testing.T) {
	code, out := run(t, nil, func(p *kernel.Process) int {
		must(t, p.Files().Mknod("/fifo", fs.ModeNamedPipe|0o666, 0))
		_, err := p.Fork(func(c *kernel.Process) int {
			fd, err := c.Open("/fifo", os.O_WRONLY, 0)
			must(t, err)
			fmt.Fprint(c.Descriptor(fd), "through the fifo")
			return 0
		}, kernel.ForkOptions{})
		must(t, err)
		text, err := p.Files().ReadFile("/fifo") // as a builtin reads it
		must(t, err)
		_, _ = p.Stdout().Write(text)
		_, err = p.Wait(p.Context(), -1, 0)
		must(t, err)
		return 0
	})
	if code != 0 || out != "through the fifo" {
		t.Errorf("code %d, output %q", code, out)
	}
}

func TestDescriptors(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		fds := p.FDs()
		must(t, p.Files().WriteFile("/f", []byte("0123456789"), 0o600))
		fd, err := p.Open("/f", os.O_RDONLY, 0)
		if fd != 3 || err != nil {
			t.Errorf("Open = %d, %v", fd, err)
		}
		must(t, fds.Dup2(3, 700))
		b := make([]byte, 4)
		for i, from := range []int{3, 700} { // they share the offset
			if n, err := p.Read(p.Context(), from, b); n != 4 || err != nil || string(b) != []string{"0123", "4567"}[i] {
				t.Errorf("Read = %d, %v, %q", n, err, b)
			}
		}
		if next, err := fds.Dup(3, 700); next != 701 || err != nil {
			t.Errorf("Dup = %d, %v", next, err)
		}
		must(t, fds.Close(3))
		if next, err := fds.Dup(700, 0); next != 3 || err != nil {
			t.Errorf("Dup = %d, %v", next, err)
		}
		if err := fds.Close(99); err != syscall.EBADF {
			t.Errorf("Close = %v", err)
		}
		if got := fmt.Sprint(fds.List()); got != "[0 1 2 3 700 701]" {
			t.Errorf("List = %s", got)
		}
		if got, err := p.Files().Readlink("/proc/self/fd/700"); err != nil || got != "/f" {
			t.Errorf("/proc/self/fd/700 = %q, %v", got, err)
		}
		return 0
	})
}

func TestDevices(t *testing.T) {
	code, out := run(t, nil, func(p *kernel.Process) int {
		v := p.Files()
		if b, err := v.ReadFile("/dev/null"); len(b) != 0 || err != nil {
			t.Errorf("/dev/null: %q, %v", b, err)
		}
		must(t, v.WriteFile("/dev/null", []byte("x"), 0o600))
		if err := v.WriteFile("/dev/full", []byte("x"), 0o600); !isErrno(err, syscall.ENOSPC) {
			t.Errorf("/dev/full: %v", err)
		}
		zero, err := v.Open("/dev/zero")
		must(t, err)
		b := []byte("abc")
		_, err = io.ReadFull(zero, b)
		if err != nil || string(b) != "\x00\x00\x00" {
			t.Errorf("/dev/zero: %q, %v", b, err)
		}
		random, err := v.Open("/dev/urandom")
		must(t, err)
		b = make([]byte, 32)
		_, err = io.ReadFull(random, b)
		if err != nil || bytes.Count(b, []byte{0}) > 8 {
			t.Errorf("/dev/urandom: %q, %v", b, err)
		}
		if _, err := v.Open("/dev/tty"); !isErrno(err, syscall.ENXIO) {
			t.Errorf("/dev/tty without a terminal: %v", err)
		}
		// /dev/stdout is whatever descriptor 1 is, here the test's buffer.
		must(t, v.WriteFile("/dev/stdout", []byte("by name"), 0o600))
		must(t, v.Mkdir("/dev/made", 0o755))
		must(t, v.Rename("/dev/made", "/dev/moved"))
		if err := v.Unlink("/dev/null"); !isErrno(err, syscall.EPERM) {
			t.Errorf("rm /dev/null: %v", err)
		}
		list, err := v.ReadDir("/dev")
		must(t, err)
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		want := "console core fd full moved mqueue null pts random shm stderr stdin stdout tty urandom zero"
		if got := strings.Join(names, " "); got != want {
			t.Errorf("/dev has %s", got)
		}
		return 0
	})
	if code != 0 || out != "by name" {
		t.Errorf("code %d, output %q", code, out)
	}
}

func TestProc(t *testing.T) {
	run(t, nil, func(p *kernel.Process) int {
		c, err := p.Fork(func(c *kernel.Process) int {
			c.SetArgs([]string{"/bin/some", "thing"})
			for name, want := range map[string]string{
				"/proc/self/cmdline":        "/bin/some\x00thing\x00",
				"/proc/self/environ":        "PATH=/bin\x00",
				"/proc/self/comm":           "init\n",
				"/proc/1/comm":              "init\n",
				"/proc/sys/kernel/hostname": "box\n",
			} {
				if b, err := c.Files().ReadFile(name); err != nil || string(b) != want {
					t.Errorf("%s: %q, %v", name, b, err)
				}
			}
			stat, err := c.Files().ReadFile("/proc/self/stat")
			if fields := strings.Fields(string(stat)); err != nil || len(fields) != 52 ||
				strings.Join(fields[:8], " ") != "2 (init) R 1 1 1 0 -1" {
				t.Errorf("stat: %d fields: %q, %v", len(fields), stat, err)
			}
			mounts, err := c.Files().ReadFile("/proc/mounts")
			if err != nil || !strings.Contains(string(mounts), "proc /proc proc rw,relatime 0 0\n") {
				t.Errorf("mounts: %q, %v", mounts, err)
			}
			if got, err := c.Files().Readlink("/proc/self"); err != nil || got != "2" {
				t.Errorf("/proc/self = %q, %v", got, err)
			}
			if err := c.Files().WriteFile("/proc/version", nil, 0o600); !isErrno(err, syscall.EACCES) {
				t.Errorf("write to /proc/version: %v", err)
			}
			return 0
		}, kernel.ForkOptions{})
		must(t, err)
		_, err = p.Wait(p.Context(), c.PID(), 0)
		must(t, err)
		if _, err := p.Files().Stat("/proc/2"); !isErrno(err, syscall.ENOENT) {
			t.Errorf("/proc/2 of a process that has ended: %v", err)
		}
		return 0
	})
}
