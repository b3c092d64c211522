package shell

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// A session is an interactive shell on a terminal.
type session struct {
	t    *testing.T
	tty  *kernel.TTY
	mu   sync.Mutex
	news chan struct{}
	seen strings.Builder
	at   int
	done chan kernel.WaitStatus
}

func startSession(t *testing.T, shell string) *session {
	t.Helper()
	tree := newTree(t)
	t.Cleanup(func() { _ = tree.Close() })
	table := kernel.NewTable(kernel.TableConfig{Tree: tree, Hostname: "box", Exec: resolve})
	s := &session{t: t, news: make(chan struct{}, 1), done: make(chan kernel.WaitStatus, 1)}
	s.tty = kernel.NewTTY(func(_ context.Context, b []byte) (int, error) {
		s.mu.Lock()
		s.seen.Write(b)
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
		return len(b), nil
	})
	f := s.tty.Open()
	defer f.Close()
	view := tree.View(rootfs.Cred{})
	if err := view.Chdir("/tmp/work"); err != nil {
		t.Fatal(err)
	}
	p, err := table.Start(kernel.StartOptions{
		Path: "/bin/" + shell, Args: []string{shell}, Files: view, Stdin: f, Stdout: f, Stderr: f, Terminal: s.tty,
		Env:   []string{"PATH=/bin", "HOME=/root", "PS1=P> ", "PS2=more> "},
		Ended: func(status kernel.WaitStatus) { s.done <- status },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Signal(kernel.SIGKILL) })
	return s
}

func (s *session) send(keys string) {
	s.t.Helper()
	if _, err := s.tty.Master().Write([]byte(keys)); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the terminal shows text, after what was expected before.
func (s *session) expect(text string) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		rest := s.seen.String()[s.at:]
		i := strings.Index(rest, text)
		if i >= 0 {
			s.at += i + len(text)
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-s.news:
		case <-deadline:
			s.t.Fatalf("no %q in %q", text, rest)
		}
	}
}

func TestInteractive(t *testing.T) {
	for _, shell := range []string{"bash", "sh"} {
		t.Run(shell, func(t *testing.T) {
			s := startSession(t, shell)
			s.expect("P> ")
			s.send("echo a$((1+1))b\r")
			s.expect("\r\na2b\r\nP> ")
			s.send("if true\r")
			s.expect("more> ")
			s.send("then echo in; fi\r")
			s.expect("\r\nin\r\nP> ")
			s.send("false\x03")
			s.expect("^C\r\nP> ")
			s.send("echo $?\r")
			s.expect("\r\n130\r\nP> ")
			s.send("sh -c 'echo started; exec sleep 100'\r")
			s.expect("\r\nstarted\r\n")
			s.send("\x03")
			s.expect("P> ")
			s.send("echo $?\r")
			s.expect("\r\n130\r\nP> ")
			s.send(")\r")
			s.expect("yntax error")
			s.expect("P> ")
			s.send("cho left\x01e\r")
			s.expect("\r\nleft\r\nP> ")
			s.send("\x1b[A\r")
			s.expect("\r\nleft\r\nP> ")
			s.send("echo junk\x15echo clean\r")
			s.expect("\r\nclean\r\nP> ")
			s.send("touch completeme\r")
			s.expect("P> ")
			s.send("echo compl\t\r")
			s.expect("\r\ncompleteme\r\nP> ")
			s.send("sh -c 'echo started; exec sleep 50'\r")
			s.expect("\r\nstarted\r\n")
			s.send("\x1a")
			s.expect("Stopped")
			s.expect("P> ")
			s.send("jobs\r")
			s.expect("Stopped")
			s.expect("P> ")
			s.send("bg >/dev/null; jobs\r")
			s.expect("Running")
			s.expect("P> ")
			s.send("kill %1; wait; echo gone\r")
			s.expect("gone\r\n")
			s.expect("P> ")
			s.send("exit 3\r")
			if status := <-s.done; status.Code() != 3 {
				t.Errorf("exit 3 gave %d", status.Code())
			}
		})
	}
}

func TestInteractiveEnd(t *testing.T) {
	s := startSession(t, "bash")
	s.expect("P> ")
	s.send("true\r")
	s.expect("P> ")
	s.send("\x04")
	if status := <-s.done; status.Code() != 0 {
		t.Errorf("^D gave %d", status.Code())
	}
}

// TestEditor goes through what the editor does with keys: history, its search and its expansion, completion by
// specifications, and bindings.
func TestEditor(t *testing.T) {
	s := startSession(t, "bash")
	type step struct{ keys, want string }
	for _, step := range []step{
		{"", "P> "},
		{"echo one two\r", "\r\none two\r\nP> "},
		{"echo !$ !!:1\r", "\r\necho two one\r\ntwo one\r\nP> "},
		{"!nosuch\r", "!nosuch: event not found\r\n"},
		{"^one^1^\r", "\r\necho two 1\r\ntwo 1\r\nP> "},
		{"\x12one two\r", "\r\none two\r\nP> "},
		{"echo last \x1b.\r", "\r\nlast two\r\nP> "},
		{"history | while read n l; do echo \"<$l>\"; done\r", "<echo last two>\r\n"},
		{"complete -W 'alpha beta gamma' greek\r", "P> "},
		{"greek be\t\x01echo \r", "\r\ngreek beta\r\nP> "},
		{"_f() { COMPREPLY=(\"$COMP_CWORD-$1-$2-$3\"); compopt -o nospace; }; complete -F _f cmd\r", "P> "},
		{"cmd x y\t.\x01echo \r", "\r\ncmd x 2-cmd-y-x.\r\nP> "},
		{"_l() { complete -W loaded \"$1\"; return 124; }; complete -D -F _l\r", "P> "},
		{"unknown lo\t\x01echo \r", "\r\nunknown loaded\r\nP> "},
		{"complete -W 'sub-a sub-b' -P p: -X '*-a' two; bind '\"\\C-xs\": \"echo macro\"'\r", "P> "},
		{"true; two p\t\x01echo \r", "\r\nP> "},
		{"\x18s\r", "\r\nmacro\r\nP> "},
		{"bind -x '\"\\C-xf\": READLINE_LINE=\"echo from $READLINE_LINE\"; READLINE_POINT=0'\r", "P> "},
		{"here\x18f\r", "\r\nfrom here\r\nP> "},
		{"echo abc def\x1bb\x1bu\x05 x\x14\r", "\r\nabc DEFx\r\nP> "},
		{"echo a b\x17c\x19\r", "\r\na cb\r\nP> "},
		{"bind '\"\\e[A\": history-search-backward'\r", "P> "},
		{"echo l\x1b[A\x05 again\r", "\r\nlast two again\r\nP> "},
		{"\x1b[200~echo pasted\x1b[201~\r", "\r\npasted\r\nP> "},
		{"fc -s pasted=replaced\r", "\r\nreplaced\r\nP> "},
		{"exit\r", "exit"},
	} {
		s.send(step.keys)
		s.expect(step.want)
	}
	<-s.done
}
