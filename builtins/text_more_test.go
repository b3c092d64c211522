//go:build linux

package builtins

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

func TestJoinAndTabs(t *testing.T) {
	tr := trial{setup: `printf 'a 1\nb 2\nc 3\n' > x; printf 'a 9\nc 8\nd 7\n' > y; printf 'a:1\nb:2\n' > p; printf '\tx\ty\n  \tz\n        eight        b\n' > t`, stdin: "a 5\n"}
	tr.check(t, "join x y", "join -a1 x y", "join -a1 -a2 -e - -o 0,1.2,2.2 x y", "join -v1 x y", "join -t: p p", "join x -", "join -j1 x y", "join x none", "join x",
		"expand t", "expand -t4 t", "expand -i t", "unexpand t", "unexpand -a t", "factor 12 97 1 360", "shuf -i 5-5", "shuf -e a")
}

// shellSystem runs "sh -c" lines without any syntax of a shell.
type shellSystem struct{ *fakeSystem }

func (s shellSystem) Run(ctx context.Context, c Command) (int, error) {
	if len(c.Args) == 3 && c.Args[0] == "sh" {
		c.Args = splitWords(c.Args[2])
	}
	return s.fakeSystem.Run(ctx, c)
}

func TestAwkCommands(t *testing.T) {
	for program, want := range map[string]string{
		`BEGIN{"echo hi"|getline x;print x}`:                                "hi\n",
		`BEGIN{print "b\na"|"sort";close("sort");print "done"}`:             "a\nb\ndone\n",
		`BEGIN{while(("seq 3"|getline n)>0)s+=n;print s}`:                   "6\n",
		`BEGIN{print system("false"), system("echo x")}`:                    "x\n1 0\n",
		`BEGIN{for(i=3;i>0;i--)print i|"sort -n"}`:                          "1\n2\n3\n",
		`BEGIN{"seq 9"|getline a;close("seq 9");"seq 9"|getline b;print b}`: "1\n",
	} {
		p, stdout, stderr := newProcess(t, t.TempDir(), []string{"awk", program})
		p.System = shellSystem{p.System.(*fakeSystem)}
		if status := awk(p); status != 0 || stdout.String() != want {
			t.Errorf("%s: status %d, %q, want %q (%s)", program, status, stdout, want, stderr)
		}
	}
}

func TestSedExecute(t *testing.T) {
	p, stdout, stderr := newProcess(t, t.TempDir(), []string{"sed", "1e echo hi"})
	p.System = shellSystem{p.System.(*fakeSystem)}
	p.Stdin = strings.NewReader("x\n")
	if status := sed(p); status != 0 || stdout.String() != "hi\nx\n" {
		t.Errorf("status %d, %q %s", status, stdout, stderr)
	}
}

// gate hands every write to the test.
type gate chan string

func (g gate) Write(b []byte) (int, error) {
	g <- string(b)
	return len(b), nil
}

func TestTailFollows(t *testing.T) {
	dir := t.TempDir()
	p, _, _ := newProcess(t, dir, []string{"tail", "-s", "0.01", "-f", "log"})
	if err := p.Files.WriteFile("log", []byte("one\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := make(gate)
	p.Context, p.Stdout = ctx, out
	done := make(chan int)
	go func() { done <- tail(p) }()
	if got := <-out; got != "one\n" {
		t.Errorf("first: %q", got)
	}
	f, err := p.Files.OpenFile("log", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "two\n")
	f.Close()
	if got := <-out; got != "two\n" {
		t.Errorf("appended: %q", got)
	}
	cancel()
	<-done
}

func TestCommandsEndWhenKilled(t *testing.T) {
	for _, args := range [][]string{{"yes"}, {"awk", "BEGIN{for(;;)i++}"}, {"sed", "-n", ":a;ba"}} {
		p, _, _ := newProcess(t, t.TempDir(), args)
		ctx, cancel := context.WithCancel(context.Background())
		p.Context, p.Stdout, p.Stdin = ctx, io.Discard, strings.NewReader("x\n")
		done := make(chan int)
		go func() { done <- Lookup(args[0])(p) }()
		cancel()
		<-done
	}
}

func TestLongLines(t *testing.T) {
	line := bytes.Repeat([]byte("x\xff"), 1<<19)
	for _, args := range [][]string{{"cat"}, {"sed", ""}, {"grep", ""}, {"awk", "1"}, {"sort"}, {"head"}, {"tail"}, {"uniq"}, {"cut", "-b1-"}} {
		p, stdout, _ := newProcess(t, t.TempDir(), args)
		p.Stdin = bytes.NewReader(append(bytes.Clone(line), '\n'))
		if status := Lookup(args[0])(p); status != 0 || !bytes.Equal(stdout.Bytes(), append(bytes.Clone(line), '\n')) {
			t.Errorf("%v: status %d, %d bytes", args, status, stdout.Len())
		}
	}
}

func TestSplitAndDumps(t *testing.T) {
	tr := trial{setup: `seq 1 25 > s; head -c 70 /dev/zero > z`, stdin: "abc\ndef\n"}
	tr.check(t, "split -l 10 s", "split -b 20 s p.", "split -d -l 9 s", "split -a 3 -l 20 - y", "split -l x s", "hexdump -C s", "hexdump -C z", "hexdump -C", "xxd s", "xxd -p s", "xxd")
}
