package builtins

import (
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitMerge is git merge, as far as it is a fast-forward.
func gitMerge(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	if c.has("abort") || c.has("continue") || c.has("squash") || len(c.operands) > 1 {
		g.p.Errorf("merge: only a fast-forward is supported in the sandbox")
		return gitExit(2)
	}
	rev := "@{upstream}"
	if len(c.operands) > 0 {
		rev = c.operands[0]
	}
	to, err := g.commit(rev)
	if err != nil {
		return gitExit(g.mergeUnknown(rev))
	}
	return g.forward(to, "merge "+rev, c.has("no-ff"), c.has("ff-only"), c.has("q"), c.has("n") || c.has("no-stat"))
}

func (g *git) mergeUnknown(rev string) int {
	io.WriteString(g.p.Stderr, "merge: "+rev+" - not something we can merge\n")
	return 1
}

// forward moves HEAD on to a commit that comes after it.
func (g *git) forward(to *object.Commit, why string, noForward, only, quiet, noStat bool) error {
	head, err := g.head()
	if err != nil {
		return err
	}
	if head == nil {
		if err := g.switchTo(to, false); err != nil {
			return err
		}
		return g.moveHead(to.Hash, why)
	}
	behind, err := to.IsAncestor(head)
	if err != nil {
		return err
	}
	if behind {
		if !quiet {
			g.out.WriteString("Already up to date.\n")
		}
		return nil
	}
	ahead, err := head.IsAncestor(to)
	if err != nil {
		return err
	}
	if !ahead && only {
		return fatalf("Not possible to fast-forward, aborting.")
	}
	if !ahead || noForward {
		g.p.Errorf("%s: a merge that is no fast-forward is not supported in the sandbox (go-git has no means for it)", why)
		return gitExit(2)
	}
	if !quiet {
		g.out.WriteString("Updating " + g.short(head.Hash) + ".." + g.short(to.Hash) + "\n")
	}
	if err := g.switchTo(to, false); err != nil {
		var local gitError
		if errors.As(err, &local) {
			return gitError(strings.ReplaceAll(strings.ReplaceAll(string(local), "by checkout", "by merge"), "switch branches", "merge"))
		}
		return err
	}
	if err := g.store.SetReference(plumbing.NewHashReference("ORIG_HEAD", head.Hash)); err != nil {
		return err
	}
	if err := g.moveHead(to.Hash, why+": Fast-forward"); err != nil || quiet {
		return err
	}
	g.out.WriteString("Fast-forward\n")
	if noStat {
		return nil
	}
	d := g.differ(gitCall{})
	old, err := g.files(head.TreeHash)
	if err != nil {
		return err
	}
	new, err := g.files(to.TreeHash)
	if err != nil {
		return err
	}
	d.forms = []string{"stat", "summary"}
	return d.print(d.detect(old.compare(new, nil)))
}

// gitMergeBase is git merge-base.
func gitMergeBase(g *git, c gitCall) error {
	if len(c.operands) < 2 {
		return gitExit(129)
	}
	a, err := g.commit(c.operands[0])
	if err != nil {
		return fatalf("Not a valid object name %s", c.operands[0])
	}
	b, err := g.commit(c.operands[1])
	if err != nil {
		return fatalf("Not a valid object name %s", c.operands[1])
	}
	if c.has("is-ancestor") {
		ok, err := a.IsAncestor(b)
		if err == nil && !ok {
			return gitExit(1)
		}
		return err
	}
	bases, err := a.MergeBase(b)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(bases) == 0 {
		return gitExit(1)
	}
	for i, base := range bases {
		if i == 0 || c.has("a") {
			g.out.WriteString(base.Hash.String() + "\n")
		}
	}
	return nil
}
