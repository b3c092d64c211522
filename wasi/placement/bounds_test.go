package placement

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
)

// TestBounds: what is too much is left to the sandbox, uncertain, and what was seen before it counts.
func TestBounds(t *testing.T) {
	files := image{}
	for i := range 100 {
		files[fmt.Sprintf("/app/chain%d.sh", i)] = fmt.Sprintf("sh /app/chain%d.sh\n", i+1)
		files[fmt.Sprintf("/app/many%d.sh", i)] = "ls\n"
	}
	files["/app/many.sh"] = strings.Repeat("echo\n", 10)
	files["/app/chain100.sh"] = "node x\n"
	files["/app/big.sh"] = strings.Repeat("echo a line of some length\n", 60000)
	files["/app/self.sh"] = "sh /app/self.sh; sh /app/self.sh; . /app/self.sh; node x\n"
	files["/app/null -> /dev/null"] = ""
	v := debian(files).view(t)
	doubling := "f0() { ls; }\n"
	for i := range 40 {
		doubling += fmt.Sprintf("f%d() { f%d; f%d; }\n", i+1, i, i)
	}
	for name, c := range map[string]struct{ script, want string }{
		"depth":              {"sh chain0.sh", "sandbox?"},
		"within depth":       {"sh chain90.sh", "native whole node"},
		"files":              {"for i in 1; do " + numbered("sh many%d.sh", 70) + "; done", "sandbox?"},
		"a file too big":     {"sh big.sh", "sandbox?"},
		"bytes":              {"true " + strings.Repeat("x", 1<<20), "sandbox?"},
		"commands":           {doubling + "f40", "sandbox?"},
		"recursion":          {"f() { f; g; }; g() { f; node x; }; f", "native whole node"},
		"a script by itself": {"sh self.sh", "native whole node"},
		"native, then much":  {"node x\n" + doubling + "f40", "native whole node"},
		"brackets":           {"((" + strings.Repeat("(", 1<<18), "sandbox?"},
		"subscripts":         {strings.Repeat("a[", 1<<17), "sandbox?"},
		"substitutions":      {strings.Repeat("$(", 1<<17), "sandbox?"},
		"ternaries":          {"((" + strings.Repeat("1?", 1<<17), "sandbox?"},
		"blocks":             {strings.Repeat("{ ", 1<<17), "sandbox?"},
		"balanced brackets":  {strings.Repeat("$(", 400) + "node" + strings.Repeat(")", 400), "sandbox?"},
		"long pipeline":      {"ls" + strings.Repeat("|cat", 5000), "sandbox?"},
		"long list":          {"ls" + strings.Repeat("&&ls", 100), "sandbox"},
		"eval in eval":       {nest("eval", 4), "native whole node"},
	} {
		if p := analyze(t, v, "sh", "-c", c.script); summary(p) != c.want {
			t.Errorf("%s: %s (%s), want %s", name, summary(p), p.Reason, c.want)
		}
	}
}

func numbered(format string, n int) string {
	all := make([]string, n)
	for i := range n {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, "; ")
}

func nest(word string, depth int) string {
	s := "node x"
	for range depth {
		s = word + " '" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func TestContextEnds(t *testing.T) {
	v := debian(nil).view(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := Analyze(ctx, v, usualEnv, "/app", []string{"sh", "-c", strings.Repeat("echo\n", 1000) + "node x"}, options())
	if summary(p) != "sandbox?" {
		t.Errorf("%s", summary(p))
	}
	if p := Analyze(ctx, v, usualEnv, "/app", []string{"node"}, options()); summary(p) != "native whole node" {
		t.Errorf("what is no script needs no time: %s", summary(p))
	}
}

func TestOddProcesses(t *testing.T) {
	v := debian(nil).view(t)
	for _, c := range []struct {
		args []string
		cwd  string
		want string
	}{
		{nil, "", "sandbox"},
		{[]string{""}, "", "sandbox"},
		{[]string{"sh", "-c", "node x"}, "", "native whole node"},
		{[]string{"sh", "-c", "node x"}, "/missing", "sandbox?"},
		{[]string{"\x00"}, "", "sandbox"},
	} {
		if p := Analyze(context.Background(), v, usualEnv, c.cwd, c.args, options()); summary(p) != c.want {
			t.Errorf("%q in %q: %s, want %s", c.args, c.cwd, summary(p), c.want)
		}
	}
	// Who may not execute or read a file, cannot run it; the interpreter's script is read all the same.
	files := debian(image{"/app/s.sh": "node x\n"}).view(t)
	if err := files.Chmod("/usr/bin/node", 0o700); err != nil {
		t.Fatal(err)
	}
	user := files.Tree().View(rootfs.Cred{UID: 1000, GID: 1000})
	if p := Analyze(context.Background(), user, usualEnv, "/app", []string{"sh", "s.sh"}, options()); summary(p) != "sandbox" {
		t.Errorf("as a user who may not run node: %s", summary(p))
	}
	if cwd := v.Getwd(); cwd != "/" {
		t.Errorf("the view's working directory was changed to %s", cwd)
	}
}

// TestReuse: one analyzer for many processes at once.
func TestReuse(t *testing.T) {
	v := debian(nil).view(t)
	an := New(options())
	done := make(chan string)
	for i := range 8 {
		go func() {
			result := ""
			for range 50 {
				script, want := "ls; node x", "native whole node"
				if i%2 == 0 {
					script, want = "if then", "sandbox?"
				}
				if got := summary(an.Analyze(context.Background(), v, usualEnv, "/app", []string{"sh", "-c", script})); got != want {
					result = got
				}
			}
			done <- result
		}()
	}
	for range 8 {
		if wrong := <-done; wrong != "" {
			t.Error(wrong)
		}
	}
}

func FuzzAnalyze(f *testing.F) {
	for _, s := range []string{"echo hi", "f() { node \"$@\"; }; f x | sh", "case $1 in a*) set -- b;; esac; exec \"$@\"", "eval $'a\\x41\\u00e9\\777'", "bash <<-E\n$X\nE",
		"for i in {1..3}; do ((i++)); done", "${a[1]}${!b}${c:1:2}${d/e/f}${#g}${h@Q}", "[[ a =~ b && ! -f c ]] || exit", "trap 'x' 0; (trap - 0)",
		"env -S 'a b' c; xargs -I; find -exec; su -c; timeout; flock -c", "alias a='a b'; a", "x=(1 2); x[1]+=3; declare -A y=([a]=b)", "time ! coproc a { :; }",
		"cd; cd -; cd ..; pushd x; popd; . x; . ~; source /app/s.sh", "shift 99999999999999999999; shift -1; set -o; set - a; exit 99999999999", "`\\``", "\xff\xfe$'\\U7fffffff'"} {
		f.Add(s)
	}
	v := debian(image{"/app/s.sh*": "#!/bin/sh\n. ./s.sh\n\"$@\"\nnode\n"}).view(f)
	an := New(Options{Finder: options().Finder, MaxBytes: 1 << 16})
	f.Fuzz(func(t *testing.T, script string) {
		for _, args := range [][]string{{"sh", "-c", script, "a", "b"}, {"bash", "-c", script}, append([]string{"env"}, strings.Fields(script)...)} {
			p := an.Analyze(context.Background(), v, usualEnv, "/app", args)
			switch {
			case strings.Contains(p.Reason, "could not be found out"):
				t.Errorf("%q: %s", script, p.Reason)
			case p.Whole && !p.Native, p.Native != (len(p.Programs) > 0), p.NativeCommands > p.Commands, p.Reason == "", p.Commands > 2*maxCommands:
				t.Errorf("%q: %+v", script, p)
			}
		}
	})
}

func BenchmarkAnalyze(b *testing.B) {
	v := debian(image{"/app/build.sh": "#!/bin/sh\n" + strings.Repeat("set -e\nif [ -f x ]; then\n  echo \"$HOME\" | sed 's/a/b/' > \"$OUT\"\nfi\nmake all\n", 50)}).view(b)
	an := New(options())
	for _, c := range []struct {
		name string
		args []string
	}{
		{"builtin", []string{"ls", "-l"}},
		{"native", []string{"node", "x"}},
		{"echo", []string{"sh", "-c", "echo hi"}},
		{"pipeline", []string{"sh", "-c", "ls -l /tmp | grep x && echo found"}},
		{"native command", []string{"sh", "-c", "npm ci && npm test"}},
		{"250 lines", []string{"sh", "/app/build.sh"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				an.Analyze(context.Background(), v, usualEnv, "/app", c.args)
			}
		})
	}
}
