package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a docker command on a pseudo terminal of its own, as a person has it.
type terminal struct {
	t    *testing.T
	file *os.File
	cmd  *exec.Cmd

	mu   sync.Mutex
	seen bytes.Buffer // all that came
	more *sync.Cond   // broadcast when seen grows or the end is reached
	end  bool
	read int // of seen, what expect went past
}

// open starts a docker command on a terminal of 24 lines of 80 columns.
func (s *server) open(t *testing.T, args ...string) *terminal {
	t.Helper()
	x := &terminal{t: t, cmd: s.docker(t, args...)}
	x.more = sync.NewCond(&x.mu)
	file, err := pty.StartWithSize(x.cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	x.file = file
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for b := make([]byte, 4096); ; {
			n, err := file.Read(b)
			x.mu.Lock()
			x.seen.Write(b[:n])
			x.end = err != nil
			x.more.Broadcast()
			x.mu.Unlock()
			if err != nil { // EIO once the command has ended
				return
			}
		}
	}()
	giveUp := time.AfterFunc(safety, func() { _ = x.cmd.Process.Kill() })
	t.Cleanup(func() {
		giveUp.Stop()
		if x.cmd.ProcessState == nil {
			_ = x.cmd.Process.Kill()
			_ = x.cmd.Wait()
		}
		_ = file.Close()
		<-reading
	})
	return x
}

func (x *terminal) send(keys string) {
	x.t.Helper()
	if _, err := x.file.WriteString(keys); err != nil {
		x.t.Fatalf("type %q: %v", keys, err)
	}
}

// expect waits until the text has come after what was expected before, and returns what came before it.
func (x *terminal) expect(text string) string {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		rest := x.seen.Bytes()[x.read:]
		if i := bytes.Index(rest, []byte(text)); i >= 0 {
			x.read += i + len(text)
			return string(rest[:i])
		}
		if x.end {
			x.t.Fatalf("the terminal ended without %q: %q", text, rest)
		}
		x.more.Wait()
	}
}

// run types a line and expects the text.
func (x *terminal) run(line, text string) string {
	x.t.Helper()
	x.send(line + "\r")
	return x.expect(text)
}

// ends waits for the command to end with that status.
func (x *terminal) ends(code int) {
	x.t.Helper()
	x.mu.Lock()
	for !x.end {
		x.more.Wait()
	}
	rest := string(x.seen.Bytes()[x.read:])
	x.mu.Unlock()
	_ = x.cmd.Wait() // the status is looked at
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		x.t.Errorf("%s ended with %d, want %d: %q", strings.Join(x.cmd.Args, " "), got, code, rest)
	}
}

const (
	backspace, tab             = "\x7f", "\t"
	left, up                   = "\x1b[D", "\x1b[A"
	ctrlA, ctrlC, ctrlD, ctrlE = "\x01", "\x03", "\x04", "\x05"
	ctrlP, ctrlQ, ctrlU, ctrlW = "\x10", "\x11", "\x15", "\x17"
	ctrlK, ctrlZ               = "\x0b", "\x1a"
)

// TestTerminalLine edits lines of the shell, and ends it.
func TestTerminalLine(t *testing.T) {
	s := runningServer(t)
	for _, shell := range []string{"sh", "bash"} {
		t.Run(shell, func(t *testing.T) {
			x := s.open(t, "run", "-it", "--rm", "-e", "PS1=prompt> ", "sockerless/base", shell)
			x.expect("prompt> ")
			if echo := x.run("echo one-$((1+1))", "one-2\r\n"); !strings.Contains(echo, "echo one-$((1+1))") || strings.Count(echo, "echo") != 1 {
				t.Errorf("what was typed is echoed as %q", echo)
			}
			x.expect("prompt> ")
			for _, line := range []struct{ keys, want string }{
				{"echo [worng" + strings.Repeat(backspace, 4) + "rong]", "[wrong]\r\n"},
				{"echo [ac]" + left + left + "b", "[abc]\r\n"},
				{"[home]" + ctrlA + "echo " + ctrlE + "!", "[home]!\r\n"},
				{"rubbish that is not run" + ctrlU + "echo [killed]", "[killed]\r\n"},
				{"echo [word] wrong" + ctrlW + "[right]", "[word] [right]\r\n"},
				{"echo [kept] and not this" + strings.Repeat(left, 13) + ctrlK, "[kept]\r\n"},
				{"echo [unicode ä" + backspace + "ü]", "[unicode ü]\r\n"},
				{"echo [interrupted" + ctrlC + "echo [fresh]", "\n[fresh]\r\n"},
				{"echo '[two\rlines]'", "\n[two\r\nlines]\r\n"},
				{"echo [again]", "\n[again]\r\n"},
				{up, "\n[again]\r\n"},
			} {
				x.run(line.keys, line.want)
				x.expect("prompt> ")
			}
			x.run("(exit 7)", "prompt> ")
			x.send(ctrlD)
			x.ends(7)
		})
	}
}

// TestTerminalSignals interrupts programs by keys: the shell goes on.
func TestTerminalSignals(t *testing.T) {
	s := runningServer(t)
	x := s.open(t, "run", "-it", "--name", "c", "-e", "PS1=prompt> ", "sockerless/base", "bash")
	x.expect("prompt> ")
	x.send("echo start; sleep 1000\r")
	x.expect("start\r\n")
	waitForProcess(t, s, "c", "sleep 1000")
	x.send(ctrlC)
	x.expect("^C")
	x.expect("prompt> ")
	x.run("echo status $?", "\nstatus 130\r\n")
	x.send("trap 'echo caught' INT; echo start; read line\r")
	x.expect("\nstart\r\n")
	x.run("still read", "prompt> ")
	x.run("trap - INT; echo \"[$line]\"", "\n[still read]\r\n")

	// job control
	x.expect("prompt> ")
	x.send("sleep 2000\r")
	waitForProcess(t, s, "c", "sleep 2000")
	x.send(ctrlZ)
	x.expect("Stopped")
	x.expect("prompt> ")
	x.run("jobs", "Stopped")
	x.expect("prompt> ")
	x.run("bg", "[1]+ sleep 2000 &")
	x.expect("prompt> ")
	x.run("jobs", "Running")
	x.expect("prompt> ")
	x.run("fg", "\nsleep 2000\r\n")
	x.send(ctrlC)
	x.expect("prompt> ")
	x.run("echo status $?; jobs; echo none left", "\nstatus 130\r\nnone left\r\n")
	x.expect("prompt> ")
	x.run("cat", "\r\n")
	x.run("through cat", "through cat\r\nthrough cat\r\n")
	x.send(ctrlD)
	x.expect("prompt> ")
	x.send("exit 3\r")
	x.ends(3)
}

// waitForProcess returns once the container runs the command.
func waitForProcess(t *testing.T, s *server, container, command string) {
	t.Helper()
	for !strings.Contains(s.ok(t, "top", container), command) {
		if t.Context().Err() != nil {
			t.Fatal("given up")
		}
	}
}

// TestTerminalSize looks at the columns of ls, which takes the terminal's width, and changes it.
func TestTerminalSize(t *testing.T) {
	s := runningServer(t)
	x := s.open(t, "run", "-it", "--rm", "-w", "/tmp", "-e", "PS1=prompt> ", "sockerless/base", "bash")
	x.expect("prompt> ")
	x.run("for i in {0..9}; do echo >file-name-$i; done", "prompt> ")
	x.run("ls -x", "\nfile-name-0  file-name-1  file-name-2  file-name-3  file-name-4  file-name-5\r\nfile-name-6")
	x.expect("prompt> ")
	// The docker CLI may tell the first size as late as now, which is a signal too: it is the second size that is waited for.
	x.run("trap 'winch=1' WINCH; resized() { [ \"$winch\" ] && [ \"$(stty size)\" = '33 111' ]; }", "prompt> ")
	x.send("echo s''et; until resized; do :; done; ls -x\r")
	x.expect("set\r\n")
	if err := pty.Setsize(x.file, &pty.Winsize{Rows: 33, Cols: 111}); err != nil {
		t.Fatal(err)
	}
	x.expect("file-name-7\r\nfile-name-8  file-name-9\r\n")
	x.expect("prompt> ")
	x.send("exit\r")
	x.ends(0)
}

// TestDetachAndReattach leaves a shell by its keys, and comes back to it.
func TestDetachAndReattach(t *testing.T) {
	s := runningServer(t)
	x := s.open(t, "run", "-it", "--name", "c", "-e", "PS1=prompt> ", "sockerless/base", "bash")
	x.expect("prompt> ")
	x.run("kept=value", "prompt> ")
	x.send(ctrlP + ctrlQ)
	x.ends(0)
	if got := s.ok(t, "inspect", "-f", "{{.State.Status}}", "c"); got != "running" {
		t.Fatalf("the container is %s", got)
	}
	y := s.open(t, "attach", "c")
	y.send("echo [$kept]\r")
	y.expect("\n[value]\r\n")
	y.expect("prompt> ")
	z := s.open(t, "exec", "-it", "-e", "PS1=second> ", "c", "sh")
	z.expect("second> ")
	z.run("tty", "/dev/pts/1\r\n")
	z.expect("second> ")
	z.send(ctrlP + ctrlQ)
	z.ends(1) // so does the docker CLI with dockerd
	w := s.open(t, "exec", "-it", "--detach-keys", "ctrl-x,x", "-e", "PS1=third> ", "c", "sh")
	w.expect("third> ")
	w.run("exit 9", "\r\n")
	w.ends(9)
	y.send("exit 5\r")
	y.ends(5)
	s.fails(t, 1, []string{"cannot attach to a stopped container, start it first"}, "attach", "c")
	u := s.open(t, "start", "-ai", "c")
	u.expect("prompt> ")
	u.send(ctrlD)
	u.ends(0)
}

func TestTabCompletion(t *testing.T) {
	s := runningServer(t)
	x := s.open(t, "run", "-it", "--rm", "-w", "/tmp", "-e", "PS1=prompt> ", "sockerless/base", "bash")
	x.expect("prompt> ")
	x.run("mkdir unique-folder; echo inside >unique-folder/unique-file", "prompt> ")
	x.run("cat uniq"+tab+"uniq"+tab, "\ninside\r\n")
	x.expect("prompt> ")
	x.run("basena"+tab+"/a/b", "\nb\r\n")
	x.expect("prompt> ")
	x.send("exit\r")
	x.ends(0)
}
