//go:build linux

package builtins

import "testing"

const textSetup = `
printf 'banana\napple\ncherry\n\n\n\tTab \001\200é\r\nlast' > a
printf '10 x\n9 y\n100 x\n1.5 z\n-3 a\n10 x\n' > n
printf 'a:1:x\nb:2:y\nc:3:z\nnone\n' > f
seq 1 30 > s
printf 'a\nb\nd\n' > l; printf 'b\nc\nd\ne\n' > r
printf 'v1.10\nv1.2\nv1.2~rc\n1K\n2M\n3\nJAN\nfeb\n' > v
mkdir d; : > empty`

func TestText(t *testing.T) {
	tr := trial{setup: textSetup, stdin: "one two\nthree\n\nfour"}
	tr.check(t, "cat a", "cat -A a", "cat -n a s", "cat -b a f", "cat -s a", "cat -et a", "cat -v a", "cat none a", "cat d", "cat - f", "cat -E a", "cat",
		"head s", "head -n 3 s", "head -3 s", "head -n -25 s", "head -c 5 s", "head -c -60 s", "head -n 1 s f", "head -q -n 1 s f", "head -v -n1 s", "head none s", "head -n x s", "head -n 2", "head -c 1K s",
		"tail s", "tail -n 3 s", "tail -3 s", "tail -n +28 s", "tail -c 5 s", "tail -c +70 s", "tail -n 1 s f", "tail -q -n 1 s f", "tail -n 2", "tail -c 6", "tail -n 0 s", "tail -n 3 a", "tail +2", "tail none", "tail empty",
		"wc s", "wc -l s", "wc -l s f", "wc -c s", "wc -w", "wc", "wc -L s", "wc -lw s none f", "wc none", "wc d", "wc -l", "wc empty", "wc - s",
		"uniq n", "uniq -c n", "uniq -d n", "uniq -u n", "uniq -f1 n", "uniq -w1 n", "uniq -D n", "uniq none", "uniq -i n out", "uniq -c",
		"cut -d: -f2 f", "cut -d: -f1,3 f", "cut -d: -f2- -s f", "cut -c2-3 f", "cut -b-2 f", "cut -c1,3 --output-delimiter=_ f", "cut -d: -f2 --complement f", "cut -f1", "cut f", "cut -f0 f", "cut -f3-1 f", "cut -d: -f 1,2 --output-delimiter='<>' f", "cut -c 1 none",
		"tac s", "tac a", "tac", "rev f", "nl a", "nl -ba s", "nl -w2 -s. f", "fold -w3 f", "fold -sw5 f", "paste l r", "paste -s l r", "paste -d, l r", "paste - - s", "paste -d '\\n' l r", "comm l r", "comm -12 l r", "comm -3 l r", "comm -23 l r", "comm r s", "comm l",
		"tee x y", "tee -a f", "tee none/x", "tee d")
	tr.check(t, "tr a-z A-Z", "tr -d o", "tr -s e", "tr -cd '[:alnum:]'", "tr -c 'a-z' '\\n'", "tr '[:lower:]' '[:upper:]'", "tr eo 01", "tr -s '[:space:]' ' '", "tr 'a-e' 'x'", "tr -d '\\n'", "tr ab", "tr -ds a-m n-z", "tr '[a*3]x' 'y'", "tr abc '[x*]'", "tr z-a x", "tr '\\141-\\145' 'A-E'", "tr -t abcde xy", "tr a", "tr")
}

func TestSort(t *testing.T) {
	tr := trial{setup: textSetup, stdin: "b\na\nB\nA\n"}
	tr.check(t, "sort a", "sort n", "sort -n n", "sort -rn n", "sort -u n", "sort -nu n", "sort -k2 n", "sort -k2,2 -k1,1n n", "sort -k2,2 -s n", "sort -t: -k2nr f", "sort -f", "sort -fu", "sort", "sort -c n", "sort -C n", "sort -c s", "sort -cn s",
		"sort -V v", "sort -h v", "sort -M v", "sort -g n", "sort -b a", "sort -d a", "sort -m l r", "sort -o x n", "sort -o n n", "sort -r s", "sort -k1.2,1.3 s", "sort none", "sort -k0 n", "sort -k1x n", "sort -t '' n", "sort -t ab n", "sort -z", "sort -nr -k1,1 -u n", "sort -k 2b n", "sort -k2r -k1n n", "sort s n", "sort -gr n", "sort -i a", "sort -rs n", "sort -fr")
}

func TestNumbers(t *testing.T) {
	tr := trial{}
	tr.check(t, "seq 3", "seq 2 4", "seq 1 .5 3", "seq 5 -2 1", "seq -w 8 11", "seq -s, 3", "seq -f %03g 3", "seq 0.1 0.1 1", "seq -w 0.5 10", "seq 1e1", "seq 3 1", "seq 1 0 3", "seq x", "seq", "seq -5 -3", "seq 1000000 1000002", "seq -f x%.2fy 2", "seq -f %d 2", "seq 0 .1 .3",
		"expr 1 + 2", "expr 7 / 2", "expr 7 % 0", "expr 2 '*' 3 + 1", "expr '(' 1 + 2 ')' '*' 3", "expr abc : 'a\\(.\\)c'", "expr abc : '.*'", "expr abc : x", "expr length hello", "expr substr hello 2 3", "expr index hello l", "expr 1 '<' 2", "expr a = b", "expr 0 '|' x", "expr 3 '&' 0", "expr x + 1", "expr", "expr 1 +", "expr 1 2", "expr 10 '<' 9", "expr '' '|' ''", "expr match foo 'f\\(o*\\)'", "expr + length", "expr -5 - 3", "expr 99999999999999999999 + 1", "expr aXb : 'a.b'",
		"printf '%d %s\\n' 1 a 2 b", "printf '%5.2f|%-5s|%05d\\n' 3.14159 ab 42", "printf '%x %o %X %#x\\n' 255 8 255 255", "printf '%b' 'a\\tb\\n'", "printf '%q\\n' 'a b'", "printf '%c%c' abc d", "printf '%d\\n' 0x1f 010 \"'A\"", "printf '%d\\n' x", "printf '%d' 1x", "printf '%s'", "printf", "printf '%z' 1", "printf 'a\\x41\\101\\n'", "printf '%e %g %G\\n' 12345.678 0.00001 1e20", "printf '%%\\n'", "printf '%*d|%-*d|\\n' 5 1 5 2", "printf '%.3s|\\n' abcdef", "printf 'no\\n' extra", "printf '%+d % d\\n' 5 5", "printf '%.20f\\n' 0.1", "printf '%u\\n' -1", "printf 'a\\cb'", "printf '%i\\n' 99999999999999999999", "printf '%5%|'", "printf '%s\\n' a b c", "printf '%.0f %.0f\\n' 0.5 1.5", "printf '%g\\n' inf",
		"echo a b", "echo -n a", "echo -e 'a\\tb\\0101\\x41'", "echo -e 'a\\cb' c", "echo -E 'a\\tb'", "echo -x", "echo", "echo -- a", "true", "false")
}

func TestTest(t *testing.T) {
	tr := trial{setup: `echo x > f; mkdir d; ln -s f l; ln f h; : > e; touch -d 2001-01-01 old; chmod 755 f`}
	tr.check(t, "test", "test a", "test ''", "test -n a", "test -z ''", "test -f f", "test -d d", "test -e none", "test -L l", "test -h f", "test -s e", "test -s f", "test -x f", "test -x e", "test -r f", "test f -nt old", "test f -ot old", "test f -ef h", "test f -ef d", "test f -nt none", "test none -ot f",
		"test 1 -eq 1", "test 1 -lt 2", "test x -eq 1", "test a = b", "test a != b", "test ! a", "test ! a = b", "test '(' a ')'", "test a -a ''", "test '' -o b", "test -f f -a -d d", "test '(' a = a ')' -o b = c", "test a b", "test a = b c", "test -x", "test =", "test ! ", "test -t 0", "[ a = a ]", "[ a", "[ ]", "test 010 -eq 10", "test ' 1' -eq 1", "test ! ! a", "test -n", "test -a -a -a", "test '(' ')'", "test a -foo b", "test -p f", "test '(' '!' a ')' -o x")
}

func TestEncodings(t *testing.T) {
	tr := trial{setup: textSetup + `
sha256sum a n > sums; echo bad >> sums; sed 's/^./0/' sums > wrong; sha1sum --tag a > tagged`, stdin: "hello world\n"}
	tr.check(t, "sha256sum a s", "md5sum", "sha1sum a none", "sha512sum -b a", "sha256sum --tag a", "sha256sum -c sums", "sha256sum -c wrong", "sha256sum --quiet -c sums", "sha256sum --status -c wrong", "sha1sum -c tagged", "sha224sum a", "sha384sum a", "sha256sum d", "cksum a", "cksum", "sha256sum -c a",
		"base64", "base64 a", "base64 -w 10 a", "base64 -w0 s", "base32 a", "base64 -d", "base64 none",
		"od a", "od -c a", "od -An -tx1 a", "od -A x -t x1z s", "od -t d4 s", "od -x a", "od -b a", "od -j 3 -N 5 -c a", "od -v -tx1 empty", "od -A d -t u1 a", "od -t x1 -t c a", "od -tx2 s", "od -w4 -tx1 a", "strings a", "strings -n 3 n")
}
