//go:build linux

package builtins

import "testing"

func TestPatch(t *testing.T) {
	tr := trial{setup: `seq 1 60 > o; mkdir -p a b s; cp o a/f; sed 's/^5$/five/;40d;$a end' o > b/f; touch -d '2020-01-02 03:04:05' a/f b/f; diff -u a/f b/f > p1 || true; cp o f; cp b/f new
sed '1i zero\nzero' o > shifted; sed 's/^8$/eight/' o > fuzzy; sed 's/^5$/cinq/' o > bad; printf 'x\ny' > nn; printf 'x\nz' > nn2; touch -d '2020-01-02 03:04:05' nn nn2; diff -u nn nn2 > p2 || true
printf 'hello\n' > b/made; touch -d '2020-01-02 03:04:05' b/made; diff -uN a/made b/made > p3 || true; diff -uN b/made a/none > p4 || true; cp b/made made; cp -r a b s; echo garbage > g; cp o s/f`, loose: true}
	tr.check(t, "patch -i p1", "patch -p1 -i p1", "patch -p0 -i p1", "patch f p1", "patch -R new p1", "patch -s f p1", "patch --dry-run f p1", "patch -b f p1", "patch shifted p1", "patch fuzzy p1", "patch bad p1",
		"patch -N new p1", "patch new p1", "patch nn p2", "patch -R nn2 p2", "patch -p1 -i p3", "patch -p1 -d s -i ../p1", "patch -d s -i ../p1", "patch f g", "patch -F0 fuzzy p1", "patch -p1 --dry-run -i p3", "patch f none", "patch -E made p4", "patch -R -p1 -d s/b -i ../../p3")
}
