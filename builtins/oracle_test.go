//go:build linux

package builtins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// trial is a command line over a directory that a bash script prepares.
type trial struct {
	setup  string // run by bash in an empty directory
	stdin  string
	sorted bool // the order of the lines of output does not count
	// loose compares only the exit status and standard output.
	loose bool
	// erase is replaced by "#" in both outputs: what depends on the file system.
	erase *regexp.Regexp
	env   []string
	umask fs.FileMode // 022 if zero
}

// answer is what a command did.
type answer struct {
	Stdout, Stderr string
	Status         int
	Tree           string // the directory afterwards
}

// check runs every command line with the builtin and with the real tool, each in a directory of its own, and compares
// output, exit status and what became of the directory. The directory is /w for both.
func (tr trial) check(t *testing.T, lines ...string) {
	t.Helper()
	answers := loadAnswers(t)
	template := tr.prepare(t)
	tools := map[string]string{}
	for _, line := range lines {
		args := splitWords(line)
		tool, known := tools[args[0]]
		if !known {
			tool = realTool(args[0])
			tools[args[0]] = tool
		}
		var want answer
		ok := tool != ""
		if ok {
			want = tr.real(t, template, args)
		}
		got := tr.ours(t, template, args)
		key := tr.key(line)
		switch {
		case ok && *record:
			answers.set(t, key, want.hashed())
		case !ok:
			if want, ok = answers.Lines[key]; !ok {
				t.Errorf("%s: neither the real tool nor a record of it is here", line)
				continue
			}
			got = got.hashed()
		}
		if tr.loose {
			got.Stderr, want.Stderr = "", ""
		}
		if got != want {
			t.Errorf("%s: status %d, want %d\n%s%s%s", line, got.Status, want.Status,
				difference("stdout", got.Stdout, want.Stdout), difference("stderr", got.Stderr, want.Stderr), difference("tree", got.Tree, want.Tree))
		}
	}
}

// key names a command line over its set-up in the records.
func (tr trial) key(line string) string {
	return fmt.Sprintf("%s #%.4x", line, sha256.Sum256([]byte(fmt.Sprint(tr.setup, tr.stdin, tr.env, tr.umask))))
}

// hashed is an answer as it is recorded: with a digest in place of the directory's description.
func (a answer) hashed() answer {
	a.Tree = fmt.Sprintf("%.8x", sha256.Sum256([]byte(a.Tree)))
	return a
}

// difference shows two texts from the first line on in which they differ.
func difference(what, got, want string) string {
	if got == want {
		return ""
	}
	at := 0
	for i := 0; i < min(len(got), len(want)) && got[i] == want[i]; i++ {
		if got[i] == '\n' {
			at = i + 1
		}
	}
	cut := func(s string) string { return s[at:min(len(s), at+300)] }
	return fmt.Sprintf("  %s from byte %d:\n   got %q\n  want %q\n", what, at, cut(got), cut(want))
}

// answerFile is testdata/gnu/<test>.json.
type answerFile struct {
	name  string
	Lines map[string]answer
}

func loadAnswers(t *testing.T) *answerFile {
	a := &answerFile{name: filepath.Join("testdata", "gnu", strings.ReplaceAll(t.Name(), "/", "-")+".json"), Lines: map[string]answer{}}
	if data, err := os.ReadFile(a.name); err == nil {
		if err := json.Unmarshal(data, &a.Lines); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *answerFile) set(t *testing.T, line string, got answer) {
	a.Lines[line] = got
	data, err := json.MarshalIndent(a.Lines, "", " ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(a.name), 0o755)
	}
	if err == nil {
		err = os.WriteFile(a.name, append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// prepare makes a directory with the set-up in it.
func (tr trial) prepare(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bash := exec.Command("bash", "-e", "-c", "umask 022\n"+tr.setup)
	bash.Dir = dir
	bash.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if out, err := bash.CombinedOutput(); err != nil {
		t.Fatalf("set-up: %v\n%s", err, out)
	}
	return dir
}

func (tr trial) environment() []string {
	return append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/"}, tr.env...)
}

// realTool finds the GNU tool of a name; "" if this machine has none.
func realTool(name string) string {
	tool, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	if version, _ := exec.Command(tool, "--version").CombinedOutput(); bytes.Contains(version, []byte("BusyBox")) {
		return ""
	}
	return tool
}

// real runs the GNU tool in a copy of the template.
func (tr trial) real(t *testing.T, template string, args []string) (a answer) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "w")
	if out, err := exec.Command("cp", "-a", template, dir).CombinedOutput(); err != nil {
		t.Fatalf("copy of the set-up: %v\n%s", err, out)
	}
	var stdout, stderr bytes.Buffer
	umask := tr.umask
	if umask == 0 {
		umask = 0o022
	}
	cmd := exec.Command("bash", append([]string{"-c", fmt.Sprintf(`umask %03o; exec "$0" "$@"`, umask)}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Stdin = dir, &stdout, &stderr, strings.NewReader(tr.stdin)
	cmd.Env = tr.environment()
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if a.Status = exit.ExitCode(); a.Status < 0 {
			a.Status = 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
		}
	}
	clean := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, dir, "/w"), "/usr/bin/"+args[0]+":", args[0]+":")
	}
	a.Stdout, a.Stderr, a.Tree = tr.order(clean(stdout.String())), tr.erased(clean(stderr.String())), hostTree(t, dir)
	return a
}

// ours runs the builtin in a tree that has a copy of the directory at /w.
func (tr trial) ours(t *testing.T, dir string, args []string) answer {
	t.Helper()
	p, stdout, stderr := newProcess(t, dir, args)
	p.Stdin = strings.NewReader(tr.stdin)
	p.Env = tr.environment()
	if tr.umask != 0 {
		p.Files.SetUmask(tr.umask)
	}
	f := Lookup(args[0])
	if f == nil {
		t.Fatalf("%s: no such builtin", args[0])
	}
	status := f(p)
	return answer{tr.order(stdout.String()), tr.erased(stderr.String()), status, treeOf(t, p.Files.Tree().View(rootfs.Cred{}))}
}

func (tr trial) erased(text string) string {
	if tr.erase == nil {
		return text
	}
	return tr.erase.ReplaceAllString(text, "#")
}

func (tr trial) order(text string) string {
	text = tr.erased(text)
	if !tr.sorted {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	for i := range lines {
		for j := i; j > 0 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "")
}

// newProcess makes a process whose root has the host's /etc/passwd and /etc/group and, at /w where it stands, a copy of
// a host directory.
func newProcess(t *testing.T, dir string, args []string) (p *Process, stdout, stderr *bytes.Buffer) {
	t.Helper()
	tree := rootfs.NewTree(rootfs.NewTmpfs(1<<30, 0o755), false)
	t.Cleanup(func() { tree.Close() })
	view := tree.View(rootfs.Cred{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
	root := tree.View(rootfs.Cred{})
	for _, name := range []string{"/etc", "/tmp", "/dev", "/w"} {
		if err := root.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/etc/passwd", "/etc/group"} {
		data, err := os.ReadFile(name)
		if err == nil {
			err = root.WriteFile(name, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	load(t, root, dir, "/w")
	view.SetUmask(0o022)
	if err := view.Chdir("/w"); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	p = &Process{Context: t.Context(), Args: args, Files: view, Stdin: strings.NewReader(""), Stdout: &lockedWriter{w: stdout}, Stderr: &lockedWriter{w: stderr},
		Env: []string{"LC_ALL=C", "TZ=UTC"}}
	p.System = &fakeSystem{p: p}
	return p, stdout, stderr
}

// lockedWriter is an output that several commands may write to at once, as they may to a file.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// load copies a host directory into a tree, with all that the host knows of it.
func load(t *testing.T, view *rootfs.View, dir, to string) {
	t.Helper()
	view.SetUmask(0)
	links := map[uint64]string{}
	var visit func(from, to string) error
	visit = func(from, to string) error {
		info, err := os.Lstat(from)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		first, linked := links[st.Ino]
		switch {
		case info.IsDir():
			if err = view.MkdirAll(to, 0o755); err != nil {
				return err
			}
			entries, err := os.ReadDir(from)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if err := visit(filepath.Join(from, e.Name()), to+"/"+e.Name()); err != nil {
					return err
				}
			}
		case linked:
			return view.Link(first, to)
		case info.Mode()&fs.ModeSymlink != 0:
			var link string
			if link, err = os.Readlink(from); err == nil {
				err = view.Symlink(link, to)
			}
		case info.Mode().IsRegular():
			var data []byte
			if data, err = os.ReadFile(from); err == nil {
				err = view.WriteFile(to, data, 0o644)
			}
		default:
			err = view.Mknod(to, info.Mode(), st.Rdev)
		}
		links[st.Ino] = to
		if err == nil {
			err = view.Lchown(to, int(st.Uid), int(st.Gid))
		}
		if err == nil && info.Mode()&fs.ModeSymlink == 0 {
			err = view.Chmod(to, info.Mode())
		}
		if err == nil {
			err = view.Lchtimes(to, time.Unix(st.Atim.Unix()), info.ModTime())
		}
		return err
	}
	if err := visit(dir, to); err != nil {
		t.Fatal(err)
	}
}

// hostTree describes a host directory: types, modes, sizes, links, contents, and times if they are of the past.
func hostTree(t *testing.T, dir string) string {
	t.Helper()
	tree := rootfs.NewTree(rootfs.NewTmpfs(1<<30, 0o755), false)
	defer tree.Close()
	view := tree.View(rootfs.Cred{})
	load(t, view, dir, "/w")
	return treeOf(t, view)
}

// treeOf describes what is in /w.
func treeOf(t *testing.T, view *rootfs.View) string {
	t.Helper()
	var b strings.Builder
	var visit func(dir string)
	visit = func(dir string) {
		entries, err := view.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			info, err := view.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s %d:%d", name, info.Mode(), info.UID(), info.GID())
			switch {
			case info.Mode()&fs.ModeSymlink != 0:
				link, _ := view.Readlink(name)
				fmt.Fprintf(&b, " -> %s", link)
			case info.Mode().IsRegular():
				data, err := view.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, " links %d size %d %.4x", info.Nlink(), len(data), sha256.Sum256(data))
			}
			if info.ModTime().Year() < 2024 && info.Mode()&fs.ModeSymlink == 0 {
				fmt.Fprintf(&b, " %s", info.ModTime().UTC().Format(time.RFC3339Nano))
			}
			b.WriteString("\n")
			if info.IsDir() {
				visit(name)
			}
		}
	}
	visit("/w")
	return b.String()
}

// splitWords cuts a command line as a shell does: '…' and "…" keep what is inside, \n in $'…' is not supported.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	open, inWord := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case open != 0 && c == open:
			open = 0
		case open != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			open, inWord = c, true
		case c == ' ':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// fakeSystem runs builtins where the kernel would run programs.
type fakeSystem struct {
	p         *Process
	terminal  bool
	processes []ProcessInfo
	killed    []string
	now       time.Time
	// network is what connections go to; the loopback interface if nil.
	network func(ctx context.Context, network, address string) (net.Conn, error)
}

func (s *fakeSystem) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.network != nil {
		return s.network(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (s *fakeSystem) Listen(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}

func (s *fakeSystem) LookupHost(_ context.Context, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a}, nil
	}
	if name != "localhost" {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
}

func (s *fakeSystem) Run(ctx context.Context, c Command) (int, error) {
	name := c.Args[0]
	f := Lookup(path.Base(name))
	if f == nil {
		return 0, syscall.ENOENT
	}
	child := &Process{Context: ctx, Args: c.Args, Env: c.Env, Files: s.p.Files.Clone(), Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr}
	child.System = &fakeSystem{p: child, terminal: s.terminal, processes: s.processes, now: s.now, network: s.network}
	if c.Dir != "" {
		if err := child.Files.Chdir(c.Dir); err != nil {
			return 0, err
		}
	}
	if c.Started != nil {
		c.Started(1000)
	}
	status := f(child)
	if ctx.Err() != nil {
		return 128 + 15, nil
	}
	return status, nil
}

func (s *fakeSystem) Processes() []ProcessInfo { return s.processes }

func (s *fakeSystem) Kill(pid, signal int) error {
	s.killed = append(s.killed, fmt.Sprintf("%d:%d", pid, signal))
	for _, p := range s.processes {
		if p.PID == pid || p.PGID == -pid || pid == -1 || pid == 0 {
			return nil
		}
	}
	return syscall.ESRCH
}

func (s *fakeSystem) PID() int                          { return 42 }
func (s *fakeSystem) Hostname() string                  { return "box" }
func (s *fakeSystem) IsTerminal(fd int) bool            { return s.terminal }
func (s *fakeSystem) TerminalSize(int) (int, int, bool) { return 24, 80, s.terminal }
func (s *fakeSystem) CPUs() int                         { return 2 }
func (s *fakeSystem) Memory() (int64, int64)            { return 4 << 30, 1 << 30 }
func (s *fakeSystem) Block(wait func())                 { wait() }
func (s *fakeSystem) Boot() time.Time                   { return s.Now().Add(-time.Hour) }

func (s *fakeSystem) Now() time.Time {
	if s.now.IsZero() {
		return time.Now()
	}
	return s.now
}
