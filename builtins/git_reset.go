package builtins

import (
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// restore writes paths from a commit, or from the index without one, to the index or the working tree.
func (g *git) restore(source string, names []string, staged, working, quiet, count bool) error {
	x, err := g.index()
	if err != nil {
		return err
	}
	from := x.tree()
	if source != "" {
		k, err := g.commit(source)
		if err != nil {
			return fatalf("could not resolve %s", source)
		}
		if from, err = g.files(k.TreeHash); err != nil {
			return err
		}
	}
	n := 0
	for _, name := range names {
		paths, err := g.pathspecs([]string{name})
		if err != nil {
			return err
		}
		found := false
		for file, b := range from {
			if !paths.match(file) {
				continue
			}
			found = true
			was, _, err := x.working(file)
			if err != nil {
				return err
			}
			if working && was != b {
				n++
				if err := x.checkout(file, b); err != nil {
					return err
				}
			}
			if staged {
				if e := x.entries[file]; e == nil || e.Hash != b.hash || e.Mode != b.mode {
					info, _ := g.p.Files.Lstat(joinName(g.root, file))
					if !working {
						info = nil
					}
					x.put(file, b, info)
				}
			}
		}
		for file := range x.tree() {
			if _, ok := from[file]; ok || !paths.match(file) || !staged || count {
				continue
			}
			found = true
			if working {
				err = x.checkout(file, gitBlob{})
			} else {
				delete(x.entries, file)
			}
			if err != nil {
				return err
			}
		}
		if !found {
			return gitError(fmt.Sprintf("pathspec '%s' did not match any file(s) known to git", name))
		}
	}
	if count && !quiet && len(names) > 0 {
		where := "the index"
		if source != "" {
			if k, err := g.commit(source); err == nil {
				where = g.short(k.Hash)
			}
		}
		g.out.Flush()
		fmt.Fprintf(g.p.Stderr, "Updated %d path%s from %s\n", n, map[bool]string{false: "s"}[n == 1], where)
	}
	return x.save()
}

// gitRestore is git restore.
func gitRestore(g *git, c gitCall) error {
	names := append(slices.Clone(c.operands), c.paths...)
	if len(names) == 0 {
		return fatalf("you must specify path(s) to restore")
	}
	source := c.value("s")
	staged, working := c.has("S"), c.has("W") || !c.has("S")
	if staged && source == "" {
		source = "HEAD"
	}
	if head, err := g.head(); err == nil && head == nil && staged {
		return fatalf("could not resolve HEAD")
	}
	return g.restore(source, names, staged, working, c.has("q"), false)
}

// gitReset is git reset.
func gitReset(g *git, c gitCall) error {
	if c.has("p") || c.has("merge") || c.has("keep") {
		g.p.lacking("reset -p, --merge or --keep")
		return gitExit(2)
	}
	revs, _, err := g.revisions(gitCall{operands: c.operands, paths: c.paths, dashed: c.dashed})
	if err != nil {
		return err
	}
	names := append(slices.Clone(c.operands[len(revs):]), c.paths...)
	rev := "HEAD"
	if len(revs) > 0 {
		rev = revs[0]
	}
	head, err := g.head()
	if err != nil {
		return err
	}
	var to *object.Commit
	if head != nil || rev != "HEAD" {
		if to, err = g.commit(rev); err != nil {
			return err
		}
	}
	files := gitTree{}
	if to != nil {
		if files, err = g.files(to.TreeHash); err != nil {
			return err
		}
	}
	hard, soft := c.has("hard"), c.has("soft")
	if len(names) > 0 {
		if hard || soft {
			return fatalf("Cannot do %s reset with paths.", map[bool]string{true: "hard", false: "soft"}[hard])
		}
		paths, err := g.pathspecs(names)
		if err != nil {
			return err
		}
		return g.resetIndex(files, paths, c.has("q"))
	}
	if hard {
		if err := g.needTree(); err != nil {
			return err
		}
		if to == nil {
			return fatalf("Failed to resolve 'HEAD' as a valid revision.")
		}
		if err := g.switchTo(to, true); err != nil {
			return err
		}
	}
	if to != nil {
		if head != nil && head.Hash != to.Hash {
			if err := g.store.SetReference(plumbing.NewHashReference("ORIG_HEAD", head.Hash)); err != nil {
				return err
			}
		}
		if err := g.moveHead(to.Hash, "reset: moving to "+rev); err != nil {
			return err
		}
	}
	switch {
	case hard && !c.has("q"):
		fmt.Fprintf(g.out, "HEAD is now at %s %s\n", g.short(to.Hash), gitSubject(to.Message))
	case !hard && !soft:
		return g.resetIndex(files, nil, c.has("q"))
	}
	return nil
}

// resetIndex makes the index what a commit has.
func (g *git) resetIndex(files gitTree, paths gitPaths, quiet bool) error {
	x, err := g.index()
	if err != nil {
		return err
	}
	for _, ch := range x.tree().compare(files, paths) {
		if ch.new.none() {
			delete(x.entries, ch.name)
			continue
		}
		x.put(ch.name, ch.new, nil)
	}
	if err := x.save(); err != nil || quiet {
		return err
	}
	changes, err := x.unstaged(nil)
	if err != nil || len(changes) == 0 {
		return err
	}
	g.out.WriteString("Unstaged changes after reset:\n")
	for _, ch := range changes {
		fmt.Fprintf(g.out, "%c\t%s\n", ch.letter(), gitQuote(g.relative(ch.name)))
	}
	return nil
}
