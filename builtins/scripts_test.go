//go:build linux

package builtins

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
)

func TestGetopt(t *testing.T) {
	trial{}.check(t, "getopt ab:c:: -a -b x -cy -c z", "getopt -o ab:c:: -l long,with:,may:: -- -a --long --with=1 --with 2 --may --may=3 x -b 'it s' y -- -z", "getopt -o a -- -x", "getopt -o a: -- -a", "getopt -o a -l abc,abd -- --ab", "getopt -o a -l abc -- --abc=1", "getopt -o a -l abc: -- --abc", "getopt -o +ab -- -a x -b", "getopt -o -ab -- x -a y",
		"getopt -T", "getopt", "getopt -q -o a -- -x", "getopt -Q -o a -- -a", "getopt -u -o a: -- -a 'x y' z", "getopt -n me -o a -- -q", "getopt -a -o x -l long -- -long -x", "getopt -o '' -l a -- --a b", "getopt -o a", "getopt -o ab -- -ba -", "getopt -o a -- ''")
}

func TestXz(t *testing.T) {
	trial{setup: `seq 500 > a; xz -k a; lzma -k a; cp a.xz b.xz; cp a.xz c.txz; touch -d 2020-01-02 a a.xz a.lzma b.xz c.txz; head -c 100 a.xz > cut.xz; echo no > bad.xz; : | xz > empty.xz; cat a.xz a.xz > two.xz; tar cJf t.tar.xz a`, loose: true}.check(t, "xz -dc a.xz", "xzcat a.xz", "unxz b.xz", "unxz -k b.xz", "unxz c.txz", "xz -t a.xz", "xz -t cut.xz", "xz -t bad.xz",
		"xzcat empty.xz", "xzcat two.xz", "unlzma -c a.lzma", "lzcat a.lzma", "unxz a.xz", "unxz none.xz", "unxz -f a.xz", "tar tf t.tar.xz", "tar xJf t.tar.xz")
	for _, name := range []string{"xz", "lzma"} {
		p, stdout, stderr := newProcess(t, t.TempDir(), []string{name, "-c"})
		text := strings.Repeat("some text that repeats\n", 5000)
		p.Stdin = strings.NewReader(text)
		if status := xzCommand(p); status != 0 {
			t.Fatal(status, stderr)
		}
		cmd := exec.Command("xz", "-dc")
		cmd.Stdin = bytes.NewReader(stdout.Bytes())
		if out, err := cmd.Output(); err != nil || string(out) != text {
			t.Errorf("%s: the real xz reads %d bytes: %v", name, len(out), err)
		}
	}
}

func TestRunParts(t *testing.T) {
	trial{setup: `mkdir d; touch d/x d/a.b d/y_1; chmod +x d/x d/a.b; mkdir d/sub`}.check(t, "run-parts --list d", "run-parts --test d", "run-parts --test --reverse d", "run-parts --list --regex=. d", "run-parts none")
}

func TestKillall(t *testing.T) {
	p, _, stderr := newProcess(t, t.TempDir(), []string{"killall", "-9", "sleep", "none"})
	system := &fakeSystem{p: p, processes: []ProcessInfo{{PID: 7, Args: []string{"/bin/sleep", "9"}}, {PID: 8, Args: []string{"sh"}}, {PID: 9, Args: []string{"sleep"}}}}
	p.System = system
	if status := killall(p); status != 1 || strings.Join(system.killed, " ") != "7:9 9:9" || stderr.String() != "killall: none: no process found\n" {
		t.Error(status, system.killed, stderr)
	}
}

func TestMountpoint(t *testing.T) {
	trial{setup: "mkdir d; touch f"}.check(t, "mountpoint -q d", "mountpoint d", "mountpoint /", "mountpoint none")
}

// TestUsers runs commands by sudo, su and runuser as the user that the test is.
func TestUsers(t *testing.T) {
	for line, want := range map[string]struct {
		status int
		stdout string
		stderr string
	}{
		"sudo echo a b":                   {0, "a b\n", ""},
		"sudo -n -E X=1 printenv X":       {0, "1\n", ""},
		"sudo -u root printenv SUDO_USER": {0, "root\n", ""},
		"sudo -u daemon echo":             {2, "", "not supported in the sandbox"},
		"sudo -u nosuch echo":             {1, "", "unknown user nosuch"},
		"sudo nosuch":                     {1, "", "nosuch: command not found"},
		"sudo -i":                         {2, "", "option '-i' is not supported in the sandbox"},
		"sudo false":                      {1, "", ""},
		"runuser -u root -- echo x":       {0, "x\n", ""},
		"runuser -u daemon echo":          {2, "", "not supported in the sandbox"},
		"su daemon -c id":                 {2, "", "not supported in the sandbox"},
		"su nosuch":                       {1, "", "user nosuch does not exist"},
		"su -s /bin/echo root hi":         {0, "hi\n", ""},
	} {
		p, stdout, stderr := newProcess(t, t.TempDir(), splitWords(line))
		p.Files.SetCred(rootfs.Cred{})
		status := Lookup(p.Args[0])(p)
		if status != want.status || stdout.String() != want.stdout || !strings.Contains(stderr.String(), want.stderr) {
			t.Errorf("%s: status %d, %q %q", line, status, stdout, stderr)
		}
	}
}

// TestAbsent asks for what is never in the sandbox; none of it takes the place of an image's own program.
func TestAbsent(t *testing.T) {
	for name := range absence {
		p, stdout, stderr := newProcess(t, t.TempDir(), []string{name, "install", "x"})
		if status := Lookup(name)(p); status != 2 || stdout.Len() > 0 || !regexp.MustCompile("not supported in the sandbox, they are offloaded").MatchString(stderr.String()) {
			t.Errorf("%s: %d %q %q", name, status, stdout, stderr)
		}
		if Replaces(name, true) || Replaces(name, false) {
			t.Errorf("%s takes the place of an image's own", name)
		}
	}
	if Replaces("git", true) || !Replaces("git", false) || !Replaces("ls", true) || Replaces("nosuch", false) {
		t.Error("git yields where native programs run, ls never, and what is not there replaces nothing")
	}
}
