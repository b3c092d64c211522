//go:build linux

package builtins

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
)

// gitSide is a directory in which git is run: of this machine with the real one, or of a tree with ours.
type gitSide struct {
	dir string
	env []string
	p   *Process // nil for the real one
}

func (s *gitSide) run(t *testing.T, cwd string, args []string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if s.p != nil {
		p := *s.p
		p.Files, p.Args, p.Env = s.p.Files.Clone(), args, s.env
		p.Stdin, p.Stdout, p.Stderr = strings.NewReader(""), &stdout, &stderr
		p.System = &fakeSystem{p: &p}
		if err := p.Files.Chdir(joinName(s.dir, cwd)); err != nil {
			t.Fatal(err)
		}
		status := gitCommand(&p)
		return answer{Stdout: stdout.String(), Stderr: stderr.String(), Status: status}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = filepath.Join(s.dir, cwd), s.env, &stdout, &stderr
	status := 0
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		status = exit.ExitCode()
	}
	return answer{Stdout: stdout.String(), Stderr: stderr.String(), Status: status}
}

// unload copies a directory of a tree to the host.
func unload(t *testing.T, view *rootfs.View, from, to string) {
	t.Helper()
	info, err := view.Lstat(from)
	if err == nil {
		switch {
		case info.IsDir():
			var entries []fs.DirEntry
			if err = os.MkdirAll(to, 0o755); err == nil {
				entries, err = view.ReadDir(from)
			}
			for _, e := range entries {
				unload(t, view, from+"/"+e.Name(), to+"/"+e.Name())
			}
		case info.Mode()&fs.ModeSymlink != 0:
			var link string
			if link, err = view.Readlink(from); err == nil {
				err = os.Symlink(link, to)
			}
		default:
			var data []byte
			if data, err = view.ReadFile(from); err == nil {
				err = os.WriteFile(to, data, info.Mode().Perm())
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// gitScript runs lines with the real git and with ours, each in a directory of its own, and compares what they print on
// standard output, their status, and in the end what the real git says of both. "cd DIR" changes the directory, "NAME <
// TEXT" writes a file, "rm NAME", "mkdir NAME", "chmod NAME" and "ln NAME" do what they say; "~" before a line is for
// statuses alone.
func gitScript(t *testing.T, env []string, lines string) {
	t.Helper()
	base := []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always"}
	host := &gitSide{dir: filepath.Join(t.TempDir(), "w"), env: append(append(base, "HOME="+t.TempDir()), env...)}
	if err := os.Mkdir(host.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p, _, _ := newProcess(t, host.dir, []string{"git"})
	ours := &gitSide{dir: "/w", env: append(append(base, "HOME=/home"), env...), p: p}
	files := p.Files.Tree().View(rootfs.Cred{})
	cwd, clock := "", 1700000000
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	both := func(name string) (string, string) {
		return filepath.Join(host.dir, cwd, name), joinName(joinName("/w", cwd), name)
	}
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		words := splitWords(strings.TrimPrefix(line, "~"))
		if len(words) == 0 {
			continue
		}
		var a, b string
		if len(words) > 1 {
			a, b = both(words[1])
		}
		switch words[0] {
		case "cd":
			cwd = words[1]
			continue
		case "rm":
			must(os.RemoveAll(a), files.RemoveAll(b))
			continue
		case "mkdir":
			must(os.MkdirAll(a, 0o755), files.MkdirAll(b, 0o755))
			continue
		case "chmod":
			must(os.Chmod(a, 0o755), files.Chmod(b, 0o755))
			continue
		case "ln":
			must(os.Symlink("target", a), files.Symlink("target", b))
			continue
		}
		if len(words) > 2 && words[1] == "<" {
			text := strings.NewReplacer(`\n`, "\n", `\0`, "\x00").Replace(strings.Join(words[2:], " "))
			a, b = both(words[0])
			must(os.MkdirAll(filepath.Dir(a), 0o755), os.WriteFile(a, []byte(text), 0o644), files.MkdirAll(dirName(b), 0o755), files.WriteFile(b, []byte(text), 0o644))
			continue
		}
		clock += 100
		date := itoa(clock) + " +0100"
		args := append([]string{"git"}, words...)
		at := []string{"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date}
		want := (&gitSide{dir: host.dir, env: append(at, host.env...)}).run(t, cwd, args)
		got := (&gitSide{dir: "/w", env: append(at, ours.env...), p: p}).run(t, cwd, args)
		want.Stdout = strings.ReplaceAll(want.Stdout, host.dir, "/w")
		if line[0] == '~' {
			got.Stdout, want.Stdout = "", ""
		}
		if got.Stdout != want.Stdout || got.Status != want.Status {
			t.Errorf("in %q: git %s: status %d, want %d\n%s%s", cwd, line, got.Status, want.Status, difference("stdout", got.Stdout, want.Stdout), difference("stderr", got.Stderr, want.Stderr))
		}
	}
	copied := filepath.Join(t.TempDir(), "w")
	unload(t, files, "/w", copied)
	entries, err := os.ReadDir(host.dir)
	must(err)
	for _, e := range entries {
		for _, line := range []string{"git fsck --strict --no-dangling", "git log --all --format=raw", "git ls-files -s", "git status --porcelain", "git for-each-ref", "git config --local --list"} {
			if _, err := os.Stat(filepath.Join(host.dir, e.Name(), ".git")); err != nil && !strings.Contains(line, "fsck") {
				continue
			}
			want := (&gitSide{dir: filepath.Join(host.dir, e.Name()), env: host.env}).run(t, "", strings.Fields(line))
			got := (&gitSide{dir: filepath.Join(copied, e.Name()), env: host.env}).run(t, "", strings.Fields(line))
			want.Stdout = strings.ReplaceAll(want.Stdout, host.dir, "/w")
			if got.Stdout != want.Stdout || got.Status != want.Status {
				t.Errorf("%s: %s: status %d, want %d\n%s%s", e.Name(), line, got.Status, want.Status, difference("stdout", got.Stdout, want.Stdout), difference("stderr", got.Stderr, want.Stderr))
			}
		}
	}
}

const gitHistory = `
init -q -b main r
cd r
a < one\ntwo\nthree\n
d/b < b\n
bin < x\0y\n
commit -m none
add .
status
status -s
commit -m first
status
a < one\nTWO\nthree\nfour\n
c < new\n
status --porcelain
diff
diff --stat
add a
diff --cached
diff --name-only
commit -qm second
add c
chmod d/b
ln link
add -A
commit -m third
tag v1
tag -a v2 -m annotated
`

func TestGitWork(t *testing.T) {
	gitScript(t, nil, gitHistory+`
log
log --oneline
log --format=%H,%an,%s,%ad --date=iso
log -2 --stat
log -p
log --reverse --format=%h
log --format=format:%s
log a
log --oneline -- d
log --author=nobody
log --grep=sec --oneline
log --name-status --oneline
log -n1 --format=%B
log --since=2023-11-14T22:20:00 --oneline
log v1~1..HEAD --oneline
log --oneline --decorate
log --no-merges --merges
log --format=fuller -1
log --format=raw -1
log nosuch
show
show HEAD~1
show v2 -s
show HEAD:a
show HEAD:nosuch
show --name-only HEAD~2
show -s --format=%cI
show --stat HEAD
rev-parse HEAD
rev-parse --short HEAD
rev-parse --abbrev-ref HEAD
rev-parse --show-toplevel
rev-parse --git-dir
rev-parse --verify -q nosuch
rev-parse --verify nosuch
rev-parse nosuch
rev-parse v1 v2 v2^{commit} HEAD~1 HEAD^{tree}
rev-parse HEAD~1..HEAD
rev-parse --is-inside-work-tree --show-prefix
rev-list HEAD
rev-list --count HEAD
rev-list --count v1~2..v1
rev-list -n 1 HEAD -- a
rev-list --all --max-count=1
describe
describe --tags
describe --tags --long
describe HEAD~1
describe --always HEAD~1
describe --tags --exact-match HEAD~1
ls-files
ls-files -s
ls-tree HEAD
ls-tree -r --name-only HEAD
ls-tree -l HEAD d/
cat-file -t HEAD
cat-file -p HEAD^{tree}
cat-file -p HEAD:a
cat-file -s HEAD:a
cat-file -e nosuch
hash-object a
show-ref
show-ref --tags -d
show-ref --verify refs/heads/none
for-each-ref --format=%(refname:short)
symbolic-ref HEAD
symbolic-ref --short HEAD
tag
tag -l v*
tag -n
tag -d v1
tag -d nosuch
tag v2
diff HEAD~2 HEAD
diff HEAD~2..HEAD --stat
diff --shortstat HEAD~2
diff --numstat HEAD~2 HEAD
diff --name-status HEAD~1
diff --quiet
diff --exit-code HEAD~1
diff --summary HEAD~2 HEAD
d/b < changed\n
status
status -sb
diff d
cd r/d
status -s
status
ls-files
ls-files ..
rev-parse --show-prefix --show-cdup
diff --name-only
cd r
commit -am fourth
mv c moved
status
commit -m renamed
show --stat
show
log --summary -1
rm a
status -s
commit -m gone
rm nosuch
rm -r d
reset -q
status -s
checkout -- d
checkout d/b
status -s
new < x\n
.gitignore < *.o\nbuild/\n
x.o < x\n
build/y < y\n
sub/z < z\n
status
status -s --ignored
status -s -uall
add x.o
add -n .
clean -n
clean -nd
clean -fd
clean -fdX
status -s
commit --allow-empty -m empty
commit --amend -m amended
log --oneline
commit -m nothing
commit -m nothing --author 'X Y <x@y>' --allow-empty --date @1500000000
log -1
reset --soft HEAD~1
reset HEAD~1
reset --hard HEAD~1
status
log --oneline
config user.name
config user.name 'Some One'
config user.name
config --get nosuch.key
config --add a.b 1
config --add a.b 2
config --get-all a.b
config --unset-all a.b
config --bool core.bare
config nosection
config --list --local
config alias.x 'log "a b" # c'
config --get-regexp alias
bogus
`)
}

func TestGitBranches(t *testing.T) {
	gitScript(t, nil, gitHistory+`
branch
branch dev
branch
branch -v
checkout dev
checkout -b topic
a < topic\n
commit -am topic
checkout main
branch --merged
branch --no-merged
branch -d topic
branch -D topic
branch -d nosuch
switch -c next
switch main
switch -
switch nosuch
checkout nosuch
e < e\n
add e
commit -qm next
switch main
merge next
log --oneline
merge next
checkout HEAD~1
status
branch
branch --show-current
checkout -
branch -m next renamed
branch --list r*
a < local\n
checkout v1
checkout -f v1
checkout main
checkout HEAD~2 -- a
status -s
restore --staged a
restore a
status -s
restore nosuch
checkout -b bad..name
checkout -b main
branch --contains HEAD~1
merge-base main renamed
merge-base --is-ancestor HEAD~1 HEAD
merge-base --is-ancestor HEAD HEAD~1
checkout -B dev HEAD~1
rm d
d < now a file\n
add -A
commit -m typechange
checkout main
checkout dev
checkout -q main
merge --ff-only dev
`)
}

func TestGitRemotes(t *testing.T) {
	gitScript(t, nil, gitHistory+`
checkout -q -b other HEAD~1
checkout -q main
cd .
clone -q r c
cd c
status
branch -a
branch -vv
remote
remote -v
log --oneline --all
checkout other
status -sb
ls-remote
ls-remote --heads origin
ls-remote --tags
ls-remote ../nosuch
cd r
f < f\n
add f
commit -qm more
tag v3
cd c
fetch
status -sb
log --oneline HEAD..origin/main
checkout main
status
pull
status
tag
~pull
cd .
clone -q --bare r b.git
clone -q b.git p
cd p
g < g\n
add g
commit -qm g
push
status -sb
push
checkout -q -b feature
h < h\n
add h
commit -qm h
push
push -u origin feature
push origin --tags
push origin HEAD:refs/heads/copy :other
ls-remote
push origin --delete copy
commit -q --amend -m h2
push
push -f
branch -vv
cd c
remote set-url origin ../b.git
remote get-url origin
fetch -q --prune
branch -r
fetch -q origin feature
rev-parse FETCH_HEAD
remote add second ../r
fetch -q second
branch -r
remote rename second third
remote rm third
remote rm third
remote add origin x
branch -r
cd r
push ../c main
clone nosuch
clone c
`)
}

func TestGitSubmodules(t *testing.T) {
	gitScript(t, nil, gitHistory+`
cd .
init -q -b main top
cd top
~submodule add ../r sub/r
status
submodule status
submodule
commit -qm top
submodule foreach
cd .
clone -q top copy
cd copy
submodule status
~submodule update --init
submodule status
status
ls-tree HEAD sub/
cd copy/sub/r
log --oneline -1
status -s
rev-parse --show-toplevel
cd .
~clone -q --recurse-submodules top again
cd again
submodule status
status
`)
}

// TestGitHTTP clones from and pushes to git's own server.
func TestGitHTTP(t *testing.T) {
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, line := range []string{"init -q --bare -b main r.git", "-C r.git config http.receivepack true"} {
		cmd := exec.Command("git", strings.Fields(line)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", line, out)
		}
	}
	cgiHandler := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=u"}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); strings.HasPrefix(r.URL.Path, "/locked/") && (!ok || user != "u" || password != "secret") {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/locked")
		cgiHandler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	p, _, _ := newProcess(t, t.TempDir(), nil)
	side := &gitSide{dir: "/w", p: p, env: []string{"HOME=/", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b"}}
	run := func(cwd string, status int, line string) answer {
		t.Helper()
		a := side.run(t, cwd, append([]string{"git"}, splitWords(strings.ReplaceAll(line, "@@", srv.URL))...))
		if a.Status != status {
			t.Errorf("%s: status %d, want %d: %s%s", line, a.Status, status, a.Stdout, a.Stderr)
		}
		return a
	}
	locked := strings.Replace(srv.URL, "http://", "http://u:secret@", 1) + "/locked/r.git"
	run("", 0, "clone @@/r.git c")
	for i := range 3 {
		if err := p.Files.WriteFile("/w/c/f", []byte(strings.Repeat("x\n", i+1)), 0o644); err != nil {
			t.Fatal(err)
		}
		run("c", 0, "add f")
		run("c", 0, "commit -qm "+itoa(i))
	}
	run("c", 0, "push origin HEAD:main")
	run("", 0, "clone --depth 1 "+locked+" d")
	if a := run("d", 0, "rev-list --count HEAD"); a.Stdout != "1\n" {
		t.Errorf("commits of a shallow clone: %q", a.Stdout)
	}
	if a := run("d", 0, "log --oneline"); strings.Count(a.Stdout, "\n") != 1 {
		t.Errorf("log of a shallow clone: %q", a.Stdout)
	}
	if a := run("", 128, "clone @@/locked/r.git e"); !strings.Contains(a.Stderr, "could not read Username") {
		t.Error(a.Stderr)
	}
	run("", 0, "-c http.@@/.extraheader='Authorization: Basic dTpzZWNyZXQ=' clone -q @@/locked/r.git e")
	if a := run("", 128, "clone @@/none.git x"); !strings.Contains(a.Stderr, "not found") {
		t.Error(a.Stderr)
	}
	if a := run("", 128, "clone ssh://git@localhost/x.git x"); !strings.Contains(a.Stderr, "not supported in the sandbox") {
		t.Error(a.Stderr)
	}
	if a := run("", 128, "clone "+gitLocal+"://1/w/c x"); !strings.Contains(a.Stderr, "not supported in the sandbox") {
		t.Error("another run's files were reached: " + a.Stderr)
	}
	if _, err := p.Files.Stat("/w/x"); rootfs.Errno(err) != syscall.ENOENT {
		t.Error("a clone that failed left its directory")
	}
	if a := run("c", 2, "rebase main"); !strings.Contains(a.Stderr, "not supported in the sandbox") {
		t.Error(a.Stderr)
	}
}
