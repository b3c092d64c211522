package builtins

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// gitShowRef is git show-ref.
func gitShowRef(g *git, c gitCall) error {
	found := false
	operands := append(slices.Clone(c.operands), c.paths...)
	line := func(name string, h plumbing.Hash) {
		found = true
		switch {
		case c.has("q"):
		case c.has("s"):
			g.out.WriteString(h.String() + "\n")
		default:
			g.out.WriteString(h.String() + " " + name + "\n")
		}
	}
	if c.has("verify") {
		for _, n := range operands {
			ref, err := g.repo.Reference(plumbing.ReferenceName(n), true)
			if err != nil && c.has("q") {
				return gitExit(1)
			}
			if err != nil {
				return fatalf("'%s' - not a valid ref", n)
			}
			line(n, ref.Hash())
		}
		return nil
	}
	err := g.eachRef(func(ref *plumbing.Reference) error {
		n := ref.Name()
		if (c.has("heads") || c.has("tags")) && !(c.has("heads") && n.IsBranch() || c.has("tags") && n.IsTag()) {
			return nil
		}
		if len(operands) > 0 && !slices.ContainsFunc(operands, func(p string) bool { return n.String() == p || strings.HasSuffix(n.String(), "/"+p) }) {
			return nil
		}
		line(n.String(), ref.Hash())
		if tag, err := g.repo.TagObject(ref.Hash()); err == nil && c.has("d") {
			line(n.String()+"^{}", tag.Target)
		}
		return nil
	})
	if err == nil && !found {
		return gitExit(1)
	}
	return err
}

// gitForEachRef is git for-each-ref.
func gitForEachRef(g *git, c gitCall) error {
	format := c.value("format")
	if format == "" {
		format = "%(objectname) %(objecttype)\t%(refname)"
	}
	var refs []*plumbing.Reference
	err := g.eachRef(func(ref *plumbing.Reference) error {
		if n := ref.Name().String(); len(c.operands) > 0 && !slices.ContainsFunc(c.operands, func(p string) bool {
			return n == p || strings.HasPrefix(n, strings.TrimSuffix(p, "/")+"/") || fnmatch(p, n, fnmatchPathname)
		}) {
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
	for i, ref := range refs {
		if most := atoiOr(c.value("count"), 0); most > 0 && i >= most {
			break
		}
		g.out.WriteString(g.refFormat(format, ref) + "\n")
	}
	return nil
}

// sortRefs is --sort.
func (g *git) sortRefs(refs []*plumbing.Reference, key string) error {
	name, back := strings.CutPrefix(key, "-")
	var less func(a, b *plumbing.Reference) int
	when := func(r *plumbing.Reference) int64 {
		if tag, err := g.repo.TagObject(r.Hash()); err == nil && name != "committerdate" {
			return tag.Tagger.When.Unix()
		}
		if k, err := g.peel(r.Hash()); err == nil {
			return k.Committer.When.Unix()
		}
		return 0
	}
	switch name {
	case "", "refname":
		less = func(a, b *plumbing.Reference) int { return strings.Compare(a.Name().String(), b.Name().String()) }
	case "version:refname", "v:refname":
		less = func(a, b *plumbing.Reference) int { return compareVersions(a.Name().String(), b.Name().String()) }
	case "creatordate", "committerdate", "taggerdate":
		less = func(a, b *plumbing.Reference) int { return int(when(a) - when(b)) }
	default:
		return fatalf("--sort=%s is not supported in the sandbox", key)
	}
	slices.SortStableFunc(refs, func(a, b *plumbing.Reference) int {
		if back {
			return less(b, a)
		}
		return less(a, b)
	})
	return nil
}

// refFormat expands %(name) for a reference.
func (g *git) refFormat(format string, ref *plumbing.Reference) string {
	var b strings.Builder
	k, _ := g.peel(ref.Hash())
	for {
		before, rest, ok := strings.Cut(format, "%(")
		b.WriteString(strings.ReplaceAll(before, "%%", "%"))
		if !ok {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, ")")
		format = after
		switch name {
		case "refname":
			b.WriteString(ref.Name().String())
		case "refname:short":
			b.WriteString(ref.Name().Short())
		case "objectname":
			b.WriteString(ref.Hash().String())
		case "objectname:short":
			b.WriteString(g.short(ref.Hash()))
		case "objecttype":
			if o, err := g.store.EncodedObject(plumbing.AnyObject, ref.Hash()); err == nil {
				b.WriteString(o.Type().String())
			}
		case "HEAD":
			b.WriteString(map[bool]string{true: "*", false: " "}[ref.Name().IsBranch() && ref.Name().Short() == g.branch()])
		case "upstream", "upstream:short":
			if up, err := g.upstream(ref.Name().Short()); err == nil {
				b.WriteString(map[bool]string{true: up.Short(), false: up.String()}[name == "upstream:short"])
			}
		case "subject", "contents:subject":
			if tag, err := g.repo.TagObject(ref.Hash()); err == nil {
				b.WriteString(gitSubject(tag.Message))
			} else if k != nil {
				b.WriteString(gitSubject(k.Message))
			}
		case "committerdate:iso8601", "committerdate:iso", "creatordate:iso":
			if k != nil {
				b.WriteString(k.Committer.When.Format("2006-01-02 15:04:05 -0700"))
			}
		case "committerdate:unix", "creatordate:unix":
			if k != nil {
				b.WriteString(strconv.FormatInt(k.Committer.When.Unix(), 10))
			}
		case "committerdate", "creatordate":
			if k != nil {
				b.WriteString(k.Committer.When.Format(gitDateFormat))
			}
		case "committerdate:short", "creatordate:short":
			if k != nil {
				b.WriteString(k.Committer.When.Format("2006-01-02"))
			}
		case "authorname":
			if k != nil {
				b.WriteString(k.Author.Name)
			}
		default:
			b.WriteString("%(" + name + ")")
		}
	}
}

// gitSymbolicRef is git symbolic-ref.
func gitSymbolicRef(g *git, c gitCall) error {
	if len(c.operands) == 2 {
		return g.store.SetReference(plumbing.NewSymbolicReference(plumbing.ReferenceName(c.operands[0]), plumbing.ReferenceName(c.operands[1])))
	}
	if len(c.operands) != 1 {
		return gitExit(129)
	}
	ref, err := g.repo.Reference(plumbing.ReferenceName(c.operands[0]), false)
	if err != nil || ref.Type() != plumbing.SymbolicReference {
		if c.has("q") {
			return gitExit(1)
		}
		return fatalf("ref %s is not a symbolic ref", c.operands[0])
	}
	name := ref.Target().String()
	if c.has("short") {
		name = ref.Target().Short()
	}
	g.out.WriteString(name + "\n")
	return nil
}

// gitUpdateRef is git update-ref.
func gitUpdateRef(g *git, c gitCall) error {
	if len(c.operands) == 0 {
		return gitExit(129)
	}
	name := plumbing.ReferenceName(c.operands[0])
	if c.has("d") {
		return g.store.RemoveReference(name)
	}
	if len(c.operands) < 2 {
		return gitExit(129)
	}
	h, err := g.resolve(c.operands[1])
	if err != nil {
		return fatalf("%s: not a valid SHA1", c.operands[1])
	}
	if name == plumbing.HEAD {
		return g.moveHead(h, "")
	}
	return g.store.SetReference(plumbing.NewHashReference(name, h))
}
