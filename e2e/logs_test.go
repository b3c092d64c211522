package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestLogs compares what docker logs gives back with what was written, byte by byte.
func TestLogs(t *testing.T) {
	s := runningServer(t)
	logs := func(args ...string) outcome {
		return outcomeOf(t, s.docker(t, append([]string{"logs"}, args...)...))
	}

	// a line of a mebibyte, without its end, and lines around it
	s.ok(t, "run", "--name", "long", "sockerless/base", "sh", "-c", "echo first; head -c 1048576 /dev/zero | tr '\\0' x; echo; head -c 100000 /dev/zero | tr '\\0' y")
	long := "first\n" + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat("y", 100000)
	same(t, "long lines", []byte(logs("long").stdout), []byte(long))
	// as with dockerd's json-file, --tail counts the parts of 16 KiB that a long line is kept in
	same(t, "the last part", []byte(logs("--tail", "1", "long").stdout), []byte(strings.Repeat("y", 100000%16384)))

	// every byte, on both streams
	binary := noise(300_000)
	cat := s.docker(t, "run", "-i", "--name", "binary", "sockerless/base", "sh", "-c", "tee /dev/stderr")
	cat.Stdin = bytes.NewReader(binary)
	o := outcomeOf(t, cat)
	same(t, "attached stdout", []byte(o.stdout), binary)
	same(t, "attached stderr", []byte(o.stderr), binary)
	o = logs("binary")
	same(t, "stdout of the log", []byte(o.stdout), binary)
	same(t, "stderr of the log", []byte(o.stderr), binary)

	// parts of lines stay together, though they were written apart and beside another stream
	s.ok(t, "run", "--name", "parts", "sockerless/base", "sh", "-c", "printf a; printf b; printf x >&2; printf 'c\\n'; printf 'y\\n' >&2; printf end")
	if o := logs("parts"); o.stdout != "abc\nend" || o.stderr != "xy\n" {
		t.Errorf("parts of lines: %+v", o)
	}

	// each line's own time is where --since begins and --until ends
	s.ok(t, "run", "--name", "timed", "sockerless/base", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.01; done")
	var times []string
	for line := range strings.Lines(logs("-t", "timed").stdout) {
		stamp, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		times = append(times, stamp)
		if want := fmt.Sprintf("line %d", len(times)); text != want {
			t.Errorf("line %q, want %q", text, want)
		}
	}
	if len(times) != 5 {
		t.Fatalf("%d times", len(times))
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--since", times[2]}, "line 3\nline 4\nline 5\n"},
		{[]string{"--until", times[2]}, "line 1\nline 2\nline 3\n"},
		{[]string{"--since", times[1], "--until", times[3]}, "line 2\nline 3\nline 4\n"},
		{[]string{"--since", times[1], "--tail", "1"}, "line 5\n"},
		{[]string{"--until", times[3], "--tail", "2"}, "line 4\n"}, // the tail is taken first, as dockerd does
		{[]string{"-f", "--since", times[4]}, "line 5\n"},
		{[]string{"-f", "--until", times[0]}, "line 1\n"},
	} {
		if got := logs(append(c.args, "timed")...); got.stdout != c.want {
			t.Errorf("docker logs %v: %q, want %q", c.args, got.stdout, c.want)
		}
	}

	s.ok(t, "run", "--name", "plain", "sockerless/base", "echo", "text")
	if got := logs("--details", "plain").stdout; got != " text\n" { // no attributes
		t.Errorf("docker logs --details: %q", got)
	}
}
