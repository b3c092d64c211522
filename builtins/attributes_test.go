//go:build linux

package builtins

import (
	"regexp"
	"testing"
)

func TestMkdir(t *testing.T) {
	tr := trial{setup: treeSetup}
	tr.check(t, "mkdir n", "mkdir d", "mkdir -p d n/m/o", "mkdir -pv n/m", "mkdir -m 700 n", "mkdir -m u=rwx,go= n", "mkdir n/m", "mkdir", "mkdir -m 999 n", "mkdir a", "mkdir -p a/b", "mkdir -v n",
		"mkdir -p -m 711 n/m", "mkdir n n", "mkdir -m +t n", "rmdir e", "rmdir d", "rmdir none", "rmdir a", "rmdir -v e", "rmdir", "rmdir --ignore-fail-on-non-empty d", "rmdir -p e")
	trial{setup: `mkdir -p x/y/z`}.check(t, "rmdir -p x/y/z", "rmdir -pv x/y/z")
	tr.umask = 0o077
	tr.check(t, "mkdir n", "mkdir -p n/m", "mkdir -m 755 n", "mkdir -m a+w n")
}

func TestChmod(t *testing.T) {
	trial{setup: treeSetup}.check(t, "chmod 600 a", "chmod u+x,g-r b", "chmod -x a", "chmod +x b", "chmod a=r a", "chmod -R go= d", "chmod -v 600 a", "chmod -c 755 a", "chmod -c 600 a", "chmod +X b d",
		"chmod u=g b", "chmod g+s d", "chmod 2755 d", "chmod +t d", "chmod u+s a", "chmod --reference=b a", "chmod 999 a", "chmod foo a", "chmod", "chmod 600", "chmod 600 none", "chmod 600 la",
		"chmod 600 broken", "chmod -f 600 none", "chmod -Rv 700 d/sub", "chmod o=u,g=o a", "chmod =rw a", "chmod -rw a", "chmod u+rwx,o= b", "chmod a+rwxst a", "chmod -v u+w a", "chmod -- -w a",
		"chmod g=u-w b", "chmod +w b", "chmod 00755 d", "chmod 7777 d")
}

func TestChown(t *testing.T) {
	trial{setup: treeSetup}.check(t, "chown daemon a", "chown daemon:sys a", "chown :sys a", "chown daemon: a", "chown 12:34 a", "chown -R bin d", "chown -v daemon a", "chown -c root a", "chown nobody99 a",
		"chown root:nogroup99 a", "chown root none", "chown", "chown root", "chown -h bin la", "chown bin la", "chown --reference=a b", "chown --from=bin root a", "chgrp sys a", "chgrp -v sys a",
		"chgrp nogroup99 a", "chgrp -R sys d", "chgrp", "chgrp sys", "chown -v root:root a", "chown -c bin:sys a", "chown bin.sys a", "chgrp -v root a")
}

func TestTouch(t *testing.T) {
	trial{setup: treeSetup}.check(t, "touch -d 2020-01-01 a", "touch -d '2020-01-01 12:34:56.789' n", "touch -t 202001021234.56 a", "touch -t 2001021234 a", "touch -r a b", "touch -c none", "touch", "touch none/x",
		"touch -d foo a", "touch -t foo a", "touch -m -d @1600000000 a", "touch -a -d @1600000000 a", "touch -d 2020-01-01T00:00:00Z a", "touch -r none a", "touch -r a -d '1 day' b", "touch -d 'Jan 2 2020' a",
		"touch -d '2 Jan 2020 10:00 +0200' a", "touch n m")
}

func TestStat(t *testing.T) {
	trial{setup: treeSetup}.check(t, "stat -c %n,%s,%F,%a,%A,%h,%u,%U,%g,%G a d la pipe", "stat -c %N a la", "stat -c %y,%Y a", "stat -L -c %F la", "stat -c '%5s|%-5s|%05s|%10n|%.2Y' a", "stat --printf '%n\\n%s\\t' a b",
		"stat none", "stat", "stat -c %f,%t,%T a d pipe", "stat -c %%%q a", "stat -c %h none a", "stat --format=%s a", "stat -Lc %s broken", "stat -c '%#a %+s' a")
	trial{setup: treeSetup, erase: regexp.MustCompile(`Device: \S+|Inode: \d+ *|Change: .*| Birth: .*|Access: 2.*|IO Block: \d+|Blocks: \d+`)}.check(t, "stat a", "stat la", "stat -L la")
}

func TestRealpath(t *testing.T) {
	trial{setup: treeSetup}.check(t, "realpath a", "realpath la d/sub/../lx", "realpath none", "realpath none/x", "realpath -e none", "realpath -m none/x/../y", "realpath -s la", "realpath --relative-to=d a", "realpath --relative-to=. d/sub/y",
		"realpath", "realpath -q none/x", "realpath -z a", "realpath a/x", "realpath --relative-base=d d/x a", "readlink la", "readlink a", "readlink -f la", "readlink -f none", "readlink -f none/x", "readlink -e broken",
		"readlink -f broken", "readlink -m none/x", "readlink -n la", "readlink -v a", "readlink la broken", "readlink", "readlink -z la", "readlink -f .", "realpath .", "realpath ''", "readlink -f d/lx",
		"basename /a/b.c .c", "basename a", "basename", "basename -a x/y z", "basename -s .c a.c b.c", "basename a b c", "basename /", "basename //", "basename -z a", "basename .c .c", "basename a/ b", "basename ''",
		"dirname a", "dirname /a/b", "dirname a/b/ c", "dirname", "dirname /", "dirname //a", "dirname a//b", "dirname -z a/b", "dirname ''")
}

func TestMktemp(t *testing.T) {
	trial{setup: treeSetup, erase: regexp.MustCompile(`(tmp\.|fo\.)[A-Za-z0-9]+`)}.check(t, "mktemp -u", "mktemp -u fo.XXXX", "mktemp -u -t fo.XXX", "mktemp XX", "mktemp none/fo.XXX", "mktemp -u --suffix=.c fo.XXXX", "mktemp -u -p e fo.XXX",
		"mktemp -u --tmpdir=d", "mktemp a b c", "mktemp -d none/fo.XXX", "mktemp -q none/fo.XXX", "mktemp -u fo.XXX.txt", "mktemp -t a/XXX", "mktemp -u --tmpdir fo.XXXX", "mktemp --suffix=.c foo")
	dir := trial{}.prepare(t)
	p, stdout, _ := newProcess(t, dir, []string{"mktemp", "-d", "x.XXXXXX"})
	if status := mktemp(p); status != 0 {
		t.Fatal(status)
	}
	if info, err := p.Files.Stat(stdout.String()[:len(stdout.String())-1]); err != nil || info.Mode().String() != "drwx------" {
		t.Error(info, err)
	}
}
