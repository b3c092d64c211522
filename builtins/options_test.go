package builtins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

func TestOptions(t *testing.T) {
	u := usage{synopsis: "[OPTION]... [FILE]...", options: []string{"a all", "w width=", "color?", "o", "context"}}
	for _, c := range []struct{ line, want, stderr string }{
		{"x -a y -w5 --width=6 --wid 7 -ao -- -a", "a= w=5 w=6 w=7 a= o= | x y -a", ""},
		{"--color --color=x - -aw 3", "color= color=x a= w=3 | -", ""},
		{"-z", "", "x: invalid option -- 'z'\nTry 'x --help' for more information.\n"},
		{"-w", "", "x: option requires an argument -- 'w'\nTry 'x --help' for more information.\n"},
		{"--width", "", "x: option '--width' requires an argument\nTry 'x --help' for more information.\n"},
		{"--all=1", "", "x: option '--all' doesn't allow an argument\nTry 'x --help' for more information.\n"},
		{"--co", "", "x: option '--co' is ambiguous; possibilities: '--color' '--context'\nTry 'x --help' for more information.\n"},
		{"--foo=1", "", "x: unrecognized option '--foo=1'\nTry 'x --help' for more information.\n"},
	} {
		var stdout, stderr bytes.Buffer
		p := &Process{Context: t.Context(), Args: append([]string{"/bin/x"}, strings.Fields(c.line)...), Stdout: &stdout, Stderr: &stderr}
		opts, operands, status, done := p.parse(u)
		var got []string
		for _, o := range opts {
			got = append(got, o.name+"="+o.value)
		}
		text := strings.Join(append(append(got, "|"), operands...), " ")
		if done {
			text = ""
		}
		if text != c.want || stderr.String() != c.stderr || done && status != 1 {
			t.Errorf("%s: %q %q %d", c.line, text, stderr.String(), status)
		}
	}
}

// TestHelp asks every command that parses options for its help and version: text, status 0, and nothing touched.
func TestHelp(t *testing.T) {
	for name, c := range commands {
		f := c.run
		for _, option := range []string{"--help", "--version"} {
			var stdout, stderr bytes.Buffer
			tree := rootfs.NewTree(rootfs.NewTmpfs(1<<20, 0o755), false)
			p := &Process{Context: t.Context(), Args: []string{name, option}, Files: tree.View(rootfs.Cred{}), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, System: quietSystem{}}
			if c.words != "" {
				continue
			}
			if status := f(p); status != 0 || !strings.Contains(stdout.String(), name) || stderr.Len() > 0 {
				t.Errorf("%s %s: %d %q %q", name, option, status, stdout.String(), stderr.String())
			}
			tree.Close()
		}
	}
}

// TestKilled ends commands that would go on for ever by the end of their context.
func TestKilled(t *testing.T) {
	tree := rootfs.NewTree(rootfs.NewTmpfs(1<<20, 0o755), false)
	defer tree.Close()
	for _, line := range []string{"sleep infinity", "dd of=/dev/null", "xargs echo", "gzip -c", "tar tf -", "cmp - -"} {
		ctx, cancel := context.WithCancel(t.Context())
		args := strings.Fields(line)
		p := &Process{Context: ctx, Args: args, Files: tree.View(rootfs.Cred{}), Stdin: endlessReader{}, Stdout: discard{}, Stderr: discard{}, System: quietSystem{}}
		done := make(chan int)
		go func() { done <- Lookup(args[0])(p) }()
		cancel()
		<-done
	}
}

type endlessReader struct{}

func (endlessReader) Read(b []byte) (int, error) {
	copy(b, "x")
	return min(1, len(b)), nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// quietSystem is a system in which nothing runs.
type quietSystem struct{ System }

func (quietSystem) Block(wait func())   { wait() }
func (quietSystem) IsTerminal(int) bool { return false }
func (quietSystem) Now() time.Time      { return time.Unix(1e9, 0) }
func (quietSystem) PID() int            { return 42 }
func (quietSystem) Run(context.Context, Command) (int, error) {
	return 0, fmt.Errorf("run: %w", errors.ErrUnsupported)
}
