//go:build linux

package inside_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

func TestExitCodesOfTheFirstProcess(t *testing.T) {
	c := makeContainer(t, layout{})
	for script, want := range map[string]int32{
		"echo out; echo err >&2; exit 42": 42, "kill -TERM $$": 143, "kill -KILL $$": 137, ":": 0,
	} {
		reply := c.start(sh(script))
		r := c.drain(c.attach(&agentpb.AttachOpen{Offset: reply.GetOffset()}))
		if r.GetCode() != want {
			t.Errorf("%s: exit %d, want %d", script, r.GetCode(), want)
		}
		if want == 42 && (r.stdout != "out\n" || r.stderr != "err\n") {
			t.Errorf("printed %q, %q", r.stdout, r.stderr)
		}
	}
}

func TestCommandsThatCannotStart(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	c.sh(`echo text >/tmp/plain; chmod 755 /tmp/plain; echo '#!/nosuch' >/tmp/script; chmod 755 /tmp/script; echo >/tmp/data
		mkdir -m 700 /private; cp /bin/true /private/hidden`)
	for _, p := range []struct {
		process *agentpb.Process
		code    int
		message string
	}{
		{&agentpb.Process{Args: []string{"nosuch"}}, 127, `exec: "nosuch": executable file not found in $PATH`},
		{&agentpb.Process{Args: []string{"/no/such"}}, 127, `exec: "/no/such": stat /no/such: no such file or directory`},
		{&agentpb.Process{Args: []string{"/tmp"}}, 126, `exec: "/tmp": is a directory`},
		{&agentpb.Process{Args: []string{"/tmp/data"}}, 126, `exec: "/tmp/data": permission denied`},
		{&agentpb.Process{Args: []string{"./data"}, Cwd: "/tmp"}, 126, `exec: "./data": permission denied`},
		{&agentpb.Process{Args: []string{"/tmp/data/x"}}, 126, `exec: "/tmp/data/x": stat /tmp/data/x: not a directory`},
		{&agentpb.Process{Args: []string{"/tmp/plain"}}, 126, `exec /tmp/plain: exec format error`},
		{&agentpb.Process{Args: []string{"/tmp/script"}}, 127, `exec /tmp/script: no such file or directory`},
		{&agentpb.Process{Args: []string{"true"}, Cwd: "/nosuch"}, 126, `chdir to cwd ("/nosuch") set in config.json failed: no such file or directory`},
		{&agentpb.Process{Args: []string{"true"}, Cwd: "tmp"}, 126, `Cwd must be an absolute path: "tmp"`},
		{&agentpb.Process{Args: []string{"true"}, Cwd: "/private", User: "web"}, 126, `chdir to cwd ("/private") set in config.json failed: permission denied`},
		{&agentpb.Process{Args: []string{"hidden"}, Env: []string{"PATH=/private"}, User: "web"}, 126, `exec: "hidden": permission denied`},
		{&agentpb.Process{Args: []string{"true"}, User: "nobody"}, 126, `unable to find user nobody: no matching entries in passwd file`},
	} {
		_, err := c.tryAttach(&agentpb.AttachOpen{Process: p.process})
		var start *agent.StartError
		if !errors.As(err, &start) || start.Code != p.code || start.Message != p.message {
			t.Errorf("%v: %v, want %d %s", p.process.GetArgs(), err, p.code, p.message)
		}
	}
}

func TestUsersGroupsAndHome(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	for user, want := range map[string]string{
		"": "0 0 0 /root\n", "web": "33 33 33 4 /var/www\n", "33:4": "33 4 4 /var/www\n", "1234:99": "1234 99 99 /\n",
	} {
		r := c.exec(&agentpb.Process{Args: []string{"sh", "-c", `echo $(id -u) $(id -g) $(id -G) $HOME`}, User: user})
		if r.stdout != want {
			t.Errorf("%q: %q, want %q, %s", user, r.stdout, want, r.stderr)
		}
	}
	r := c.exec(&agentpb.Process{Args: []string{"sh", "-c", `id -G; echo mine >/dev/stdout; umask; pwd`}, User: "1234:99", Groups: []string{"adm", "77"}, Cwd: "/tmp"})
	if r.stdout != "99 4 77\nmine\n0022\n/tmp\n" {
		t.Errorf("printed %q, %s", r.stdout, r.stderr)
	}
	r = c.exec(&agentpb.Process{Args: []string{"renamed", "-c", `umask; echo $0; grep SigIgn /proc/self/status`}, Path: "/bin/bash",
		Umask: 0o077 + 1, Ignored: []int32{int32(syscall.SIGINT), int32(syscall.SIGTERM)}})
	if r.stdout != "0077\nrenamed\nSigIgn:\t0000000000004002\n" {
		t.Errorf("printed %q, %s", r.stdout, r.stderr)
	}
	if got := c.sh("grep SigIgn /proc/self/status; umask"); got != "SigIgn:\t0000000000000000\n0022\n" {
		t.Errorf("what one process ignores, the next one does not: %q", got)
	}
}

func TestTheFirstWorkingDirectoryIsMade(t *testing.T) {
	c := makeContainer(t, layout{})
	c.start(&agentpb.Process{Args: []string{"sh", "-c", "pwd; stat -c '%a %u' ."}, Cwd: "/srv/app"})
	if r := c.output(); r.stdout != "/srv/app\n755 0\n" {
		t.Errorf("printed %q, %s", r.stdout, r.stderr)
	}
}

func TestSignals(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	run := func(script string, signal int) result {
		s := c.attach(&agentpb.AttachOpen{Process: sh(script)})
		c.until(s, "ready\n")
		if err := c.Signal(t.Context(), "c", fmt.Sprint("e", c.execs), signal); err != nil {
			t.Fatal(err)
		}
		return c.drain(s)
	}
	if r := run(`trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.01; done`, 10); r.stdout != "got\n" || r.GetCode() != 3 {
		t.Errorf("USR1: %q, exit %d", r.stdout, r.GetCode())
	}
	if r := run(`echo ready; exec sleep 1000`, 9); r.GetCode() != 137 {
		t.Errorf("KILL: exit %d", r.GetCode())
	}
	// To the group: a child of the process gets it too.
	if r := run(`trap : TERM; sh -c "echo ready; exec sleep 1000" & wait; wait; echo waited`, -15); r.stdout != "waited\n" || r.GetCode() != 0 {
		t.Errorf("-TERM: %q, exit %d", r.stdout, r.GetCode())
	}
	if err := c.Signal(t.Context(), "c", "", 99); !errdefs.IsInvalidArgument(err) {
		t.Errorf("signal 99: %v", err)
	}
}

// A signal that the platform sends to the first process of the namespace is meant for the container.
func TestSignalsOfThePlatformAreForwarded(t *testing.T) {
	c := makeContainer(t, layout{free: true})
	c.start(sh(`trap 'echo stopped; exit 5' TERM; echo ready; while :; do sleep 0.01; done`))
	s := c.attach(&agentpb.AttachOpen{})
	c.until(s, "ready\n")
	if err := c.agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := c.drain(s); r.stdout != "stopped\n" || r.GetCode() != 5 {
		t.Errorf("%q, exit %d", r.stdout, r.GetCode())
	}
	if err := c.agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-c.ended // nothing runs: the second one is for the agent
}

func TestTerminal(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	s := c.attach(&agentpb.AttachOpen{Stdin: true, Process: &agentpb.Process{
		Args: []string{"bash", "-c", `stty size; trap 'stty size' WINCH; echo ready; read line; echo "got $line"; tty; sleep 0.01; ps -o tty= -p $$`},
		Tty:  true, Stdin: true, Size: &agentpb.WindowSize{Rows: 24, Columns: 80}}})
	if got := c.until(s, "ready\r\n"); got != "24 80\r\nready\r\n" {
		t.Fatalf("printed %q", got)
	}
	if err := s.Resize(50, 132); err != nil {
		t.Fatal(err)
	}
	if err := s.Stdin([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	r := c.drain(s)
	if !strings.Contains(r.stdout, "50 132\r\n") || !strings.Contains(r.stdout, "got hello\r\n/dev/pts/") || r.GetCode() != 0 {
		t.Fatalf("printed %q, exit %d", r.stdout, r.GetCode())
	}
}

func TestStdinEndsAndBulkDataComesBack(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	const size = 64 << 20
	s := c.attach(&agentpb.AttachOpen{Stdin: true, Process: &agentpb.Process{Args: []string{"cat"}, Stdin: true}})
	sent := sha256.New()
	go func() {
		block := make([]byte, 1<<20)
		for i := range size >> 20 {
			for j := range block {
				block[j] = byte(i*31 + j*7 + j>>8)
			}
			sent.Write(block)
			_ = s.Stdin(block) // the reader sees what is missing
		}
		_ = s.CloseStdin()
	}()
	got, n := sha256.New(), 0
	for {
		m, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := m.GetExit(); e != nil {
			if e.GetCode() != 0 || e.GetStdinRead() != size {
				t.Errorf("exit %v", e)
			}
			break
		}
		got.Write(m.GetData().GetData())
		n += len(m.GetData().GetData())
	}
	if n != size || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		t.Errorf("%d bytes came back, or others", n)
	}
	// Without standard input it is empty.
	if r := c.exec(&agentpb.Process{Args: []string{"wc", "-c"}}); r.stdout != "0\n" {
		t.Errorf("printed %q", r.stdout)
	}
}

// What a process leaves of its input is known to the byte, whether the input has ended or not.
func TestCountsWhatWasReadOfStandardInput(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	for _, end := range []bool{true, false} {
		for script, want := range map[string]int64{
			"dd bs=10 count=1 status=none": 10, "cat >/dev/null": 4096, "true": 0, "exec 0<&-": 0,
		} {
			if !end && strings.HasPrefix(script, "cat") {
				continue
			}
			s := c.attach(&agentpb.AttachOpen{Stdin: true, CountStdin: true, Process: &agentpb.Process{Args: []string{"sh", "-c", "read go; " + script}, Stdin: true}})
			// An error means that the process has ended meanwhile: Recv has more.
			_, _ = s.Stdin([]byte("go\n")), s.Stdin(make([]byte, 4096))
			if end {
				_ = s.CloseStdin()
			}
			r := c.drain(s)
			if got := r.GetStdinRead() - 3; got != want && len(r.taken) == 2 {
				t.Errorf("%s, ended %v: read %d, want %d", script, end, got, want)
			}
			if len(r.taken) > 0 && r.taken[0] != 3 {
				t.Errorf("%s: taken %v", script, r.taken)
			}
		}
	}
	// More than a pipe holds: the writer waits, and is let go by the end.
	s := c.attach(&agentpb.AttachOpen{Stdin: true, CountStdin: true, Process: &agentpb.Process{Args: []string{"dd", "bs=10", "count=1"}, Stdin: true}})
	_ = s.Stdin(make([]byte, 1<<20))
	if r := c.drain(s); r.GetStdinRead() != 10 || len(r.stdout) != 10 {
		t.Errorf("read %d", r.GetStdinRead())
	}
}

func TestOrphansAreReapedAndKeepNobodysExit(t *testing.T) {
	for _, free := range []bool{false, true} {
		c := makeContainer(t, layout{free: free}).twin()
		streams := make([]*agent.Stream, 20)
		for i := range streams {
			// Double-forked children that end on their own, beside processes whose exit status is asked for.
			streams[i] = c.attach(&agentpb.AttachOpen{Process: sh(fmt.Sprintf(`for i in 1 2 3 4 5; do (true & exec true) & (exit 9 &) ; done; wait; exit %d`, i))})
		}
		for i, s := range streams {
			if r := c.drain(s); r.GetCode() != int32(i) {
				t.Errorf("free %v: exit %d, want %d", free, r.GetCode(), i)
			}
		}
		s := c.attach(&agentpb.AttachOpen{Process: sh(`( (echo orphan; exec sleep 1000) & ) ; echo parent`)})
		r := c.drain(s)
		if lines := strings.Fields(r.stdout); !slices.Contains(lines, "parent") || r.GetCode() != 0 {
			t.Errorf("printed %q", r.stdout)
		}
		for { // the last ones of the loop above may still be ending
			top, err := c.Top(t.Context(), "c", []string{"-eo", "pid,s,args"})
			if err != nil {
				t.Fatal(err)
			}
			rest := slices.DeleteFunc(top.GetProcesses(), func(r *agentpb.TopReply_Row) bool { return r.GetCells()[2] == "sleep 1000" })
			if len(rest) == 0 {
				break
			}
		}
	}
}

// The end of the first process is the end of all, whoever they are and whatever they hold open.
func TestTheEndOfTheFirstProcessKillsTheRest(t *testing.T) {
	for _, free := range []bool{false, true} {
		c := makeContainer(t, layout{free: free})
		c.start(&agentpb.Process{Args: []string{"sh", "-c", `trap "" TERM HUP INT; (setsid sleep 1000 &) ; sleep 1000 & echo ready; read line; echo bye; exit 7`}, Stdin: true})
		s := c.attach(&agentpb.AttachOpen{Stdin: true})
		c.until(s, "ready\n")
		other := c.attach(&agentpb.AttachOpen{Process: sh(`echo ready; trap "" TERM; while :; do sleep 1000; done`)})
		c.until(other, "ready\n")
		if err := s.Stdin([]byte("go\n")); err != nil {
			t.Fatal(err)
		}
		if r := c.drain(s); r.GetCode() != 7 || r.stdout != "bye\n" {
			t.Errorf("first process: %q, exit %d", r.stdout, r.GetCode())
		}
		if r := c.drain(other); r.GetCode() != 137 {
			t.Errorf("exec: exit %d", r.GetCode())
		}
		if _, err := c.tryAttach(&agentpb.AttachOpen{Process: sh("true")}); !errdefs.IsFailedPrecondition(err) {
			t.Errorf("exec in a container that has ended: %v", err)
		}
		c.start(sh("ls -d /proc/[0-9]*/exe | wc -l")) // and it can be started again
		if r := c.drain(c.attach(&agentpb.AttachOpen{Offset: 0})); r.GetCode() != 0 {
			t.Errorf("second run: exit %d", r.GetCode())
		}
	}
}

// A process that leaves others behind, which go on writing, ends at once with all that it wrote itself; the others live on.
func TestAnExecDoesNotWaitForWhatItLeavesBehind(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	r := c.exec(sh(`(while echo noise; do :; done & echo $! >/tmp/pid) ; seq 1 20000 | tail -n 1; echo done >&2; exit 4`))
	if !strings.Contains(r.stdout, "20000\n") || r.stderr != "done\n" || r.GetCode() != 4 {
		t.Errorf("exit %d, %q", r.GetCode(), r.stderr)
	}
	c.sh(`kill -0 $(cat /tmp/pid)`)
}

func TestClosedOutput(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	s := c.attach(&agentpb.AttachOpen{Process: &agentpb.Process{Args: []string{"yes"}}})
	c.until(s, "y\n")
	if err := s.CloseOutput(agent.Stdout); err != nil {
		t.Fatal(err)
	}
	if r := c.drain(s); r.GetCode() != 128+int32(syscall.SIGPIPE) {
		t.Errorf("exit %d", r.GetCode())
	}
}

// Files that the caller has open go on where they are, and one open file under two numbers has one offset.
func TestFilesForStandardStreams(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	c.write("/tmp/in", "0123456789")
	c.write("/tmp/out", "head\n")
	out := &agentpb.OpenFile{Descriptor_: 1, Path: "/tmp/out", Write: true, Offset: 5}
	errs := &agentpb.OpenFile{Descriptor_: 2, Path: "/tmp/out", Write: true, Offset: 5}
	r := c.exec(&agentpb.Process{Args: []string{"sh", "-c", `echo one; echo two >&2; dd bs=1 count=3 status=none; echo; cat /nosuch`},
		Files: []*agentpb.OpenFile{{Descriptor_: 0, Path: "/tmp/in", Read: true, Offset: 4}, out, errs}})
	want := "head\none\ntwo\n456\ncat: /nosuch: No such file or directory\n"
	if got, err := os.ReadFile(c.root + "/tmp/out"); string(got) != want {
		t.Errorf("file has %q, %v", got, err)
	}
	offsets := map[uint32]int64{}
	for _, f := range r.GetFiles() {
		offsets[f.GetDescriptor_()] = f.GetOffset()
	}
	if len(offsets) != 3 || offsets[0] != 7 || offsets[1] != int64(len(want)) || offsets[2] != int64(len(want)) || r.stdout+r.stderr != "" {
		t.Errorf("offsets %v, printed %q %q", offsets, r.stdout, r.stderr)
	}
	r = c.exec(&agentpb.Process{Args: []string{"sh", "-c", "echo more; echo bad >&2"}, Files: []*agentpb.OpenFile{
		{Descriptor_: 1, Path: "/tmp/out", Write: true, Append: true}}})
	if got, _ := os.ReadFile(c.root + "/tmp/out"); string(got) != want+"more\n" || r.stderr != "bad\n" || r.GetFiles()[0].GetOffset() != int64(len(want)+5) {
		t.Errorf("appended %q, %v", got, r.GetFiles())
	}
	// A descriptor without a path is standard output once more.
	r = c.exec(&agentpb.Process{Args: []string{"sh", "-c", "echo a; echo b >&2; echo c"}, Files: []*agentpb.OpenFile{{Descriptor_: 2}}})
	if r.stdout != "a\nb\nc\n" || r.stderr != "" {
		t.Errorf("printed %q, %q", r.stdout, r.stderr)
	}
	r = c.exec(&agentpb.Process{Args: []string{"sh", "-c", "for fd in 0 1 2; do [ -e /proc/self/fd/$fd ] || closed=\"$closed $fd\"; done; echo $closed >&2"}, Files: []*agentpb.OpenFile{
		{Descriptor_: 0, Closed: true}, {Descriptor_: 1, Closed: true}}})
	if r.stderr != "0 1\n" {
		t.Errorf("closed are %q", r.stderr)
	}
	if _, err := c.tryAttach(&agentpb.AttachOpen{Process: &agentpb.Process{Args: []string{"true"}, Files: []*agentpb.OpenFile{{Path: "/nosuch", Read: true}}}}); !errdefs.IsNotFound(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestTwin(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	s := c.attach(&agentpb.AttachOpen{Process: sh("echo ready; exec sleep 1000")})
	c.until(s, "ready\n")
	for _, ignored := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGWINCH} {
		if err := c.Signal(t.Context(), "c", "", int(ignored)); err != nil {
			t.Fatal(err)
		}
	}
	events, err := c.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(t.Context(), "c", "", int(syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	if r := c.drain(s); r.GetCode() != 137 {
		t.Errorf("exec: exit %d", r.GetCode())
	}
	for {
		e, err := events.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetExit() != nil {
			if e.GetExit().GetCode() != 143 || e.GetRun() != 1 || e.GetContainer() != "c" {
				t.Errorf("event %v", e)
			}
			if err := events.Ack(e.GetSequence()); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	<-c.ended
}

// Where the container has a cgroup, that is what freezes and counts.
func TestCgroup(t *testing.T) {
	c := makeContainer(t, layout{cgroup: true}).twin()
	s := c.attach(&agentpb.AttachOpen{Process: sh("cat /proc/self/cgroup; echo ready; while :; do (true); done")})
	if got := c.until(s, "ready\n"); !strings.Contains(got, "sockerless-test-") {
		t.Errorf("cgroup %q", got)
	}
	for _, paused := range []bool{true, false} {
		if err := c.Pause(t.Context(), "c", paused); err != nil {
			t.Fatal(err)
		}
		for {
			text, err := os.ReadFile(c.cgroupFile("cgroup.events"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), map[bool]string{true: "frozen 1", false: "frozen 0"}[paused]) {
				break
			}
		}
	}
	if err := c.Signal(t.Context(), "c", fmt.Sprint("e", c.execs), 9); err != nil {
		t.Fatal(err)
	}
	if r := c.drain(s); r.GetCode() != 137 {
		t.Errorf("exit %d", r.GetCode())
	}
}

// An agent that ends takes all processes with it, even where it is not the first one of a namespace.
func TestTheEndOfTheAgentKillsEverything(t *testing.T) {
	c := makeContainer(t, layout{free: true})
	c.start(sh(`trap "" TERM; (trap "" TERM; exec setsid sleep 1000) & echo $! $$; echo ready; wait`))
	pids := strings.Fields(c.until(c.attach(&agentpb.AttachOpen{}), "ready\n"))
	if err := c.stop.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	for _, pid := range pids[:2] {
		if _, err := os.Stat("/proc/" + pid); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("process %s: %v", pid, err)
		}
	}
}

func TestPause(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	s := c.attach(&agentpb.AttachOpen{Process: sh("echo ready; while :; do (true); done")})
	c.until(s, "ready\n")
	states := func() (states string) {
		top, err := c.Top(t.Context(), "c", []string{"-eo", "pid,s"})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range top.GetProcesses() {
			states += row.GetCells()[1]
		}
		return states
	}
	if err := c.Pause(t.Context(), "c", true); err != nil {
		t.Fatal(err)
	}
	if got := strings.Trim(states(), "TZ"); got != "" {
		t.Errorf("states %q", got)
	}
	if err := c.Pause(t.Context(), "c", false); err != nil {
		t.Fatal(err)
	}
	if got := states(); strings.Contains(got, "T") {
		t.Errorf("states %q", got)
	}
}

func TestTopAndStats(t *testing.T) {
	c := makeContainer(t, layout{}).twin()
	s := c.attach(&agentpb.AttachOpen{Process: &agentpb.Process{Args: []string{"sh", "-c", "echo ready; sleep 1000; true"}, User: "web"}})
	c.until(s, "ready\n")
	for args, titles := range map[string]string{
		"":                "UID PID PPID C STIME TTY TIME CMD",
		"aux":             "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
		"-o pid,args":     "PID COMMAND",
		"-eo pid=ID,user": "",
		"-o user":         "",
		"-Z":              "",
	} {
		top, err := c.Top(t.Context(), "c", strings.Fields(args))
		if titles == "" {
			if err == nil {
				t.Errorf("%s: %v", args, top.GetTitles())
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(top.GetTitles(), " "); got != titles {
			t.Errorf("%s: titles %s", args, got)
		}
		var first []string
		for _, row := range top.GetProcesses() {
			if len(row.GetCells()) != len(top.GetTitles()) {
				t.Errorf("%s: row %v", args, row.GetCells())
			}
			if last := row.GetCells()[len(row.GetCells())-1]; strings.HasPrefix(last, "sh -c") {
				first = row.GetCells()
			}
		}
		if first == nil || args != "-o pid,args" && first[0] != "web" {
			t.Errorf("%s: %v", args, top.GetProcesses())
		}
	}
	c.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
	stats, err := c.Stats(t.Context(), "c")
	if err != nil || stats.GetProcesses() < 1 || stats.GetMemory() < 1<<10 || stats.GetCpu() <= 0 || stats.GetTime() == 0 {
		t.Errorf("stats %v, %v", stats, err)
	}
}
