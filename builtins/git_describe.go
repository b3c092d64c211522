package builtins

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitDescribe is git describe.
func gitDescribe(g *git, c gitCall) error {
	rev := "HEAD"
	if len(c.operands) > 0 {
		rev = c.operands[0]
	}
	k, err := g.commit(rev)
	if err != nil {
		return fatalf("Not a valid object name %s", rev)
	}
	suffix := ""
	if c.has("dirty") {
		s, err := g.state(nil, "no", false)
		if err != nil {
			return err
		}
		if len(s.staged)+len(s.unstaged) > 0 {
			if suffix = c.value("dirty"); suffix == "" {
				suffix = "-dirty"
			}
		}
	}
	name, err := g.describe(k, c)
	if err != nil {
		return err
	}
	g.out.WriteString(name + suffix + "\n")
	return nil
}

// describe names a commit after the nearest tag before it.
func (g *git) describe(k *object.Commit, c gitCall) (string, error) {
	type named struct {
		name      string
		annotated bool
		when      int64
	}
	tags := map[plumbing.Hash]named{}
	any := false
	err := g.eachRef(func(ref *plumbing.Reference) error {
		n := ref.Name()
		name := strings.TrimPrefix(n.String(), "refs/tags/")
		if c.has("all") {
			name = strings.TrimPrefix(n.String(), "refs/")
		} else if !n.IsTag() {
			return nil
		}
		any = true
		for _, o := range c.opts {
			hit := o.name == "match" || o.name == "exclude"
			if hit && fnmatch(o.value, name, 0) == (o.name == "exclude") {
				return nil
			}
		}
		tag, err := g.repo.TagObject(ref.Hash())
		t := named{name: name, annotated: err == nil}
		if err == nil {
			t.when = tag.Tagger.When.Unix()
		} else if !c.has("tags") && !c.has("all") {
			return nil
		}
		commit, err := g.peel(ref.Hash())
		if err != nil {
			return nil
		}
		if old, ok := tags[commit.Hash]; !ok || t.annotated && (!old.annotated || t.when >= old.when) {
			tags[commit.Hash] = t
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	abbrev := atoiOr(c.value("abbrev"), 7)
	if t, ok := tags[k.Hash]; ok {
		text := t.name
		if c.has("long") {
			text += "-0-g" + k.Hash.String()[:max(abbrev, 4)]
		}
		return text, nil
	}
	if c.has("exact-match") {
		if c.has("always") {
			return k.Hash.String()[:max(abbrev, 4)], nil
		}
		return "", fatalf("no tag exactly matches '%s'", k.Hash)
	}
	best, depth := named{}, 0
	all, err := g.reachable(k)
	if err != nil {
		return "", err
	}
	found := false
	err = g.commits([]string{k.Hash.String()}, nil, gitCall{}, func(commit *object.Commit) (bool, error) {
		t, ok := tags[commit.Hash]
		if !ok {
			return true, nil
		}
		behind, err := g.reachable(commit)
		if n := len(all) - len(behind); err == nil && (!found || n < depth) {
			best, depth, found = t, n, true
		}
		return false, err
	})
	switch {
	case err != nil:
		return "", err
	case found && abbrev == 0:
		return best.name, nil
	case found:
		return fmt.Sprintf("%s-%d-g%s", best.name, depth, k.Hash.String()[:max(abbrev, 4)]), nil
	case c.has("always"):
		return k.Hash.String()[:max(abbrev, 4)], nil
	case any:
		return "", fatalf("No annotated tags can describe '%s'.\nHowever, there were unannotated tags: try --tags.", k.Hash)
	}
	return "", fatalf("No names found, cannot describe anything.")
}
