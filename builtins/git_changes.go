package builtins

import (
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitDiffCommand is git diff.
func gitDiffCommand(g *git, c gitCall) error {
	d := g.differ(c)
	if len(d.forms) == 0 && !c.has("quiet") {
		d.forms = []string{"patch"}
	}
	if c.has("no-index") {
		g.p.lacking("--no-index")
		return gitExit(2)
	}
	revs, paths, err := g.revisions(c)
	if err != nil {
		return err
	}
	if len(revs) == 1 && strings.Contains(revs[0], "..") {
		from, to, three := gitRange(revs[0])
		if three {
			a, err1 := g.commit(from)
			b, err2 := g.commit(to)
			if err1 != nil || err2 != nil {
				return fatalf("bad revision '%s'", revs[0])
			}
			bases, err := a.MergeBase(b)
			if err != nil || len(bases) == 0 {
				return fatalf("%s: no merge base", revs[0])
			}
			from = bases[0].Hash.String()
		}
		revs = []string{from, to}
	}
	cached := c.has("cached")
	var old, new gitTree
	var changes []gitChange
	tree := func(rev string) (gitTree, error) {
		commit, err := g.commit(rev)
		if err != nil {
			h, err2 := g.resolve(rev)
			if err2 != nil {
				return nil, err2
			}
			return g.files(h)
		}
		return g.files(commit.TreeHash)
	}
	switch {
	case len(revs) == 2:
		if old, err = tree(revs[0]); err == nil {
			new, err = tree(revs[1])
		}
		changes = old.compare(new, paths)
	case len(revs) > 2:
		return fatalf("combined diffs are not supported in the sandbox")
	default:
		if err := g.needTree(); err != nil {
			return err
		}
		x, err := g.index()
		if err != nil {
			return err
		}
		switch {
		case cached && len(revs) == 0:
			old, err = g.headFiles()
			changes = old.compare(x.tree(), paths)
		case cached:
			old, err = tree(revs[0])
			changes = old.compare(x.tree(), paths)
		case len(revs) == 0:
			changes, err = x.unstaged(paths)
		default:
			if old, err = tree(revs[0]); err != nil {
				return err
			}
			new = gitTree{}
			for _, name := range x.names() {
				b, _, err := x.working(name)
				if err != nil {
					return err
				}
				if !b.none() {
					new[name] = b
				}
			}
			changes = old.compare(new, paths)
		}
		if err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if c.has("R") {
		for i, ch := range changes {
			changes[i].old, changes[i].new = ch.new, ch.old
		}
	}
	changes = d.detect(changes)
	if !c.has("quiet") {
		if err := d.print(changes); err != nil {
			return err
		}
	}
	if len(changes) > 0 && (c.has("quiet") || c.has("exit-code")) {
		return gitExit(1)
	}
	return nil
}

// gitRange takes A..B or A...B apart; a side that is not given is HEAD.
func gitRange(text string) (from, to string, three bool) {
	from, to, _ = strings.Cut(text, "..")
	to, three = strings.CutPrefix(to, ".")
	return orHead(from), orHead(to), three
}

// changesOf are what a commit changed from its first parent.
func (d *gitDiff) changesOf(c *object.Commit, paths gitPaths) ([]gitChange, error) {
	var before plumbing.Hash
	if len(c.ParentHashes) > 0 {
		parent, err := c.Parent(0)
		if err != nil {
			if !d.g.isShallow(c.Hash) {
				return nil, err
			}
		} else {
			before = parent.TreeHash
		}
	}
	old, err := d.g.files(before)
	if err != nil {
		return nil, err
	}
	new, err := d.g.files(c.TreeHash)
	if err != nil {
		return nil, err
	}
	return d.detect(old.compare(new, paths)), nil
}

func (g *git) isShallow(h plumbing.Hash) bool {
	shallow, err := g.store.Shallow()
	return err == nil && slices.Contains(shallow, h)
}
