package builtins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// gitFetch is git fetch.
func gitFetch(g *git, c gitCall) error {
	operands := append(slices.Clone(c.operands), c.paths...)
	names := []string{g.defaultRemote()}
	if c.has("all") {
		names = g.remotes()
	} else if len(operands) > 0 {
		names = operands[:1]
		operands = operands[1:]
	}
	for _, n := range names {
		if _, err := g.fetch(c, n, operands); err != nil {
			return err
		}
	}
	return nil
}

func (g *git) defaultRemote() string {
	if r := g.config("branch." + g.branch() + ".remote"); r != "" && r != "." {
		return r
	}
	if all := g.remotes(); len(all) == 1 {
		return all[0]
	}
	return "origin"
}

// fetch brings references of a remote, and gives what FETCH_HEAD is for a merge.
func (g *git) fetch(c gitCall, name string, specs []string) (merge plumbing.Hash, err error) {
	url := g.urlOf(name, false)
	before := map[plumbing.ReferenceName]plumbing.Hash{}
	collect := func(to map[plumbing.ReferenceName]plumbing.Hash) error {
		return g.eachRef(func(ref *plumbing.Reference) error {
			to[ref.Name()] = ref.Hash()
			return nil
		})
	}
	if err := collect(before); err != nil {
		return merge, err
	}
	refs, err := g.list(name, url, false)
	if err != nil {
		return merge, err
	}
	type wanted struct {
		spec config.RefSpec
		temp plumbing.ReferenceName
		note string
	}
	var want []wanted
	named := slices.Contains(g.remotes(), name)
	for i, s := range specs {
		if s == "tag" {
			continue
		}
		force := strings.HasPrefix(s, "+") || c.has("f")
		from, to, _ := strings.Cut(strings.TrimPrefix(s, "+"), ":")
		if i > 0 && specs[i-1] == "tag" {
			from, to = "refs/tags/"+from, "refs/tags/"+from
		}
		full := g.remoteRef(refs, from)
		if full == "" {
			return merge, fatalf("couldn't find remote ref %s", from)
		}
		w := wanted{note: "'" + from + "' of " + url}
		if strings.HasPrefix(full, "refs/heads/") {
			w.note = "branch " + w.note
		}
		switch {
		case to != "":
			if !strings.HasPrefix(to, "refs/") {
				to = "refs/heads/" + to
			}
		case named && strings.HasPrefix(full, "refs/heads/"):
			to, force = "refs/remotes/"+name+"/"+strings.TrimPrefix(full, "refs/heads/"), true
		default:
			w.temp = plumbing.ReferenceName("refs/fetched/" + itoa(i))
			to, force = w.temp.String(), true
		}
		w.spec = config.RefSpec(full + ":" + to)
		if force {
			w.spec = "+" + w.spec
		}
		want = append(want, w)
	}
	if len(specs) == 0 {
		for _, s := range g.settings() {
			if s.key == "remote."+name+".fetch" {
				want = append(want, wanted{spec: config.RefSpec(s.value)})
			}
		}
		if len(want) == 0 {
			want = append(want, wanted{spec: "+HEAD:refs/fetched/0", temp: "refs/fetched/0", note: url})
		}
	}
	o := &gogit.FetchOptions{Depth: atoiOr(c.value("depth"), 0), Prune: c.has("p"), Force: c.has("f")}
	switch {
	case c.has("t"):
		o.Tags = gogit.AllTags
	case c.has("n"):
		o.Tags = gogit.NoTags
	}
	for _, w := range want {
		o.RefSpecs = append(o.RefSpecs, w.spec)
	}
	if c.has("unshallow") {
		return merge, fatalf("--unshallow is not supported in the sandbox (go-git has no means for it)")
	}
	head, headErr := g.repo.Reference(plumbing.NewRemoteHEADReferenceName(name), false)
	err = g.connect(name, url, func(ctx context.Context, r *gogit.Remote) error { return r.FetchContext(ctx, o) })
	if err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate) && !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return merge, err
	}
	if headErr == nil && head.Type() == plumbing.SymbolicReference { // which pruning takes for a branch that is gone
		if err := g.store.SetReference(head); err != nil {
			return merge, err
		}
	}
	if o.Tags == gogit.InvalidTagMode || o.Tags == gogit.TagFollowing {
		if err := g.followTags(name, url); err != nil {
			return merge, err
		}
	}
	var note strings.Builder
	for _, w := range want {
		target := plumbing.ReferenceName(w.spec.Dst(plumbing.ReferenceName(w.spec.Src())))
		if w.note != "" {
			if ref, err := g.repo.Reference(target, true); err == nil {
				fmt.Fprintf(&note, "%s\t\t%s\n", ref.Hash(), w.note)
				if merge.IsZero() {
					merge = ref.Hash()
				}
			}
		}
		if w.temp != "" {
			if err := g.store.RemoveReference(w.temp); err != nil {
				return merge, err
			}
		}
	}
	if len(specs) == 0 {
		follows := g.config("branch." + g.branch() + ".merge")
		for _, r := range refs {
			if !r.Name().IsBranch() {
				continue
			}
			mark := "not-for-merge"
			if follows == r.Name().String() && g.config("branch."+g.branch()+".remote") == name {
				mark, merge = "", r.Hash()
			}
			line := fmt.Sprintf("%s\t%s\tbranch '%s' of %s\n", r.Hash(), mark, r.Name().Short(), url)
			if mark == "" {
				text := note.String()
				note.Reset()
				note.WriteString(line + text)
			} else {
				note.WriteString(line)
			}
		}
	}
	if err := g.p.Files.WriteFile(g.dir+"/FETCH_HEAD", []byte(note.String()), 0o666); err != nil {
		return merge, err
	}
	after := map[plumbing.ReferenceName]plumbing.Hash{}
	if err := collect(after); err != nil || c.has("q") {
		return merge, err
	}
	return merge, g.reportFetch(url, before, after)
}

// followTags brings the annotated tags of commits that have come from a repository in our files: go-git's server does
// not say what they point at.
func (g *git) followTags(name, url string) error {
	dir := g.localDir(url)
	if dir == "" {
		return nil
	}
	other := &git{p: g.p, dir: dir}
	if err := other.load(); err != nil {
		return err
	}
	var specs []config.RefSpec
	err := other.eachRef(func(ref *plumbing.Reference) error {
		tag, err := other.repo.TagObject(ref.Hash())
		if err != nil || !ref.Name().IsTag() || g.store.HasEncodedObject(tag.Target) != nil {
			return nil
		}
		if _, err := g.repo.Reference(ref.Name(), true); err != nil {
			specs = append(specs, config.RefSpec("+"+ref.Name().String()+":"+ref.Name().String()))
		}
		return nil
	})
	if err != nil || len(specs) == 0 {
		return err
	}
	err = g.connect(name, url, func(ctx context.Context, r *gogit.Remote) error {
		return r.FetchContext(ctx, &gogit.FetchOptions{RefSpecs: specs, Tags: gogit.NoTags})
	})
	if errors.Is(err, gogit.NoErrAlreadyUpToDate) {
		return nil
	}
	return err
}

// remoteRef is the full name of a reference of a remote.
func (g *git) remoteRef(refs []*plumbing.Reference, name string) string {
	if plumbing.IsHash(name) {
		return name
	}
	for _, prefix := range []string{"", "refs/", "refs/tags/", "refs/heads/"} {
		for _, r := range refs {
			if r.Name().String() == prefix+name {
				return prefix + name
			}
		}
	}
	return ""
}

// reportFetch says on standard error what has come.
func (g *git) reportFetch(url string, before, after map[plumbing.ReferenceName]plumbing.Hash) error {
	var names []plumbing.ReferenceName
	for n, h := range after {
		if before[n] != h && (n.IsRemote() || n.IsTag() || n.IsBranch()) {
			names = append(names, n)
		}
	}
	for n := range before {
		if _, ok := after[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for i, n := range names {
		if i == 0 {
			io.WriteString(g.p.Stderr, "From "+strings.TrimSuffix(url, ".git")+"\n")
		}
		short := n.Short()
		if n.IsRemote() {
			_, short, _ = strings.Cut(short, "/")
		}
		old, new := before[n], after[n]
		what := " * [new " + map[bool]string{true: "tag", false: "branch"}[n.IsTag()] + "]"
		switch {
		case new.IsZero():
			what, short = " - [deleted]", "(none)"
		case !old.IsZero():
			what = "   " + g.short(old) + ".." + g.short(new)
		}
		fmt.Fprintf(g.p.Stderr, "%-20s %-10s -> %s\n", what, short, n.Short())
	}
	return nil
}

// gitPull is git pull, as far as it is a fast-forward.
func gitPull(g *git, c gitCall) error {
	operands := append(slices.Clone(c.operands), c.paths...)
	name := g.defaultRemote()
	if len(operands) > 0 {
		name, operands = operands[0], operands[1:]
	}
	h, err := g.fetch(c, name, operands)
	if err != nil {
		return err
	}
	if h.IsZero() {
		g.out.Flush()
		io.WriteString(g.p.Stderr, "There is no tracking information for the current branch.\nPlease specify which branch you want to merge with.\nSee git-pull(1) for details.\n\n    git pull <remote> <branch>\n\n")
		return gitExit(1)
	}
	to, err := g.peel(h)
	if err != nil {
		return err
	}
	return g.forward(to, "pull", false, c.has("ff-only"), c.has("q"), c.has("no-stat"))
}
