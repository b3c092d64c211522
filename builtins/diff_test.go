//go:build linux

package builtins

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

const diffSetup = `
printf '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n' > a; printf '1\n2\nthree\n4\n5\n6\n7\n8\n9\n10\n11\n11.5\n12\n14\n15\n16\n' > b; cp a same; printf 'x\ny' > nonl; printf 'x\ny\n' > nl; : > empty
printf 'A  b\n c\n\nd \n' > s1; printf 'a b\n  c\nd\n' > s2; printf 'a\0b' > bin1; printf 'a\0c' > bin2
mkdir -p d1/s d2/s d1/only; echo 1 > d1/x; echo 2 > d2/x; echo same > d1/y; echo same > d2/y; echo new > d2/z; echo q > d1/s/q; echo r > d2/s/q; mkdir d1/t; echo t > d2/t
touch -d '2020-01-02 03:04:05.123456789' * d1/* d2/* d1/s/* d2/s/*`

func TestDiff(t *testing.T) {
	trial{setup: diffSetup}.check(t, "diff a b", "diff a same", "diff -u a b", "diff -U1 a b", "diff -U 0 a b", "diff -c a b", "diff -C 1 a b", "diff -q a b", "diff -q a same", "diff -s a same", "diff -u nonl nl", "diff nonl nl", "diff nl nonl", "diff empty nl", "diff nl empty",
		"diff -u empty nl", "diff -u nl empty", "diff -c empty nl", "diff -i s1 s2", "diff -w s1 s2", "diff -b s1 s2", "diff -B s1 s2", "diff -iwB s1 s2", "diff -ibB s1 s2", "diff -u -B s1 s2", "diff bin1 bin2", "diff -a bin1 bin2", "diff -q bin1 bin2", "diff none a", "diff a none", "diff a", "diff", "diff a b same",
		"diff d1 d2", "diff -r d1 d2", "diff -ru d1 d2", "diff -rN d1 d2", "diff -ruN d1 d2", "diff -rq d1 d2", "diff -rs d1 d2", "diff -r -x s d1 d2", "diff a d1", "diff d1/x d2", "diff --label L1 --label L2 -u a b", "diff -u --label L1 a b", "diff -2u a b", "diff -u2 a b", "diff -N none a", "diff -uN a none", "diff -z a b",
		"diff --normal a b", "diff --brief a b", "diff --unified=2 a b", "diff --color=never a b", "diff -Z s1 s2", "diff -E a b", "diff none none2", "diff -U x a b", "diff d1 none")
	trial{setup: diffSetup, stdin: "1\n2\n"}.check(t, "diff a -", "diff - a", "diff -q - a")
}

// TestDiffRandom compares files made of few different lines, where many shortest scripts exist.
func TestDiffRandom(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	var setup strings.Builder
	var lines []string
	for i := range 40 {
		var a, b []string
		for range 5 + random.Intn(30) {
			line := fmt.Sprint("line ", random.Intn(60))
			switch random.Intn(8) {
			case 0:
				a = append(a, line)
			case 1:
				b = append(b, line)
			case 2:
				b = append(b, fmt.Sprint("new ", random.Intn(50)))
			default:
				a, b = append(a, line), append(b, line)
			}
		}
		fmt.Fprintf(&setup, "printf '%%s\\n' '%s' > a%d; printf '%%s\\n' '%s' > b%d\n", strings.Join(a, "' '"), i, strings.Join(b, "' '"), i)
		lines = append(lines, fmt.Sprintf("diff a%d b%d", i, i))
	}
	trial{setup: setup.String()}.check(t, lines...)
}

func TestCmp(t *testing.T) {
	trial{setup: diffSetup}.check(t, "cmp a b", "cmp a same", "cmp -s a b", "cmp -l a b", "cmp nonl nl", "cmp empty nl", "cmp none a", "cmp", "cmp a", "cmp -b s1 s2", "cmp -n 3 a b", "cmp -i 1 a b", "cmp -l bin1 bin2", "cmp -bl s1 s2", "cmp a b 1 2", "cmp d1 a", "cmp -s none a", "cmp -i 1:2 a b", "cmp -n x a b", "cmp nl nonl", "cmp -l empty nl")
}
