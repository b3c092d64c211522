//go:build linux

package builtins

import "testing"

const treeSetup = `
mkdir -p d/sub e; echo one > a; echo two > b; echo three > d/x; echo four > d/sub/y; ln -s x d/lx; ln d/x d/hx; chmod 640 b; chmod 750 d/sub
ln -s a la; ln -s none broken; mkfifo pipe; chmod 755 a
touch -d '2020-01-02' a; touch -d '2021-01-02' b; touch -hd '2020-02-02' d/* d/sub/y d/sub d e la`

func TestCp(t *testing.T) {
	trial{setup: treeSetup}.check(t, "cp a c", "cp a b", "cp -v a b e", "cp d e", "cp -r d e", "cp -r d new", "cp -a d new", "cp -a la e", "cp la c", "cp -P la c",
		"cp -rL d new", "cp -p a c", "cp none c", "cp a", "cp", "cp a none/c", "cp a b c", "cp a b none", "cp -t e a b", "cp -t none a", "cp -T d e", "cp -rT d e", "cp a a",
		"cp -n a b", "cp -u a b", "cp -u b a", "cp -l a c", "cp -s a c", "cp -f a b", "cp --parents d/sub/y e", "cp --preserve=mode b c", "cp --preserve=all b c",
		"cp -r e e/in", "cp -d la c", "cp a broken", "cp -r pipe e", "cp d/x d/lx", "cp --remove-destination a la", "cp -b a b", "cp --backup=numbered a b",
		"cp a d/x e/x", "cp -r d/. e", "cp -r e a", "cp a d", "cp -x -r d e", "cp --no-preserve=mode a c", "cp -z", "cp -i a b", "cp --attributes-only a b", "cp -r d/ e/",
		"cp -H -r la c", "cp a d/sub/y e", "cp -lr d e", "cp -r d b", "cp a a e", "cp --preserve=foo a c")
	trial{setup: treeSetup, sorted: true}.check(t, "cp -rv d e", "cp -av d new")
	trial{setup: treeSetup, stdin: "y\n"}.check(t, "cp -i a b", "cp -iv a b")
}

func TestMv(t *testing.T) {
	trial{setup: treeSetup}.check(t, "mv a c", "mv a b", "mv -v a e", "mv a b e", "mv d e", "mv e d", "mv d/sub .", "mv none c", "mv a", "mv", "mv a none/c", "mv a b none",
		"mv -n a b", "mv -u a b", "mv -u b a", "mv -t e a b", "mv -T a e", "mv d d/sub", "mv d a", "mv a d/sub/../..", "mv la c", "mv -f a b", "mv -b a b", "mv d/hx d/x", "mv a a",
		"mv -vb a b", "mv d/ f", "mv a c/", "mv -T e d", "mv -T d e", "mv broken c", "mv --backup=numbered a b")
	trial{setup: treeSetup, stdin: "n\n"}.check(t, "mv -i a b")
}

func TestRm(t *testing.T) {
	trial{setup: treeSetup}.check(t, "rm a", "rm -v a b", "rm d", "rm -r d", "rm -f none", "rm none", "rm", "rm -f", "rm -d e", "rm -d d", "rm -r .", "rm -r ./..", "rm -dv e",
		"rm la", "rm -r la", "rm -rf d none a", "rm a/x", "rm -f a/x", "rm -z", "rm -rf /", "rm e/", "rm -- -x")
	trial{setup: treeSetup, sorted: true}.check(t, "rm -rv d")
	trial{setup: `mkdir -p d/s; touch d/s/y`, stdin: "y\ny\nn\ny\ny\n"}.check(t, "rm -ir d")
	trial{setup: treeSetup, stdin: "y\nn\ny\ny\ny\ny\ny\ny\ny\n"}.check(t, "rm -i a b", "rm -I a b d e", "rm -rI e")
}

func TestLn(t *testing.T) {
	trial{setup: treeSetup}.check(t, "ln a c", "ln -s a c", "ln -s a b", "ln -sf a b", "ln a b", "ln -f a b", "ln d c", "ln none c", "ln -s none c", "ln -sv a c", "ln -v a c", "ln -s ../a e",
		"ln -sr d/x e/x", "ln -s a b e", "ln -sn a la", "ln -sfn a la", "ln -t e -s a b", "ln -sT a e", "ln", "ln -s /w/a", "ln -s d/x", "ln -sfT a la", "ln -L la c", "ln -P la c",
		"ln -s a none/c", "ln -sb a b", "ln -r a c", "ln -sf d e")
}
