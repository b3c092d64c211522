package builtins

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// upstream is the reference that a branch follows.
func (g *git) upstream(branch string) (plumbing.ReferenceName, error) {
	if branch == "" {
		branch = g.branch()
	}
	remote, merge := g.config("branch."+branch+".remote"), g.config("branch."+branch+".merge")
	if remote == "" || merge == "" {
		return "", fatalf("no upstream configured for branch '%s'", branch)
	}
	if remote == "." {
		return plumbing.ReferenceName(merge), nil
	}
	return plumbing.NewRemoteReferenceName(remote, plumbing.ReferenceName(merge).Short()), nil
}

// follow makes a branch follow one of a remote.
func (g *git) follow(branch, remote, merge string) error {
	if err := g.editConfig(g.dir+"/config", "branch."+branch+".remote", remote); err != nil {
		return err
	}
	return g.editConfig(g.dir+"/config", "branch."+branch+".merge", "refs/heads/"+merge)
}

// branchNameError is git's complaint about a name that no branch may have.
func branchNameError(name string) error {
	bad := name == "" || name[0] == '-' || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") || name == "HEAD" ||
		strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
	if bad {
		return fatalf("'%s' is not a valid branch name", name)
	}
	return nil
}

func (g *git) hasBranch(name string) bool {
	_, err := g.repo.Reference(plumbing.NewBranchReferenceName(name), true)
	return err == nil
}

// gitBranch is git branch.
func gitBranch(g *git, c gitCall) error {
	config := g.dir + "/config"
	names := append(slices.Clone(c.operands), c.paths...)
	current := g.branch()
	first := func(i int) string {
		if i < len(names) {
			return names[i]
		}
		return current
	}
	switch {
	case c.has("show-current"):
		if current != "" {
			g.out.WriteString(current + "\n")
		}
		return nil
	case c.has("d") || c.has("D"):
		return g.deleteBranches(c, names)
	case c.has("m") || c.has("M"):
		from, to := current, first(0)
		if len(names) > 1 {
			from, to = names[0], names[1]
		}
		if err := branchNameError(to); err != nil {
			return err
		}
		ref, err := g.repo.Reference(plumbing.NewBranchReferenceName(from), true)
		if err != nil && from != current {
			return fatalf("no branch named '%s'", from)
		}
		if g.hasBranch(to) && to != from && !c.has("M") {
			return fatalf("a branch named '%s' already exists", to)
		}
		if ref != nil {
			if err := g.store.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(to), ref.Hash())); err != nil {
				return err
			}
			if from != to {
				if err := g.store.RemoveReference(ref.Name()); err != nil {
					return err
				}
			}
		}
		if from == current {
			if err := g.store.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName(to))); err != nil {
				return err
			}
		}
		_, err = g.editSection(config, "branch."+from, "branch."+to)
		return err
	case c.has("u"):
		for _, r := range g.remotes() {
			if name, ok := strings.CutPrefix(c.value("u"), r+"/"); ok {
				g.out.WriteString("branch '" + first(0) + "' set up to track '" + c.value("u") + "'.\n")
				return g.follow(first(0), r, name)
			}
		}
		return fatalf("the requested upstream branch '%s' does not exist", c.value("u"))
	case c.has("unset-upstream"):
		_, err := g.editSection(config, "branch."+first(0), "")
		return err
	case len(names) > 0 && !c.has("l") && !c.has("contains") && !c.has("merged") && !c.has("no-merged"):
		start := "HEAD"
		if len(names) > 1 {
			start = names[1]
		}
		if err := branchNameError(names[0]); err != nil {
			return err
		}
		if g.hasBranch(names[0]) && !c.has("f") {
			return fatalf("a branch named '%s' already exists", names[0])
		}
		k, err := g.commit(start)
		if err != nil {
			return fatalf("not a valid object name: '%s'", start)
		}
		if err := g.store.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(names[0]), k.Hash)); err != nil {
			return err
		}
		return g.track(c, names[0], start)
	}
	return g.listBranches(c, names)
}

func (g *git) deleteBranches(c gitCall, names []string) error {
	failed := false
	for _, n := range names {
		name := plumbing.NewBranchReferenceName(n)
		if c.has("r") {
			name = plumbing.ReferenceName("refs/remotes/" + n)
		}
		ref, err := g.repo.Reference(name, true)
		complain := ""
		switch {
		case err != nil:
			complain = "branch '" + n + "' not found."
		case !c.has("r") && n == g.branch():
			complain = "Cannot delete branch '" + n + "' checked out at '" + g.root + "'"
		case c.has("d") && !c.has("D") && !c.has("f") && !c.has("r"):
			head, err := g.head()
			if err != nil {
				return err
			}
			k, err := g.repo.CommitObject(ref.Hash())
			if err != nil {
				return err
			}
			if merged, err := k.IsAncestor(head); err != nil || !merged {
				complain = "The branch '" + n + "' is not fully merged.\nIf you are sure you want to delete it, run 'git branch -D " + n + "'."
			}
		}
		if complain != "" {
			g.out.Flush()
			io.WriteString(g.p.Stderr, "error: "+complain+"\n")
			failed = true
			continue
		}
		if err := g.store.RemoveReference(name); err != nil {
			return err
		}
		if _, err := g.editSection(g.dir+"/config", "branch."+n, ""); err != nil {
			return err
		}
		_ = g.p.Files.Remove(g.dir + "/logs/refs/heads/" + n)
		if !c.has("q") {
			fmt.Fprintf(g.out, "Deleted %sbranch %s (was %s).\n", map[bool]string{true: "remote-tracking "}[c.has("r")], n, g.short(ref.Hash()))
		}
	}
	if failed {
		return gitExit(1)
	}
	return nil
}

func (g *git) listBranches(c gitCall, patterns []string) error {
	current := g.branch()
	head, err := g.head()
	if err != nil {
		return err
	}
	type row struct {
		name, shown string
		hash        plumbing.Hash
		to          string
	}
	var rows []row
	if current == "" && head != nil && !c.has("r") {
		rows = append(rows, row{"", "(HEAD detached at " + g.short(head.Hash) + ")", head.Hash, ""})
	}
	err = g.eachRef(func(ref *plumbing.Reference) error {
		n := ref.Name()
		if n.IsBranch() && !c.has("r") || n.IsRemote() && (c.has("r") || c.has("a")) {
			r := row{n.Short(), n.Short(), ref.Hash(), ""}
			if len(patterns) > 0 && !slices.ContainsFunc(patterns, func(p string) bool { return fnmatch(p, r.name, 0) }) {
				return nil
			}
			if n.IsRemote() && c.has("a") {
				r.shown = "remotes/" + r.name
			}
			if raw, err := g.repo.Reference(n, false); err == nil && raw.Type() == plumbing.SymbolicReference {
				r.to = " -> " + raw.Target().Short()
			}
			ok, err := g.selectsRef(c, r.hash)
			if ok {
				rows = append(rows, r)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	if format := c.value("format"); format != "" {
		for _, r := range rows {
			name := plumbing.NewBranchReferenceName(r.name)
			g.out.WriteString(g.refFormat(format, plumbing.NewHashReference(name, r.hash)) + "\n")
		}
		return nil
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r.shown))
	}
	for _, r := range rows {
		mark := "  "
		if r.name == current || r.name == "" {
			mark = "* "
		}
		if !c.has("v") {
			g.out.WriteString(mark + r.shown + r.to + "\n")
			continue
		}
		if r.to != "" {
			fmt.Fprintf(g.out, "%s%-*s%s\n", mark, width, r.shown, r.to)
			continue
		}
		k, err := g.repo.CommitObject(r.hash)
		if err != nil {
			return err
		}
		note := ""
		if up, err := g.upstream(r.name); err == nil && r.name != "" {
			ahead, behind, err := g.distance(k, up)
			var parts []string
			if err == nil && ahead > 0 {
				parts = append(parts, "ahead "+itoa(ahead))
			}
			if err == nil && behind > 0 {
				parts = append(parts, "behind "+itoa(behind))
			}
			text := strings.Join(parts, ", ")
			verbose := 0
			for _, o := range c.opts {
				verbose += boolIndex(o.name == "v")
			}
			if verbose > 1 {
				text = strings.TrimSuffix(up.Short()+": "+text, ": ")
			}
			if text != "" {
				note = "[" + text + "] "
			}
		}
		fmt.Fprintf(g.out, "%s%-*s %s %s%s\n", mark, width, r.shown, g.short(r.hash), note, gitSubject(k.Message))
	}
	return nil
}

// selectsRef is --contains, --merged, --no-merged and --points-at.
func (g *git) selectsRef(c gitCall, h plumbing.Hash) (bool, error) {
	k, err := g.peel(h)
	if err != nil {
		return true, nil
	}
	for _, o := range c.opts {
		if o.name != "contains" && o.name != "merged" && o.name != "no-merged" && o.name != "points-at" {
			continue
		}
		other, err := g.commit(orHead(o.value))
		if err != nil {
			return false, fatalf("malformed object name %s", o.value)
		}
		var ok bool
		switch o.name {
		case "points-at":
			ok = other.Hash == k.Hash
		case "contains":
			ok, err = other.IsAncestor(k)
		default:
			ok, err = k.IsAncestor(other)
			ok = ok == (o.name == "merged")
		}
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}
