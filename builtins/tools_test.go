//go:build linux

package builtins

import (
	"regexp"
	"strings"
	"testing"
)

func TestSmallTools(t *testing.T) {
	trial{setup: `printf 'hello\n' > a; mkdir d; touch b`, env: []string{"X=1", "Y=a b"}}.check(t, "printenv X", "printenv X Y NONE", "printenv -0 Y", "pwd", "pwd -P", "link a c", "link a b", "link a", "link", "link a b c", "link none c",
		"unlink a", "unlink none", "unlink", "unlink a b", "unlink d", "pathchk a d/x", "pathchk -p 'a b'", "pathchk -P -- -x", "pathchk ''", "pathchk -P ''", "pathchk -p abcdefghijklmnop", "pathchk", "pathchk a/b",
		"sum a", "sum -r a b", "sum -s a", "sum -s a b", "sum none", "b2sum a", "b2sum b", "b2sum --tag a", "users", "who")
	trial{setup: `seq 1 25 > s; head -c 70 /dev/zero > z; printf "a\\tb\\001\\377\\n" > c; xxd s > s.xxd; xxd -p s > s.p`}.check(t, "hexdump s", "hexdump z", "hexdump c", "hexdump -x s", "hexdump -d c", "hexdump -o s", "hexdump -b c", "hexdump -c c", "hexdump -c s", "hexdump -v z", "hexdump -n 5 -s 3 s", "xxd -r s.xxd", "xxd -r -p s.p", "xxd -c 8 -g 1 s", "xxd -u c", "xxd -l 3 s", "xxd -s 4 s", "xxd -g 4 s", "xxd -p -c 10 s")
	trial{stdin: "hello\n"}.check(t, "sum", "sum -s", "b2sum")
	trial{setup: `seq 1 200 > long; b2sum long > sums`}.check(t, "b2sum -c sums", "sum long", "sum -s long")
}

func TestTsort(t *testing.T) {
	trial{setup: `printf 'a b\nb c\na d\nd c\ne e\n' > x; printf 'a b c\n' > odd; printf 'a b\nb a\n' > loop; printf '3 8\n3 10\n5 11\n7 8\n7 11\n8 9\n11 2\n11 9\n11 10\n' > y`}.check(t, "tsort x", "tsort odd", "tsort loop", "tsort y", "tsort none", "tsort x y")
}

func TestBzip2AndZstd(t *testing.T) {
	trial{setup: `seq 500 > a; touch -d 2020-01-02 a; bzip2 -k a; zstd -q a; cp a b; bzip2 b; cp a.bz2 c.tbz2`, loose: true}.check(t, "bzip2 -dc a.bz2", "bzcat a.bz2", "bunzip2 b.bz2", "bunzip2 -k b.bz2", "bzip2 -t a.bz2", "bunzip2 a.bz2",
		"bunzip2 c.tbz2", "zstd -dcq a.zst", "zstdcat a.zst", "unzstd -qf a.zst", "zstd -qdf --rm a.zst", "bunzip2 -f a.bz2")
}

func TestZip(t *testing.T) {
	trial{setup: `mkdir -p d/e; echo hi > d/a; seq 100 > d/e/n; ln -s a d/l; touch -d '2020-01-02 03:04' d d/a d/e d/e/n; zip -qry z.zip d; mkdir out`}.check(t, "unzip -l z.zip", "unzip -p z.zip d/a", "unzip -p z d/e/n", "unzip -q z.zip -d out",
		"unzip -qo z.zip", "unzip -qn z.zip", "unzip -qj z.zip 'd/e*' -d out", "unzip -q z.zip -x 'd/e/*' -d out", "unzip none")
}

func TestZipRoundTrip(t *testing.T) {
	p, _, stderr := newProcess(t, t.TempDir(), []string{"zip", "-qr", "z.zip", "d"})
	if err := p.Files.MkdirAll("d/e", 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("line\n", 1000)
	if err := p.Files.WriteFile("d/e/f", []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	if status := zipCommand(p); status != 0 {
		t.Fatalf("zip: %d %s", status, stderr)
	}
	p.Args = []string{"unzip", "-q", "z.zip", "-d", "out"}
	if status := unzip(p); status != 0 {
		t.Fatalf("unzip: %d %s", status, stderr)
	}
	data, err := p.Files.ReadFile("out/d/e/f")
	if err != nil || string(data) != text {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if info, err := p.Files.Stat("out/d/e/f"); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestRefused(t *testing.T) {
	for line, want := range map[string]int{"chroot / true": 125, "umount /x": 1, "dmesg": 1, "flock -n f true": 1, "mount /a /b": 32, "bzip2 a": 1} {
		p, stdout, stderr := newProcess(t, t.TempDir(), splitWords(line))
		if status := Lookup(p.Args[0])(p); status != want || stdout.Len() > 0 || !regexp.MustCompile(`^\w+: .{20,}\n$`).MatchString(stderr.String()) {
			t.Errorf("%s: status %d, %q %q", line, status, stdout, stderr)
		}
	}
}
