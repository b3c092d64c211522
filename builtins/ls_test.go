//go:build linux

package builtins

import (
	"regexp"
	"testing"
)

func TestLs(t *testing.T) {
	tr := trial{setup: `
mkdir d d/sub .hid
echo hello > a; echo 12345678901 > "b c"; printf x > run.sh; chmod 755 run.sh; : > empty; : > .dot
head -c 5000 /dev/zero > big; ln -s a link; ln -s none broken; ln -s d dlink; ln a hard; mkfifo pipe; chmod 4755 empty; chmod 1777 d
echo q > d/q; echo "it's" > "it's"; : > f10; : > f9; : > f1.txt
touch -hd '2020-01-02 03:04:05' * .dot .hid d/*; touch -d '2021-05-06 07:08:09.123' big a; touch -d '2019-01-01' f9`,
		env: []string{"TERM=xterm"}, erase: regexp.MustCompile(`(?m)^total .*$`)}
	tr.check(t, "ls", "ls -a", "ls -A", "ls -l", "ls -la a big link", "ls -lA d", "ls -1", "ls -R", "ls -lR d", "ls -lh", "ls -t", "ls -lt", "ls -S", "ls -r",
		"ls -d d a", "ls -ld d", "ls -F", "ls -lF", "ls -p", "ls -n", "ls -o a", "ls -g a", "ls -lL a link", "ls -lH dlink", "ls -l dlink", "ls dlink",
		"ls -U a f9", "ls -X", "ls -v", "ls -C", "ls -x", "ls -m", "ls -Q", "ls --color=never", "ls --color=always", "ls -l --color", "ls --full-time a big",
		"ls -l --time-style=long-iso a", "ls -l --time-style=+%s a", "ls -l --time-style=iso a", "ls --group-directories-first", "ls -C -w 40", "ls -x -w 30",
		"ls -m -w 20", "ls none", "ls none a", "ls -z", "ls --zzz", "ls a d .hid", "ls -i none", "ls -I 'f*'", "ls --hide='f*'", "ls -b", "ls -N", "ls -B",
		"ls --sort=size", "ls --time=ctime -d a", "ls --color=foo", "ls --sort=foo", "ls -lk big", "ls --file-type", "ls -lG a", "ls --si -l big",
		"ls -l --block-size=1K big", "ls --quoting-style=shell-escape", "ls --quoting-style=c", "ls d/", "ls -l broken", "ls broken", "ls -L broken", "ls d/q/x",
		"ls --format=commas", "ls --width=20", "ls -T 0 -C", "ls --time-style=foo -l a", "ls -ltr", "ls -w", "ls --sort", "ls -1 --zero a d")
}

func TestLsTerminal(t *testing.T) {
	dir := trial{setup: `touch 'a b' c "d'e"`}.prepare(t)
	p, stdout, _ := newProcess(t, dir, []string{"ls"})
	p.System = &fakeSystem{p: p, terminal: true}
	if status := ls(p); status != 0 || stdout.String() != "'a b'   c  \"d'e\"\n" {
		t.Errorf("status %d, %q", status, stdout)
	}
}

func TestLsTotal(t *testing.T) {
	trial{setup: `head -c 5000 /dev/zero > a; head -c 100 /dev/zero > b; : > c; touch -d 2020-01-01 *`}.check(t, "ls -l", "ls -s", "ls -lh", "ls -sC", "ls -sk", "ls -ls")
	trial{setup: `touch a b`}.check(t, "ls --color=always")
}
