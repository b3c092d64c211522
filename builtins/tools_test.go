//go:build linux

package builtins

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
)

// What Info-ZIP, bzip2 and zstd packed: a tree with a link, and twice the output of seq 500.
const (
	packedZip   = `UEsDBAoAAAAAAIAYIlAAAAAAAAAAAAAAAAACAAAAZC9QSwMECgAAAAAAgBgiUEO+t+gBAAAAAQAAAAMAAABkL2xhUEsDBAoAAAAAAIAYIlAAAAAAAAAAAAAAAAAEAAAAZC9lL1BLAwQUAAAACACAGCJQ3PGLZ44AAAAkAQAABQAAAGQvZS9uFZBJAQBBDIP+qGl617+xnTWQAMIJkqIZlkOGhBwFSlSo0aBFhxsu3PHAEy+88cEXP8IIEW8yiCSKaGKIJY40UqST7zHJIpsccsmjjBLlVFAPqKimhlrqaKNFOx100o+36aGXPsYYMc4Ek0wxT2eYZY41VqyzwSZbbLPPdtnjjBPnXHDJFdfccC/GX8P4AFBLAwQKAAAAAACAGCJQenpv7QMAAAADAAAAAwAAAGQvYWhpClBLAQIeAwoAAAAAAIAYIlAAAAAAAAAAAAAAAAACAAAAAAAAAAAAEADtQQAAAABkL1BLAQIeAwoAAAAAAIAYIlBDvrfoAQAAAAEAAAADAAAAAAAAAAAAAAD/oSAAAABkL2xQSwECHgMKAAAAAACAGCJQAAAAAAAAAAAAAAAABAAAAAAAAAAAABAA7UFCAAAAZC9lL1BLAQIeAxQAAAAIAIAYIlDc8YtnjgAAACQBAAAFAAAAAAAAAAEAAACkgWQAAABkL2UvblBLAQIeAwoAAAAAAIAYIlB6em/tAwAAAAMAAAADAAAAAAAAAAEAAACkgRUBAABkL2FQSwUGAAAAAAUABQD3AAAAOQEAAAAA`
	packedBzip2 = `QlpoOTFBWSZTWeZKJCQAAS1IAAAQf+BQBDgA9SqUqqqiAaaaCAaaaCKnjJN/qVQgGmmgaR71UpPZU1K1y8795PNAHxsB0cAwLBYMDgHRsB8aAPKAD5TYDzQB8bAdHAMCwWDA4B0bAfGgDygA6o4B5oA+NgOjgGBYLBgcA6NgPjQB5QAYoWDzQB8bAdHAMCwWDA4B0bAfGgDygAtQYHAOjYD40AeUAHq9Xve973jzQB8bAdHAXd3b7776222222222222222223qDnekklSSSQ80AfGwXd3cC6/U0LMjQsyNCzI0LMjQsyNCzI0LMjQsyNCzJ7nNc573ve792d73okklSSSDzQLu7v0HK/Veru+V+q2zcyGzcyGzcyGzcyGzcyGzdfqu93e6/Vd7u91+qZmbySSPjQB5R3ve+973vT3ve8D773e7mQ2bmQ2bmQVqZBWpkFamQVqZBWpkFan6ru+Xqv1TMzOSSR0bAfGgDyu973vuc5zne9+7qZBWpkFamQVqZAZkBmQGZAZkBmQGZPc5zkuSRgcA6NgPjQZMzMD0AAAAAAAHuc5kmSRYLBgcA6NjMmZgfwAAAAAAA9znMknZHAMCwWDA4ZmTMD8AAAAAAAPc5zJJPo2A6OAYFgtmZkwOAAAAAAACc9+73sknxsB0cAwLBbMzPe97wAAAAAAQP8XckU4UJDmSiQkA=`
	packedZstd  = `KLUv/QRY/RgA+nVQDAugxQ1kt8gOVd8mBMEAxAC+APE0lsZtzMZrHI1B48C4GBPjYSyMy5iMxzgYA8ZhcS2mxbNYFncxF29xLAaLQ8QVMUU8EUvEjZgRL+KIA4gLxATiAbGAuCAmiAfiADEAcQhXmMITlnDDDC8cYRAOddVUTy11a9arowZ1oIsmemihS5MeHTSgw1wzzTPL3Jnz5pjBHOSSSR5Z5MqUJ4cM5NCrU58uvZ19PTrogRcnPlx4Ofl4cMDDrk17tuxu7u3YYIe4Yoonlrgx48URgzhc07Pc+Y67szl7s2M2mB1kl2ySPbJFdmVT9mSHbCA7dFc3dU+3dLeb3euObtAduIubuIdbuMtN7nEHN+AO27VN27Mt293m9rZjG2yH2BWbYk9sid3YjL3YERvEDmAX2AT2gC1gF2yCPbADbAB2CHGFmEI8IZYQN8QM8UIcIQYhDhVXxVTxVCwVt2JWvIqjYlBxoLgoJoqHYqG4FJPiURwUA4rDxDUxTTwTy8SdmBNv4pgYTBwkLolJ4pFYJK7ElHgSh8RA4tC4GlMDfMWjOCgeiBdxIj7EhXiJk/iIB3FAPAyv4TR8hsvwDufwDY/hYHgQXsJJ+AgX4RVO4RMewoHwUF7lVD7lUt5ylq88ykF5IC9yIh9yIS85yUce5IA8jNc4jc+4jHec4xuPcTAegldwCj7BJXiDM/iCR3AQPABegBPgA7gAXsAJ+AAPwAHgIewKm8KesCXshs2wF3aEDcIOtas21Z7aUru1WXu1ozaoHWgXbaI9tIV2aZP2aAdtQDvMrtk0e2bLBAMgh9ArdAp9QpfQGzpDX+gROgg9VK/qVH2qS/VWZ/VVj+qgeqBe1In6UBfqpU7qox7UAfUwvabT9Jku0zud0zc9poPpQXpJJ+kjXaRXOqVPekgH0kN7tVP7tEt729m+9mgH7YG92Il92IW97GQfe7AD9rBe67Q+67Leda5vPdbBeohe0Sn6RJfojc7oix7RQfQAeoFOoA/oAnpBJ+gDPUAHoIfAK3AKfAKXwBs4A1/gETgIPBSv4lR8ikvxFmcFAQBJOsKaAgEpKPc=`
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
	trial{setup: `seq 500 > a; base64 -d > a.bz2 <<< ` + packedBzip2 + `; base64 -d > a.zst <<< ` + packedZstd + `; touch -d 2020-01-02 a a.bz2 a.zst; cp a.bz2 b.bz2; cp a.bz2 c.tbz2`, loose: true}.check(t, "bzip2 -dc a.bz2", "bzcat a.bz2", "bunzip2 b.bz2", "bunzip2 -k b.bz2", "bzip2 -t a.bz2", "bunzip2 a.bz2",
		"bunzip2 c.tbz2", "zstd -dcq a.zst", "zstdcat a.zst", "unzstd -qf a.zst", "zstd -qdf --rm a.zst", "bunzip2 -f a.bz2")
}

func TestZip(t *testing.T) {
	trial{setup: `mkdir -p d/e out; touch d/a d/e/n; ln -s a d/l; base64 -d > z.zip <<< ` + packedZip}.check(t, "unzip -l z.zip", "unzip -p z.zip d/a", "unzip -p z d/e/n", "unzip -q z.zip -d out",
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
	for line, want := range map[string]int{"chroot / true": 125, "umount /x": 1, "dmesg": 1, "mount /a /b": 32, "bzip2 a": 1} {
		p, stdout, stderr := newProcess(t, t.TempDir(), splitWords(line))
		if status := Lookup(p.Args[0])(p); status != want || stdout.Len() > 0 || !regexp.MustCompile(`^\w+: .{20,}\n$`).MatchString(stderr.String()) {
			t.Errorf("%s: status %d, %q %q", line, status, stdout, stderr)
		}
	}
}

func TestColumn(t *testing.T) {
	trial{setup: `printf 'a bb ccc\ndddd e f\n\nx\n' > a; printf 'a:b::c\nlong:x:y:z\n' > p; printf '1,two\n333,4\n' > n`, loose: true}.check(t, "column -t a", "column -t -s : p", "column -t -s : -o ' | ' p", "column -t -s , -N num,word n", "column -t -s , -R 1 n")
}

func TestTerminalTools(t *testing.T) {
	for line, want := range map[string]string{"stty size": "24 80\n", "tput cols": "80\n", "tput lines": "24\n", "tput -T xterm setaf 1": "\x1b[31m", "tput -T xterm-256color colors": "256\n", "tput -T xterm cup 1 2": "\x1b[2;3H", "clear": "\x1b[H\x1b[2J\x1b[3J"} {
		p, stdout, stderr := newProcess(t, t.TempDir(), splitWords(line))
		p.System = &fakeSystem{p: p, terminal: true}
		if status := Lookup(p.Args[0])(p); status != 0 || stdout.String() != want || stderr.Len() > 0 {
			t.Errorf("%s: status %d, %q, want %q (%s)", line, status, stdout, want, stderr)
		}
	}
	p, _, stderr := newProcess(t, t.TempDir(), []string{"stty", "size"})
	if status := stty(p); status != 1 || stderr.String() != "stty: 'standard input': Inappropriate ioctl for device\n" {
		t.Errorf("status %d, %q", status, stderr)
	}
}

func TestTree(t *testing.T) {
	p, stdout, _ := newProcess(t, t.TempDir(), []string{"tree", "d"})
	for name, text := range map[string]string{"d/a/x": "1", "d/b": "2", "d/.hidden": "3"} {
		if err := p.Files.MkdirAll(dirName(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := p.Files.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if status := tree(p); status != 0 || stdout.String() != "d\n├── a\n│\u00a0\u00a0 └── x\n└── b\n\n2 directories, 2 files\n" {
		t.Errorf("status %d\n%s", status, stdout)
	}
}

func TestLoggerAndRelease(t *testing.T) {
	p, _, stderr := newProcess(t, t.TempDir(), []string{"logger", "-t", "job", "all", "done"})
	if status := logger(p); status != 0 || stderr.String() != "job: all done\n" {
		t.Errorf("status %d, %q", status, stderr)
	}
	p, stdout, _ := newProcess(t, t.TempDir(), []string{"lsb_release", "-cs"})
	if err := p.Files.Tree().View(rootfs.Cred{}).WriteFile("/etc/os-release", []byte("ID=debian\nVERSION_CODENAME=bookworm\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status := lsbRelease(p); status != 0 || stdout.String() != "bookworm\n" {
		t.Errorf("status %d, %q", status, stdout)
	}
}
