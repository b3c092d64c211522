package builtins

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

const gitDateFormat = "Mon Jan 2 15:04:05 2006 -0700"

var gitWalkOptions = []string{"n max-count=", "skip=", "since after=", "until before=", "author=", "committer=", "grep=", "i regexp-ignore-case", "E extended-regexp", "F fixed-strings", "merges", "no-merges", "first-parent", "reverse", "all", "branches", "tags", "remotes",
	"format=", "pretty?", "oneline", "abbrev-commit", "no-abbrev-commit", "abbrev?", "date=", "date-order", "topo-order", "parents", "no-walk", "decorate?", "no-decorate", "count", "max-parents=", "min-parents=", "full-history"}

// gitQueue are commits, the newest first.
type gitQueue []*object.Commit

func (q gitQueue) Len() int           { return len(q) }
func (q gitQueue) Less(i, j int) bool { return q[i].Committer.When.After(q[j].Committer.When) }
func (q gitQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *gitQueue) Push(x any)        { *q = append(*q, x.(*object.Commit)) }
func (q *gitQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// parents of a commit; a shallow clone lacks some.
func (g *git) parents(c *object.Commit, first bool) ([]*object.Commit, error) {
	if g.isShallow(c.Hash) {
		return nil, nil
	}
	hashes := c.ParentHashes
	if first && len(hashes) > 1 {
		hashes = hashes[:1]
	}
	var all []*object.Commit
	for _, h := range hashes {
		p, err := g.repo.CommitObject(h)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// reachable are a commit and all before it.
func (g *git) reachable(c *object.Commit) (map[plumbing.Hash]bool, error) {
	seen := map[plumbing.Hash]bool{c.Hash: true}
	for queue := []*object.Commit{c}; len(queue) > 0; {
		parents, err := g.parents(queue[0], false)
		if err != nil {
			return nil, err
		}
		queue = queue[1:]
		for _, p := range parents {
			if !seen[p.Hash] {
				seen[p.Hash] = true
				queue = append(queue, p)
			}
		}
	}
	return seen, g.p.Context.Err()
}

// commits walks the history from the revisions, the newest first, and calls use until it is false.
func (g *git) commits(revs []string, paths gitPaths, c gitCall, use func(*object.Commit) (bool, error)) error {
	hidden := map[plumbing.Hash]bool{}
	var tips []*object.Commit
	hide := func(commit *object.Commit) error {
		all, err := g.reachable(commit)
		for h := range all {
			hidden[h] = true
		}
		return err
	}
	for _, kind := range []string{"all", "branches", "tags", "remotes"} {
		if !c.has(kind) {
			continue
		}
		err := g.eachRef(func(ref *plumbing.Reference) error {
			n := ref.Name()
			if kind == "all" && strings.HasPrefix(n.String(), "refs/") || kind == "branches" && n.IsBranch() || kind == "tags" && n.IsTag() || kind == "remotes" && n.IsRemote() {
				if commit, err := g.peel(ref.Hash()); err == nil {
					tips = append(tips, commit)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if kind == "all" {
			if head, err := g.head(); err == nil && head != nil {
				tips = append(tips, head)
			}
		}
	}
	if len(revs) == 0 && len(tips) == 0 {
		revs = []string{"HEAD"}
	}
	for _, rev := range revs {
		if name, ok := strings.CutPrefix(rev, "^"); ok {
			commit, err := g.commit(name)
			if err != nil {
				return fatalf("bad revision '%s'", rev)
			}
			if err := hide(commit); err != nil {
				return err
			}
			continue
		}
		if strings.Contains(rev, "..") {
			from, to, three := gitRange(rev)
			a, err1 := g.commit(from)
			b, err2 := g.commit(to)
			if err1 != nil || err2 != nil {
				return fatalf("bad revision '%s'", rev)
			}
			tips = append(tips, b)
			if !three {
				if err := hide(a); err != nil {
					return err
				}
				continue
			}
			tips = append(tips, a)
			bases, err := a.MergeBase(b)
			if err != nil {
				return err
			}
			for _, base := range bases {
				if err := hide(base); err != nil {
					return err
				}
			}
			continue
		}
		commit, err := g.commit(rev)
		if err != nil {
			return err
		}
		tips = append(tips, commit)
	}
	if c.has("no-walk") {
		for _, t := range tips {
			if more, err := use(t); err != nil || !more {
				return err
			}
		}
		return nil
	}
	seen := map[plumbing.Hash]bool{}
	queue := &gitQueue{}
	push := func(commit *object.Commit) {
		if !seen[commit.Hash] && !hidden[commit.Hash] {
			seen[commit.Hash] = true
			heap.Push(queue, commit)
		}
	}
	for _, t := range tips {
		push(t)
	}
	for queue.Len() > 0 {
		if err := g.p.Context.Err(); err != nil {
			return err
		}
		commit := heap.Pop(queue).(*object.Commit)
		parents, err := g.parents(commit, c.has("first-parent"))
		if err != nil {
			return err
		}
		shown := true
		if len(paths) > 0 {
			var same *object.Commit
			if shown, same, err = g.touches(commit, parents, paths); err != nil {
				return err
			}
			if same != nil && !c.has("full-history") {
				parents = []*object.Commit{same}
			}
		}
		if shown {
			if more, err := use(commit); err != nil || !more {
				return err
			}
		}
		for _, p := range parents {
			push(p)
		}
	}
	return nil
}

// touches says whether a commit differs from its parents in the paths, and from which it does not.
func (g *git) touches(c *object.Commit, parents []*object.Commit, paths gitPaths) (bool, *object.Commit, error) {
	files, err := g.files(c.TreeHash)
	if err != nil {
		return false, nil, err
	}
	if len(parents) == 0 {
		return len(gitTree{}.compare(files, paths)) > 0, nil, nil
	}
	for _, p := range parents {
		if p.TreeHash == c.TreeHash {
			return false, p, nil
		}
		old, err := g.files(p.TreeHash)
		if err != nil {
			return false, nil, err
		}
		if len(old.compare(files, paths)) == 0 {
			return false, p, nil
		}
	}
	return true, nil, nil
}

// eachRef calls use with all references, sorted by their names.
func (g *git) eachRef(use func(*plumbing.Reference) error) error {
	iter, err := g.store.IterReferences()
	if err != nil {
		return err
	}
	var all []*plumbing.Reference
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.SymbolicReference && strings.HasPrefix(ref.Name().String(), "refs/") {
			if to, err := g.repo.Reference(ref.Name(), true); err == nil {
				ref = plumbing.NewHashReference(ref.Name(), to.Hash())
			}
		}
		if ref.Type() == plumbing.HashReference && strings.HasPrefix(ref.Name().String(), "refs/") {
			all = append(all, ref)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *plumbing.Reference) int { return strings.Compare(a.Name().String(), b.Name().String()) })
	for _, ref := range all {
		if err := use(ref); err != nil {
			if errors.Is(err, storer.ErrStop) {
				return nil
			}
			return err
		}
	}
	return nil
}

// selects is the filter of log's options.
func (g *git) selects(c gitCall) (func(*object.Commit) bool, error) {
	var since, until time.Time
	for _, bound := range []struct {
		name string
		to   *time.Time
	}{{"since", &since}, {"until", &until}} {
		if text := c.value(bound.name); text != "" {
			t, ok := g.date(strings.ReplaceAll(text, ".", " "))
			if !ok {
				return nil, fatalf("--%s=%s: this form of a date is not supported in the sandbox", bound.name, text)
			}
			*bound.to = t
		}
	}
	match := map[string]*Regexp{}
	for _, name := range []string{"author", "committer", "grep"} {
		if text := c.value(name); text != "" {
			if c.has("F") {
				text = quoteRegexp(text)
			}
			re, err := CompileRegexp(text, RegexpOptions{Extended: c.has("E"), IgnoreCase: c.has("i")})
			if err != nil {
				return nil, fatalf("command line, '%s': %s", text, err)
			}
			match[name] = re
		}
	}
	most, least := atoiOr(c.value("max-parents"), 1<<30), atoiOr(c.value("min-parents"), 0)
	return func(k *object.Commit) bool {
		parents := len(k.ParentHashes)
		switch {
		case c.has("merges") && parents < 2, c.has("no-merges") && parents > 1, parents > most, parents < least:
			return false
		case !since.IsZero() && k.Committer.When.Before(since), !until.IsZero() && k.Committer.When.After(until):
			return false
		}
		for name, re := range match {
			text := map[string]string{"author": k.Author.String(), "committer": k.Committer.String(), "grep": k.Message}[name]
			hit := false
			for line := range strings.Lines(text) {
				hit = hit || re.Match([]byte(strings.TrimSuffix(line, "\n")))
			}
			if !hit {
				return false
			}
		}
		return true
	}, nil
}

// quoteRegexp makes a basic regular expression of plain text.
func quoteRegexp(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`\.*[]^$`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// selected lists the commits that log or rev-list shows.
func (g *git) selected(revs []string, paths gitPaths, c gitCall, use func(*object.Commit) error) error {
	filter, err := g.selects(c)
	if err != nil {
		return err
	}
	most, skip := atoiOr(c.value("n"), -1), atoiOr(c.value("skip"), 0)
	var held []*object.Commit
	err = g.commits(revs, paths, c, func(k *object.Commit) (bool, error) {
		if most == 0 {
			return false, nil
		}
		if !filter(k) {
			return true, nil
		}
		if skip > 0 {
			skip--
			return true, nil
		}
		most--
		if c.has("reverse") {
			held = append(held, k)
			return true, nil
		}
		return !g.out.broken(), use(k)
	})
	for i := len(held) - 1; i >= 0 && err == nil; i-- {
		err = use(held[i])
	}
	return err
}

// gitLog is git log.
func gitLog(g *git, c gitCall) error {
	if head, err := g.head(); err == nil && head == nil && !c.has("all") && len(c.operands) == 0 {
		return fatalf("your current branch '%s' does not have any commits yet", g.branch())
	}
	revs, paths, err := g.revisions(c)
	if err != nil {
		return err
	}
	d := g.differ(c)
	f := g.formatter(c)
	first := true
	return g.selected(revs, paths, c, func(k *object.Commit) error {
		err := g.show(k, f, d, paths, first)
		first = false
		return err
	})
}

// show prints a commit with its changes.
func (g *git) show(k *object.Commit, f *gitFormat, d *gitDiff, paths gitPaths, first bool) error {
	if !first && f.separates {
		g.out.WriteString("\n")
	}
	text, err := f.format(k)
	if err != nil {
		return err
	}
	g.out.WriteString(text)
	if len(d.forms) == 0 || d.forms[0] == "none" || len(k.ParentHashes) > 1 {
		return nil
	}
	changes, err := d.changesOf(k, paths)
	if err != nil {
		return err
	}
	if f.separates && !f.block {
		g.out.WriteString("\n")
	}
	if len(changes) > 0 && !f.oneline {
		if d.shows("stat") && d.shows("patch") {
			g.out.WriteString("---\n")
		} else {
			g.out.WriteString("\n")
		}
	}
	return d.print(changes)
}

// gitRevList is git rev-list.
func gitRevList(g *git, c gitCall) error {
	revs, paths, err := g.revisions(c)
	if err != nil {
		return err
	}
	if len(revs) == 0 && !c.has("all") && !c.has("branches") && !c.has("tags") && !c.has("remotes") {
		return gitExit(129)
	}
	count := 0
	f := g.formatter(c)
	err = g.selected(revs, paths, c, func(k *object.Commit) error {
		count++
		if c.has("count") {
			return nil
		}
		if f.oneline {
			g.out.WriteString(k.Hash.String() + " " + firstLine(k.Message) + "\n")
			return nil
		}
		id := k.Hash.String()
		if c.has("abbrev-commit") {
			id = g.short(k.Hash)
		}
		if f.given {
			g.out.WriteString("commit ")
		}
		g.out.WriteString(id)
		if c.has("parents") {
			for _, p := range k.ParentHashes {
				g.out.WriteString(" " + p.String())
			}
		}
		g.out.WriteString("\n")
		if f.given {
			text, err := f.format(k)
			if err != nil {
				return err
			}
			g.out.WriteString(strings.TrimSuffix(text, "\n") + "\n")
		}
		return nil
	})
	if err == nil && c.has("count") {
		fmt.Fprintf(g.out, "%d\n", count)
	}
	return err
}

// gitShow is git show.
func gitShow(g *git, c gitCall) error {
	revs, paths, err := g.revisions(c)
	if err != nil {
		return err
	}
	if len(revs) == 0 {
		revs = []string{"HEAD"}
	}
	d := g.differ(c)
	if len(d.forms) == 0 {
		d.forms = []string{"patch"}
	}
	f := g.formatter(c)
	for i, rev := range revs {
		if strings.Contains(rev, "..") {
			return fatalf("%s: ranges are not supported by show in the sandbox", rev)
		}
		h, err := g.resolve(rev)
		if err != nil {
			return err
		}
		if err := g.showObject(h, rev, f, d, paths, i == 0); err != nil {
			return err
		}
	}
	return nil
}

func (g *git) showObject(h plumbing.Hash, rev string, f *gitFormat, d *gitDiff, paths gitPaths, first bool) error {
	o, err := g.store.EncodedObject(plumbing.AnyObject, h)
	if err != nil {
		return fatalf("bad object %s", rev)
	}
	switch o.Type() {
	case plumbing.CommitObject:
		k, err := g.repo.CommitObject(h)
		if err != nil {
			return err
		}
		return g.show(k, f, d, paths, first)
	case plumbing.TagObject:
		tag, err := g.repo.TagObject(h)
		if err != nil {
			return err
		}
		fmt.Fprintf(g.out, "tag %s\nTagger: %s <%s>\nDate:   %s\n\n%s\n", tag.Name, tag.Tagger.Name, tag.Tagger.Email, f.date(tag.Tagger.When), tag.Message)
		return g.showObject(tag.Target, rev, f, d, paths, true)
	case plumbing.TreeObject:
		t, err := g.repo.TreeObject(h)
		if err != nil {
			return err
		}
		fmt.Fprintf(g.out, "tree %s\n\n", rev)
		for _, e := range t.Entries {
			g.out.WriteString(e.Name + map[bool]string{true: "/"}[e.Mode == filemode.Dir] + "\n")
		}
		return nil
	}
	data, err := g.read(gitBlob{filemode.Regular, h})
	g.out.Write(data)
	return err
}
