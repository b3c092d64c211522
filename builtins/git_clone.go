package builtins

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitClone is git clone.
func gitClone(g *git, c gitCall) error {
	operands := append(slices.Clone(c.operands), c.paths...)
	if len(operands) == 0 {
		return fatalf("You must specify a repository to clone.")
	}
	url := operands[0]
	local := !strings.Contains(url, "://") && g.exists(url)
	if local {
		url = g.abs(url)
	}
	dir := strings.TrimSuffix(path.Base(strings.TrimSuffix(strings.TrimRight(url, "/"), "/.git")), ".git")
	bare := c.has("bare") || c.has("mirror")
	if bare {
		dir += ".git"
	}
	if len(operands) > 1 {
		dir = operands[1]
	}
	if entries, err := g.p.Files.ReadDir(dir); err == nil && len(entries) > 0 {
		return fatalf("destination path '%s' already exists and is not an empty directory.", dir)
	}
	existed := g.exists(dir)
	say := func(format string, a ...any) {
		if !c.has("q") {
			fmt.Fprintf(g.p.Stderr, format, a...)
		}
	}
	say("Cloning into %s'%s'...\n", map[bool]string{true: "bare repository "}[bare], dir)
	name := c.value("o")
	if name == "" {
		name = "origin"
	}
	abs := g.abs(dir)
	err := g.clone(c, abs, url, name, bare, local, say)
	if err != nil && !existed {
		_ = g.p.Files.RemoveAll(abs)
	}
	return err
}

func (g *git) clone(c gitCall, dir, url, name string, bare, local bool, say func(string, ...any)) error {
	if err := g.create(dir, g.config("init.defaultbranch"), bare, true); err != nil {
		return err
	}
	g.p.Files = g.p.Files.Clone()
	if err := g.p.Files.Chdir(dir); err != nil {
		return err
	}
	file := g.dir + "/config"
	url = g.urlOf(url, false)
	if c.has("recurse-submodules") {
		if err := g.editConfig(file, "submodule.active", "."); err != nil {
			return err
		}
	}
	if err := g.editConfig(file, "remote."+name+".url", url); err != nil {
		return err
	}
	for _, o := range c.opts {
		if o.name == "c" {
			key, value, _ := strings.Cut(o.value, "=")
			if err := g.editConfig(file, key, value); err != nil {
				return err
			}
		}
	}
	refs, err := g.list(name, url, false)
	if err != nil {
		return err
	}
	branch, tag := c.value("b"), false
	head := plumbing.ZeroHash
	for _, r := range refs {
		if r.Name() == plumbing.HEAD && branch == "" {
			if r.Type() == plumbing.SymbolicReference {
				branch = r.Target().Short()
			} else {
				head = r.Hash()
			}
		}
	}
	if branch != "" {
		has := func(n plumbing.ReferenceName) bool {
			return slices.ContainsFunc(refs, func(r *plumbing.Reference) bool { return r.Name() == n })
		}
		tag = !has(plumbing.NewBranchReferenceName(branch)) && has(plumbing.NewTagReferenceName(branch))
		if c.has("b") && !tag && !has(plumbing.NewBranchReferenceName(branch)) {
			return fatalf("Remote branch %s not found in upstream %s", branch, name)
		}
	}
	depth := atoiOr(c.value("depth"), 0)
	single := c.has("single-branch") || depth > 0 && !c.has("no-single-branch")
	if depth > 0 && (local || strings.HasPrefix(url, "file://")) {
		say("warning: --depth is ignored in local clones.\n")
		depth = 0
	}
	spec := "+refs/heads/*:refs/remotes/" + name + "/*"
	switch {
	case bare:
		spec = "+refs/heads/*:refs/heads/*"
	case single && tag:
		spec = "+refs/tags/" + branch + ":refs/tags/" + branch
	case single && branch != "":
		spec = "+refs/heads/" + branch + ":refs/remotes/" + name + "/" + branch
	}
	if !bare || c.has("mirror") {
		if err := g.editConfig(file, "remote."+name+".fetch", spec); err != nil {
			return err
		}
	}
	if len(refs) == 0 {
		say("warning: You appear to have cloned an empty repository.\n")
		return nil
	}
	tags := gogit.TagFollowing
	if c.has("no-tags") {
		tags = gogit.NoTags
	}
	err = g.connect(name, url, func(ctx context.Context, r *gogit.Remote) error {
		return r.FetchContext(ctx, &gogit.FetchOptions{RefSpecs: []config.RefSpec{config.RefSpec(spec)}, Depth: depth, Tags: tags})
	})
	if err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate) {
		return err
	}
	if g.localDir(url) != "" {
		say("done.\n")
	}
	if tags == gogit.TagFollowing {
		if err := g.followTags(name, url); err != nil {
			return err
		}
	}
	return g.begin(c, name, branch, head, tag, bare)
}

// begin sets HEAD of a clone and checks it out.
func (g *git) begin(c gitCall, name, branch string, head plumbing.Hash, tag, bare bool) error {
	if bare {
		if branch != "" {
			return g.store.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName(branch)))
		}
		return nil
	}
	var to *object.Commit
	var err error
	switch {
	case tag:
		to, err = g.commit("refs/tags/" + branch)
		branch = ""
	case branch != "":
		to, err = g.commit("refs/remotes/" + name + "/" + branch)
	default:
		to, err = g.peel(head)
	}
	if err != nil {
		return fmt.Errorf("check out %s: %w", branch, err)
	}
	if branch != "" {
		local := plumbing.NewBranchReferenceName(branch)
		for _, ref := range []*plumbing.Reference{plumbing.NewHashReference(local, to.Hash), plumbing.NewSymbolicReference(plumbing.HEAD, local), plumbing.NewSymbolicReference(plumbing.NewRemoteHEADReferenceName(name), plumbing.NewRemoteReferenceName(name, branch))} {
			if err := g.store.SetReference(ref); err != nil {
				return err
			}
		}
		if err := g.follow(branch, name, branch); err != nil {
			return err
		}
	} else if err := g.store.SetReference(plumbing.NewHashReference(plumbing.HEAD, to.Hash)); err != nil {
		return err
	}
	if err := g.reflog(plumbing.NewBranchReferenceName(branch), plumbing.ZeroHash, to.Hash, "clone: from "+g.urlOf(name, false)); err != nil {
		return err
	}
	if c.has("n") {
		return nil
	}
	if err := g.switchTo(to, true); err != nil {
		return err
	}
	if c.has("recurse-submodules") {
		return g.updateSubmodules(gitCall{opts: []option{{name: "init"}, {name: "recursive"}}}, nil)
	}
	return nil
}
