//go:build linux

package builtins

import (
	"regexp"
	"testing"
)

const tarSetup = treeSetup + `
rm -f pipe; touch -hd 2020-03-03 * d/* d/sub/y d/sub d; tar cf t.tar a b d la broken; tar czf t.tgz --owner=bin --group=12 d; tar cf abs.tar -P /etc/hostname 2>/dev/null || :; mkdir o; echo old > o/a; gzip -kn b; echo junk > junk.tar; head -c 700 t.tar > cut.tar; zstd -q t.tar
touch -d 2020-01-01 *.tar *.tgz *.gz *.zst o o/a`

func TestTar(t *testing.T) {
	trial{setup: tarSetup, erase: regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d`)}.check(t, "tar tf t.tar", "tar -tvf t.tar", "tar tvf t.tgz", "tar tzf t.tgz", "tar -xf t.tar -C o", "tar xf t.tar -C o d/x", "tar -xvf t.tar -C o a d", "tar xf t.tar -C o --strip-components=1", "tar xf t.tar --exclude=sub -C o",
		"tar xf t.tar -C o -O a", "tar xkf t.tar -C o a", "tar xf t.tar none", "tar xf none.tar", "tar tf junk.tar", "tar", "tar cf n.tar", "tar xf t.tar -C none", "tar -tf t.tar d", "tar tf t.tar --exclude '*x'", "tar xf t.tar --skip-old-files -C o a", "tar --overwrite -xf t.tar -C o a",
		"tar xpf t.tgz -C o", "tar xzf t.tar", "tar xf t.tar --wildcards 'd/*' -C o", "tar cxf t.tar", "tar tf t.tar.zst", "tar -x -f t.tar --no-same-owner -C o", "tar xmf t.tgz -C o --no-same-permissions")
	created := func(options string) {
		t.Helper()
		dir := trial{setup: tarSetup}.prepare(t)
		p, _, stderr := newProcess(t, dir, splitWords("tar cf n.tar "+options))
		if status := tarCommand(p); status != 0 {
			t.Fatalf("tar cf n.tar %s: %d, %s", options, status, stderr)
		}
		data, err := p.Files.ReadFile("n.tar")
		if err != nil {
			t.Fatal(err)
		}
		trial{setup: tarSetup, stdin: string(data)}.check(t, "tar tvf -", "tar xf - -C o")
	}
	created("a b d la broken --mtime=2020-01-01")
	created("d --exclude=sub --owner=daemon --group=sys:3 --mtime=@0")
	created("-C d x sub --numeric-owner --mode=a-w --mtime=@100")
	trial{setup: tarSetup}.check(t, "tar cf - none", "tar cvf /dev/null none a")
}

func TestGzip(t *testing.T) {
	trial{setup: tarSetup}.check(t, "gzip -dc b.gz", "zcat b.gz", "gunzip -k -f b.gz", "gzip none", "gzip d", "gzip b", "gzip -t b.gz", "gzip -l b.gz", "gzip -d a", "gzip -d junk.tar", "gzip b.gz", "gunzip none", "gzip -tv b.gz", "gzip -c none", "gunzip -c b", "zcat junk.tar", "gunzip -f b", "zcat a b.gz")
	for _, options := range []string{"-c", "-9c", "-nc", "-1"} {
		dir := trial{setup: tarSetup}.prepare(t)
		p, stdout, stderr := newProcess(t, dir, []string{"gzip", options, "a"})
		if status := gzipCommand(p); status != 0 {
			t.Fatal(options, stderr)
		}
		data := stdout.String()
		if options == "-1" {
			packed, err := p.Files.ReadFile("a.gz")
			if err != nil {
				t.Fatal(err)
			}
			data = string(packed)
		}
		trial{stdin: data}.check(t, "gzip -dc", "gzip -t")
	}
}
