//go:build linux

package builtins

import "testing"

const grepSetup = `
printf 'foo bar\nFoo\nbarfoo\nfoobar foo\n\nx.y\nx+y\nline9\n' > a
printf 'nothing\nfoo\n' > b; printf 'bin\0foo\n' > bin; mkdir -p d/s; echo foo > d/x.c; echo foo > d/y.h; echo 'a foo' > d/s/z.c
seq 1 20 > s; printf 'foo\nbar\n' > pats; : > none2; printf 'abab\nabba\naa\n' > back`

func TestGrep(t *testing.T) {
	tr := trial{setup: grepSetup, stdin: "foo\nbar\n"}
	tr.check(t, "grep foo a", "grep foo a b", "grep -c foo a b", "grep -l foo a b s", "grep -L foo a b s", "grep -n foo a", "grep -v foo a", "grep -i foo a", "grep -w foo a", "grep -x foo b", "grep -o foo a", "grep -ob foo a", "grep -q foo a", "grep -q zz a", "grep zz a", "grep foo missing", "grep -s foo missing a", "grep -s foo missing", "grep -h foo a b", "grep -H foo a", "grep -e foo -e bar a", "grep -f pats a", "grep -f none2 a", "grep -vf none2 b", "grep -m1 foo a", "grep -A1 Foo a", "grep -B1 Foo a", "grep -C1 barfoo a", "grep -2 15 s", "grep -A1 -n 1 s", "grep -F x.y a", "grep x.y a", "grep -E 'x\\+y|Foo' a", "grep 'x+y' a", "grep 'o\\{2\\}' a", "grep -E 'o{2}' a", "grep '^$' a", "grep '' a", "grep -E '^(foo|bar)' a", "grep 'foo$' a", "grep '\\<foo\\>' a", "grep '\\bfoo' a", "grep '[[:digit:]]' a", "grep '[^a-z]' a", "grep foo bin", "grep -a foo bin", "grep -c foo bin", "grep -I foo bin", "grep -o 'b[a-z]*' a", "grep foo", "grep -c foo -", "grep -n foo - b", "grep foo d", "grep '\\(a\\)\\(b\\)\\2\\1' back", "grep -E '(a)(b)\\1\\2' back", "grep -E '^(.)\\1$' back", "grep --color=always foo a", "grep --color=always -n foo a b", "grep -z foo b", "grep -vc foo a", "grep -on foo a", "grep '\\(' a", "grep -E '(' a", "grep -E 'a{2,1}' a", "grep", "grep -A x foo a", "grep -P 'fo{2}(?=bar)' a", "grep -oP 'foo\\K.*' a", "grep -iw FOO a", "grep -xF foo b", "grep -E 'x|' b", "grep '*a' a", "grep -E -o '[0-9]+' s", "grep -m2 -A1 foo a", "grep -c '' none2", "grep -Z -l foo a", "grep -T -n foo a", "grep -e '' b", "grep -Fi FOO a", "grep -Fw foo a", "grep -nv . a", "grep -y foo a", "grep --include '*.c' foo d/x.c d/y.h", "grep -lv foo b", "grep -bn foo a", "egrep 'foo|Foo' a", "fgrep x.y a")
	tr.sorted = true
	tr.check(t, "grep -r foo d", "grep -rn foo .", "grep -r --include=*.c foo d", "grep -r --exclude=*.c foo d", "grep -r --exclude-dir=s foo d", "grep -rl foo", "grep -rc foo d", "grep -rh foo d")
}
