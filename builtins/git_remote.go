package builtins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage"
	gitmemory "github.com/go-git/go-git/v5/storage/memory"
)

// remotes are the names of the remotes that are configured.
func (g *git) remotes() []string {
	var all []string
	for _, s := range g.settings() {
		if rest, ok := strings.CutPrefix(s.key, "remote."); ok && strings.HasSuffix(rest, ".url") {
			if name := strings.TrimSuffix(rest, ".url"); !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// urlOf is where a remote is, by its name or as a URL, rewritten by url.X.insteadOf.
func (g *git) urlOf(remote string, push bool) string {
	url := g.config("remote." + remote + ".url")
	if p := g.config("remote." + remote + ".pushurl"); push && p != "" {
		url = p
	}
	if url == "" {
		url = remote
	}
	longest, to := "", ""
	for _, s := range g.settings() {
		if base, ok := strings.CutSuffix(s.key, ".insteadof"); ok && strings.HasPrefix(base, "url.") && strings.HasPrefix(url, s.value) && len(s.value) > len(longest) {
			longest, to = s.value, strings.TrimPrefix(base, "url.")
		}
	}
	return to + url[len(longest):]
}

// connect calls use with go-git's remote for a URL.
func (g *git) connect(name, url string, use func(ctx context.Context, r *gogit.Remote) error) error {
	ctx, to, end, err := g.remote(url)
	if err != nil {
		return err
	}
	defer end()
	var store storage.Storer = gitmemory.NewStorage()
	if g.store != nil {
		store = g.store
	}
	err = use(ctx, gogit.NewRemote(store, &config.RemoteConfig{Name: name, URLs: []string{to}, Fetch: []config.RefSpec{config.RefSpec("+refs/heads/*:refs/remotes/" + name + "/*")}}))
	var dns *net.DNSError
	var unreachable *connectError
	switch {
	case err == nil || errors.Is(err, gogit.NoErrAlreadyUpToDate):
		return err
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fatalf("repository '%s' not found", url)
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return fatalf("could not read Username for '%s': terminal prompts disabled; put a token into the URL or into http.extraHeader", url)
	case errors.As(err, &dns):
		return fatalf("unable to access '%s': Could not resolve host: %s", url, dns.Name)
	case errors.As(err, &unreachable):
		return fatalf("unable to access '%s': Failed to connect to %s port %s: %s", url, unreachable.host, unreachable.port, strerror(unreachable.err))
	}
	return err
}

// list asks a remote for its references.
func (g *git) list(name, url string, peeled bool) ([]*plumbing.Reference, error) {
	var refs []*plumbing.Reference
	err := g.connect(name, url, func(ctx context.Context, r *gogit.Remote) (err error) {
		o := &gogit.ListOptions{PeelingOption: gogit.IgnorePeeled}
		if peeled {
			o.PeelingOption = gogit.AppendPeeled
		}
		refs, err = r.ListContext(ctx, o)
		if errors.Is(err, transport.ErrEmptyRemoteRepository) {
			return nil
		}
		return err
	})
	if dir := g.localDir(url); err == nil && peeled && dir != "" {
		other := &git{p: g.p, dir: dir}
		if err := other.load(); err != nil {
			return nil, err
		}
		for _, r := range slices.Clone(refs) {
			if tag, err := other.repo.TagObject(r.Hash()); err == nil {
				refs = append(refs, plumbing.NewHashReference(r.Name()+"^{}", tag.Target))
			}
		}
	}
	return refs, err
}

// gitRemoteCommand is git remote.
func gitRemoteCommand(g *git, c gitCall) error {
	file := g.dir + "/config"
	args := c.operands
	if len(args) == 0 {
		for _, n := range slices.Sorted(slices.Values(g.remotes())) {
			if c.has("v") {
				fmt.Fprintf(g.out, "%s\t%s (fetch)\n%s\t%s (push)\n", n, g.urlOf(n, false), n, g.urlOf(n, true))
			} else {
				g.out.WriteString(n + "\n")
			}
		}
		return nil
	}
	var rest []string
	fetch, push := false, false
	for _, a := range args[1:] {
		switch a {
		case "-f", "--fetch":
			fetch = true
		case "--push":
			push = true
		default:
			if strings.HasPrefix(a, "-") {
				g.p.lacking("remote " + args[0] + " " + a)
				return gitExit(2)
			}
			rest = append(rest, a)
		}
	}
	known := func(n string) error {
		if !slices.Contains(g.remotes(), n) {
			g.out.Flush()
			fmt.Fprintf(g.p.Stderr, "error: No such remote '%s'\n", n)
			return gitExit(2)
		}
		return nil
	}
	want := map[string]int{"add": 2, "remove": 1, "rm": 1, "rename": 2, "set-url": 2, "get-url": 1, "update": 0, "prune": 1}
	n, ok := want[args[0]]
	if !ok {
		g.p.Errorf("remote %s is not supported in the sandbox", args[0])
		return gitExit(2)
	}
	if len(rest) < n {
		return gitExit(129)
	}
	switch args[0] {
	case "add":
		if slices.Contains(g.remotes(), rest[0]) {
			g.out.Flush()
			fmt.Fprintf(g.p.Stderr, "error: remote %s already exists.\n", rest[0])
			return gitExit(3)
		}
		if err := g.editConfig(file, "remote."+rest[0]+".url", rest[1]); err != nil {
			return err
		}
		if err := g.editConfig(file, "remote."+rest[0]+".fetch", "+refs/heads/*:refs/remotes/"+rest[0]+"/*"); err != nil || !fetch {
			return err
		}
		_, err := g.fetch(gitCall{}, rest[0], nil)
		return err
	case "remove", "rm":
		if err := known(rest[0]); err != nil {
			return err
		}
		if _, err := g.editSection(file, "remote."+rest[0], ""); err != nil {
			return err
		}
		for _, s := range g.settings() {
			if branch, ok := strings.CutSuffix(s.key, ".remote"); ok && s.value == rest[0] && strings.HasPrefix(branch, "branch.") {
				for _, key := range []string{".remote", ".merge"} {
					if err := g.editConfig(file, branch+key); err != nil {
						return err
					}
				}
			}
		}
		return g.moveRefs("refs/remotes/"+rest[0]+"/", "")
	case "rename":
		if err := known(rest[0]); err != nil {
			return err
		}
		if _, err := g.editSection(file, "remote."+rest[0], "remote."+rest[1]); err != nil {
			return err
		}
		if err := g.editConfig(file, "remote."+rest[1]+".fetch", "+refs/heads/*:refs/remotes/"+rest[1]+"/*"); err != nil {
			return err
		}
		for _, s := range g.settings() {
			if strings.HasPrefix(s.key, "branch.") && strings.HasSuffix(s.key, ".remote") && s.value == rest[0] {
				if err := g.editConfig(file, s.key, rest[1]); err != nil {
					return err
				}
			}
		}
		return g.moveRefs("refs/remotes/"+rest[0]+"/", "refs/remotes/"+rest[1]+"/")
	case "set-url":
		if err := known(rest[0]); err != nil {
			return err
		}
		if push {
			return g.editConfig(file, "remote."+rest[0]+".pushurl", rest[1])
		}
		return g.editConfig(file, "remote."+rest[0]+".url", rest[1])
	case "get-url":
		if err := known(rest[0]); err != nil {
			return err
		}
		g.out.WriteString(g.urlOf(rest[0], push) + "\n")
		return nil
	case "prune":
		_, err := g.fetch(gitCall{opts: []option{{name: "p"}}}, rest[0], nil)
		return err
	}
	return gitFetch(g, gitCall{opts: []option{{name: "all"}}})
}

// moveRefs renames all references below a prefix, or removes them.
func (g *git) moveRefs(from, to string) error {
	iter, err := g.store.IterReferences()
	if err != nil {
		return err
	}
	return iter.ForEach(func(ref *plumbing.Reference) error {
		rest, ok := strings.CutPrefix(ref.Name().String(), from)
		if !ok {
			return nil
		}
		if to != "" {
			moved := plumbing.NewHashReference(plumbing.ReferenceName(to+rest), ref.Hash())
			if ref.Type() == plumbing.SymbolicReference {
				moved = plumbing.NewSymbolicReference(plumbing.ReferenceName(to+rest), plumbing.ReferenceName(to+strings.TrimPrefix(ref.Target().String(), from)))
			}
			if err := g.store.SetReference(moved); err != nil {
				return err
			}
		}
		return g.store.RemoveReference(ref.Name())
	})
}

// gitLsRemote is git ls-remote.
func gitLsRemote(g *git, c gitCall) error {
	name := g.defaultRemote()
	operands := append(slices.Clone(c.operands), c.paths...)
	var patterns []string
	if len(operands) > 0 {
		name, patterns = operands[0], operands[1:]
	}
	refs, err := g.list(name, g.urlOf(name, false), !c.has("refs"))
	if err != nil {
		return err
	}
	hashes := map[plumbing.ReferenceName]plumbing.Hash{}
	for _, r := range refs {
		hashes[r.Name()] = r.Hash()
	}
	slices.SortStableFunc(refs, func(a, b *plumbing.Reference) int { return strings.Compare(a.Name().String(), b.Name().String()) })
	found := false
	for _, r := range refs {
		n := r.Name()
		plain := strings.TrimSuffix(n.String(), "^{}")
		if (c.has("h") || c.has("t")) && !(c.has("h") && n.IsBranch() || c.has("t") && n.IsTag()) || c.has("refs") && n == plumbing.HEAD {
			continue
		}
		if len(patterns) > 0 && !slices.ContainsFunc(patterns, func(p string) bool { return fnmatch("*/"+p, "/"+plain, 0) }) {
			continue
		}
		found = true
		if r.Type() == plumbing.SymbolicReference {
			if c.has("symref") {
				g.out.WriteString("ref: " + r.Target().String() + "\t" + n.String() + "\n")
			}
			r = plumbing.NewHashReference(n, hashes[r.Target()])
		}
		g.out.WriteString(r.Hash().String() + "\t" + n.String() + "\n")
	}
	if !found && c.has("exit-code") {
		return gitExit(2)
	}
	return nil
}
