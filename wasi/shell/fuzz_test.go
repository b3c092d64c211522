package shell

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// FuzzScript runs any text as a script: nothing panics, and a kill ends whatever it does.
func FuzzScript(f *testing.F) {
	for _, name := range []string{"bash.txt", "posix.txt", "errors.txt"} {
		for i, s := range scripts(f, name) {
			if i%8 == 0 {
				f.Add(s)
			}
		}
	}
	for _, s := range []string{
		"while :; do :; done", "f() { f; }; f", "f() { f | f; }; f", ":(){ :|:& };:", "x=x; while :; do x=$x$x; done", "echo {1..999999999}",
		"a[9999999999999]=1; echo ${!a[@]}", "read x; cat; wait", "((x=x+x)); x=x; echo $((x))", "printf '%999999999d' 1", "trap 'kill $$' EXIT; exit",
		"sleep 1000 & wait", "[[ aaaaaaaaaaaaaaaaaaaaaaaaaaaaab == *(a|aa)*(a)*(aa)c ]]", "until false; do break 0; done", "exec 3<&3; exec <&-; cat", "eval 'eval $BASH_COMMAND'",
		"declare -n a=b b=a; echo $a", "select x in; do :; done", "echo ${x:1:-5} ${@:-9}", "case x in *(*|*(x)*)) ;; esac", "()$()", "A=&0000000000\xd200", "echo a &&\n)\n", "coproc cat; read x <&${COPROC[0]}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		tree := newTree(t)
		defer tree.Close()
		table := kernel.NewTable(kernel.TableConfig{Tree: tree, Hostname: "box", Exec: resolve, Limits: kernel.Limits{Processes: 40}, Grace: time.Minute})
		null := kernel.NewFile(&textStream{})
		defer null.Close()
		var errs collector
		stderr := kernel.NewFile(&errs)
		defer stderr.Close()
		done := make(chan kernel.WaitStatus, 1)
		p, err := table.Start(kernel.StartOptions{
			Path: "/bin/bash", Args: []string{"bash", "-O", "extglob", "-c", script}, Files: tree.View(rootfs.Cred{}), Stdin: null, Stdout: null, Stderr: stderr,
			Env: []string{"PATH=/bin"}, Ended: func(s kernel.WaitStatus) { done <- s },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		select {
		case <-done:
		case <-ctx.Done():
			_ = p.Signal(kernel.SIGKILL)
			select {
			case <-done:
			case <-time.After(15 * time.Second):
				t.Fatalf("a kill does not end %q", script)
			}
		}
		if panicked(errs.String()) {
			t.Fatalf("%q: %s", script, errs.String())
		}
	})
}

// panicked says whether a process ended by a panic, which the kernel reports on standard error.
func panicked(text string) bool {
	const mark = "goroutine "
	for i := 0; i+len(mark) <= len(text); i++ {
		if text[i:i+len(mark)] == mark {
			return true
		}
	}
	return false
}

// TestMain keeps the environment of the tests out of the oracles.
func TestMain(m *testing.M) {
	os.Unsetenv("BASH_ENV")
	os.Unsetenv("ENV")
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) { // by nohup or a shell without job control: the real shells would inherit that
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	os.Exit(m.Run())
}
