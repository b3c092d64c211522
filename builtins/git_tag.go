package builtins

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitTag is git tag.
func gitTag(g *git, c gitCall) error {
	names := append(slices.Clone(c.operands), c.paths...)
	switch {
	case c.has("d"):
		failed := false
		for _, n := range names {
			ref, err := g.repo.Reference(plumbing.NewTagReferenceName(n), true)
			if err != nil {
				g.out.Flush()
				io.WriteString(g.p.Stderr, "error: tag '"+n+"' not found.\n")
				failed = true
				continue
			}
			if err := g.store.RemoveReference(ref.Name()); err != nil {
				return err
			}
			fmt.Fprintf(g.out, "Deleted tag '%s' (was %s)\n", n, g.short(ref.Hash()))
		}
		if failed {
			return gitExit(1)
		}
		return nil
	case len(names) == 0 || c.has("l") || c.has("contains") || c.has("merged") || c.has("points-at"):
		return g.listTags(c, names)
	case c.has("s") || c.has("u"):
		g.p.lacking("tag -s")
		return gitExit(2)
	}
	target := "HEAD"
	if len(names) > 1 {
		target = names[1]
	}
	h, err := g.resolve(target)
	if err != nil {
		return fatalf("Failed to resolve '%s' as a valid ref.", target)
	}
	name := plumbing.NewTagReferenceName(names[0])
	if branchNameError(names[0]) != nil {
		return fatalf("'%s' is not a valid tag name.", names[0])
	}
	old, err := g.repo.Reference(name, true)
	if err == nil && !c.has("f") {
		return fatalf("tag '%s' already exists", names[0])
	}
	text, given, err := g.message(c)
	if err != nil {
		return err
	}
	if c.has("a") || given {
		if !given {
			if text, err = g.edit("TAG_EDITMSG", "\n#\n# Write a message for tag:\n#   "+names[0]+"\n# Lines starting with '#' will be ignored.\n"); err != nil {
				return err
			}
			if text == "" {
				return fatalf("no tag message?")
			}
		}
		tag := &object.Tag{Name: names[0], Message: text, Target: h, TargetType: plumbing.CommitObject}
		if o, err := g.store.EncodedObject(plumbing.AnyObject, h); err == nil {
			tag.TargetType = o.Type()
		}
		if tag.Tagger, err = g.identity("COMMITTER"); err != nil {
			return err
		}
		if h, err = g.writeObject(tag); err != nil {
			return err
		}
	}
	if old != nil && old.Hash() != h {
		fmt.Fprintf(g.out, "Updated tag '%s' (was %s)\n", names[0], g.short(old.Hash()))
	}
	return g.store.SetReference(plumbing.NewHashReference(name, h))
}

func (g *git) listTags(c gitCall, patterns []string) error {
	var refs []*plumbing.Reference
	err := g.eachRef(func(ref *plumbing.Reference) error {
		short := strings.TrimPrefix(ref.Name().String(), "refs/tags/")
		if !ref.Name().IsTag() || len(patterns) > 0 && !slices.ContainsFunc(patterns, func(p string) bool { return fnmatch(p, short, 0) }) {
			return nil
		}
		ok, err := g.selectsRef(c, ref.Hash())
		if ok {
			refs = append(refs, ref)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := g.sortRefs(refs, c.value("sort")); err != nil {
		return err
	}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.Name().String(), "refs/tags/")
		switch {
		case c.value("format") != "":
			g.out.WriteString(g.refFormat(c.value("format"), ref) + "\n")
		case c.has("n"):
			text := ""
			if tag, err := g.repo.TagObject(ref.Hash()); err == nil {
				text = tag.Message
			} else if k, err := g.repo.CommitObject(ref.Hash()); err == nil {
				text = k.Message
			}
			fmt.Fprintf(g.out, "%-15s %s\n", name, firstLine(text))
		default:
			g.out.WriteString(name + "\n")
		}
	}
	return nil
}
