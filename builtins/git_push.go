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
)

// gitPush is git push.
func gitPush(g *git, c gitCall) error {
	operands := append(slices.Clone(c.operands), c.paths...)
	name := g.defaultRemote()
	if len(operands) > 0 {
		name, operands = operands[0], operands[1:]
	}
	url := g.urlOf(name, true)
	if !slices.Contains(g.remotes(), name) && url == name && !strings.ContainsAny(name, ":/") && !g.exists(name) {
		if len(c.operands) == 0 {
			return fatalf("No configured push destination.\nEither specify the URL from the command-line or configure a remote repository using\n\n    git remote add <name> <url>\n\nand then push using the remote name\n\n    git push <name>\n")
		}
		return fatalf("'%s' does not appear to be a git repository\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.", name)
	}
	moves, err := g.pushes(c, name, operands)
	if err != nil {
		return err
	}
	if err := g.hook("pre-push"); err != nil {
		return err
	}
	remote, err := g.list(name, url, false)
	if err != nil {
		return err
	}
	return g.push(c, name, url, moves, remote)
}

// gitPushed is a reference that a push sets at the remote; the zero hash deletes it.
type gitPushed struct {
	from  string
	to    plumbing.ReferenceName
	hash  plumbing.Hash
	force bool
}

// pushes reads the refspecs of push.
func (g *git) pushes(c gitCall, remote string, specs []string) ([]gitPushed, error) {
	var moves []gitPushed
	add := func(prefix string) error {
		return g.eachRef(func(ref *plumbing.Reference) error {
			if strings.HasPrefix(ref.Name().String(), prefix) {
				moves = append(moves, gitPushed{ref.Name().Short(), ref.Name(), ref.Hash(), c.has("f")})
			}
			return nil
		})
	}
	if c.has("all") {
		if err := add("refs/heads/"); err != nil {
			return nil, err
		}
	}
	if c.has("tags") {
		if err := add("refs/tags/"); err != nil {
			return nil, err
		}
	}
	if c.has("mirror") {
		g.p.lacking("--mirror")
		return nil, gitExit(2)
	}
	if len(specs) == 0 && !c.has("all") && !c.has("tags") {
		branch := g.branch()
		if branch == "" {
			return nil, fatalf("You are not currently on a branch.\nTo push the history leading to the current (detached HEAD)\nstate now, use\n\n    git push %s HEAD:<name-of-remote-branch>\n", remote)
		}
		to := plumbing.NewBranchReferenceName(branch)
		up, _ := g.upstream(branch)
		switch mode := g.config("push.default"); {
		case mode == "current" || c.has("u") || g.config("push.autosetupremote") == "true":
		case up == "":
			return nil, fatalf("The current branch %s has no upstream branch.\nTo push the current branch and set the remote as upstream, use\n\n    git push --set-upstream %s %s\n\nTo have this happen automatically for branches without a tracking\nupstream, see 'push.autoSetupRemote' in 'git help config'.\n", branch, remote, branch)
		default:
			to = plumbing.ReferenceName(g.config("branch." + branch + ".merge"))
		}
		specs = []string{"refs/heads/" + branch + ":" + to.String()}
	}
	for i, s := range specs {
		if s == "tag" {
			continue
		}
		force := strings.HasPrefix(s, "+") || c.has("f") || c.has("force-with-lease")
		from, to, has := strings.Cut(strings.TrimPrefix(s, "+"), ":")
		if c.has("d") {
			from, to, has = "", from, true
		}
		if i > 0 && specs[i-1] == "tag" {
			from = "refs/tags/" + from
		}
		m := gitPushed{from: from, force: force}
		full := from
		if from != "" {
			h, err := g.resolve(from)
			if err != nil {
				return nil, gitError("src refspec " + from + " does not match any\nerror: failed to push some refs to '" + g.urlOf(remote, true) + "'")
			}
			m.hash = h
			if from == "HEAD" && g.branch() != "" {
				full = "refs/heads/" + g.branch()
			}
			for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
				if _, err := g.repo.Reference(plumbing.ReferenceName(prefix+from), true); err == nil {
					full = prefix + from
				}
			}
			m.from = plumbing.ReferenceName(full).Short()
		}
		if !has {
			to = full
		}
		if !strings.HasPrefix(to, "refs/") {
			prefix := "refs/heads/"
			if strings.HasPrefix(full, "refs/tags/") {
				prefix = "refs/tags/"
			}
			if _, err := g.repo.Reference(plumbing.ReferenceName("refs/tags/"+to), true); err == nil && from == "" {
				prefix = "refs/tags/"
			}
			to = prefix + to
		}
		m.to = plumbing.ReferenceName(to)
		moves = append(moves, m)
	}
	return moves, nil
}

func (g *git) push(c gitCall, name, url string, moves []gitPushed, remote []*plumbing.Reference) error {
	g.out.Flush()
	shownURL := url
	at := func(n plumbing.ReferenceName) plumbing.Hash {
		for _, r := range remote {
			if r.Name() == n {
				return r.Hash()
			}
		}
		return plumbing.ZeroHash
	}
	var lines []string
	var specs []config.RefSpec
	rejected := false
	for _, m := range moves {
		old := at(m.to)
		label := fmt.Sprintf("%s -> %s", m.from, m.to.Short())
		switch {
		case m.hash == old:
			continue
		case m.hash.IsZero():
			specs = append(specs, config.RefSpec(":"+m.to.String()))
			lines = append(lines, fmt.Sprintf(" - [deleted]         %s", m.to.Short()))
			continue
		case g.checkedOut(url, m.to):
			rejected = true
			lines = append(lines, fmt.Sprintf(" ! [remote rejected] %s (branch is currently checked out)", label))
			continue
		case old.IsZero():
			lines = append(lines, fmt.Sprintf(" * [new %s]%s %s", map[bool]string{true: "tag", false: "branch"}[m.to.IsTag()], map[bool]string{true: "        ", false: "     "}[m.to.IsTag()], label))
		default:
			why := ""
			if a, err := g.peel(old); err != nil {
				why = "fetch first"
			} else if b, err := g.peel(m.hash); err != nil {
				return err
			} else if ok, err := a.IsAncestor(b); err != nil {
				return err
			} else if !ok {
				why = "non-fast-forward"
			}
			if m.to.IsTag() {
				why = "already exists"
			}
			if why != "" && !m.force {
				rejected = true
				lines = append(lines, fmt.Sprintf(" ! [rejected]        %s (%s)", label, why))
				continue
			}
			if why != "" {
				lines = append(lines, fmt.Sprintf(" + %s...%s %s (forced update)", g.short(old), g.short(m.hash), label))
			} else {
				lines = append(lines, fmt.Sprintf("   %s..%s  %s", g.short(old), g.short(m.hash), label))
			}
		}
		specs = append(specs, config.RefSpec("+"+m.hash.String()+":"+m.to.String()))
	}
	if len(specs) > 0 && !c.has("n") && !(rejected && c.has("atomic")) {
		err := g.connect(name, url, func(ctx context.Context, r *gogit.Remote) error {
			return r.PushContext(ctx, &gogit.PushOptions{RemoteName: name, RefSpecs: specs, Force: true, Atomic: c.has("atomic")})
		})
		if err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate) {
			return err
		}
	}
	if !c.has("q") || rejected {
		if len(lines) == 0 {
			io.WriteString(g.p.Stderr, "Everything up-to-date\n")
		} else {
			io.WriteString(g.p.Stderr, "To "+shownURL+"\n"+strings.Join(lines, "\n")+"\n")
		}
	}
	for _, m := range moves {
		if !m.to.IsBranch() || c.has("n") || !slices.Contains(g.remotes(), name) || rejected {
			continue
		}
		tracking := plumbing.NewRemoteReferenceName(name, m.to.Short())
		if m.hash.IsZero() {
			_ = g.store.RemoveReference(tracking)
			continue
		}
		if err := g.store.SetReference(plumbing.NewHashReference(tracking, m.hash)); err != nil {
			return err
		}
		if c.has("u") && g.hasBranch(m.from) {
			if err := g.follow(m.from, name, m.to.Short()); err != nil {
				return err
			}
			if !c.has("q") {
				g.out.WriteString("branch '" + m.from + "' set up to track '" + name + "/" + m.to.Short() + "'.\n")
			}
		}
	}
	if rejected {
		return gitError("failed to push some refs to '" + shownURL + "'")
	}
	return nil
}

// checkedOut says whether a repository in our files has a branch checked out, which it does not let others change.
func (g *git) checkedOut(url string, branch plumbing.ReferenceName) bool {
	if rest, ok := strings.CutPrefix(url, "file://"); ok {
		url = rest
	}
	if strings.Contains(url, "://") {
		return false
	}
	data, err := g.p.Files.ReadFile(joinName(g.abs(url), ".git/HEAD"))
	return err == nil && strings.TrimSpace(string(data)) == "ref: "+branch.String()
}
