package builtins

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// switchTo brings index and working tree from HEAD to a commit. Changes that are not committed are kept where the two
// commits agree, and stop it where they do not, unless force is set.
func (g *git) switchTo(to *object.Commit, force bool) error {
	x, err := g.index()
	if err != nil {
		return err
	}
	old, err := g.headFiles()
	if err != nil {
		return err
	}
	new, err := g.files(to.TreeHash)
	if err != nil {
		return err
	}
	if force {
		old = x.tree()
	}
	changes := old.compare(new, nil)
	var local, untracked []string
	for _, ch := range changes {
		if force {
			break
		}
		e := x.entries[ch.name]
		b, info, err := x.working(ch.name)
		if err != nil {
			return err
		}
		switch {
		case e == nil && info != nil && !info.IsDir() && b != ch.new:
			untracked = append(untracked, ch.name)
		case e == nil:
		case (gitBlob{e.Mode, e.Hash}) == ch.new && b == ch.new: // already so
		case (gitBlob{e.Mode, e.Hash}) != ch.old || !b.none() && b != ch.old:
			local = append(local, ch.name)
		}
	}
	if len(local) > 0 {
		return gitError("Your local changes to the following files would be overwritten by checkout:\n\t" + strings.Join(local, "\n\t") + "\nPlease commit your changes or stash them before you switch branches.\nAborting")
	}
	if len(untracked) > 0 {
		return gitError("The following untracked working tree files would be overwritten by checkout:\n\t" + strings.Join(untracked, "\n\t") + "\nPlease move or remove them before you switch branches.\nAborting")
	}
	for _, ch := range changes {
		if ch.new.none() {
			if err := x.checkout(ch.name, ch.new); err != nil {
				return err
			}
		}
	}
	for _, ch := range changes {
		if !ch.new.none() {
			if err := x.checkout(ch.name, ch.new); err != nil {
				return err
			}
		}
	}
	if force {
		changed, err := x.unstaged(nil)
		if err != nil {
			return err
		}
		for _, ch := range changed {
			if err := x.checkout(ch.name, ch.old); err != nil {
				return err
			}
		}
	}
	return x.save()
}

// leave notes where HEAD was, for "-", and tells of a detached one.
func (g *git) arrive(name plumbing.ReferenceName, h plumbing.Hash) error {
	from := g.branch()
	old := plumbing.ZeroHash
	if head, err := g.repo.Head(); err == nil {
		old = head.Hash()
	}
	if from == "" {
		from = old.String()
	}
	var ref *plumbing.Reference
	to := name.Short()
	if name == "" {
		ref, to = plumbing.NewHashReference(plumbing.HEAD, h), h.String()
	} else {
		ref = plumbing.NewSymbolicReference(plumbing.HEAD, name)
	}
	if err := g.store.SetReference(ref); err != nil {
		return err
	}
	return g.reflog("HEAD", old, h, "checkout: moving from "+from+" to "+to)
}

// previous is the branch or commit that HEAD was at before.
func (g *git) previous() (string, error) {
	data, err := g.p.Files.ReadFile(g.dir + "/logs/HEAD")
	if err == nil {
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			if _, rest, ok := strings.Cut(lines[i], "\tcheckout: moving from "); ok {
				from, _, _ := strings.Cut(rest, " to ")
				return from, nil
			}
		}
	}
	return "", fatalf("invalid reference: @{-1}")
}

// gitCheckout is git checkout; gitSwitch git switch.
func gitCheckout(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	if c.has("p") || c.has("m") || c.has("orphan") {
		g.p.lacking("checkout -p, -m or --orphan")
		return gitExit(2)
	}
	paths := c.paths
	operands := c.operands
	if !c.has("b") && !c.has("B") && len(operands) > 0 && !c.dashed {
		if _, err := g.commit(operands[0]); err != nil && operands[0] != "-" && !g.remoteOnly(operands[0]) {
			if !g.exists(operands[0]) {
				return gitError(fmt.Sprintf("pathspec '%s' did not match any file(s) known to git", operands[0]))
			}
			paths, operands = operands, nil
		} else if len(operands) > 1 {
			paths, operands = operands[1:], operands[:1]
		}
	}
	if len(paths) > 0 {
		source := ""
		if len(operands) > 0 {
			source = operands[0]
		}
		return g.restore(source, paths, source != "", true, c.has("q"), true)
	}
	return g.goTo(c, operands, c.has("detach"), true)
}

func gitSwitch(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	if c.has("m") || c.has("orphan") {
		g.p.lacking("switch -m or --orphan")
		return gitExit(2)
	}
	if len(c.operands) == 0 && !c.has("b") && !c.has("B") {
		return fatalf("missing branch or commit argument")
	}
	if len(c.operands) == 1 && !c.has("b") && !c.has("B") && !c.has("detach") && c.operands[0] != "-" && !g.hasBranch(c.operands[0]) && !g.remoteOnly(c.operands[0]) {
		if _, err := g.commit(c.operands[0]); err != nil {
			return fatalf("invalid reference: %s", c.operands[0])
		}
		return fatalf("a branch is expected, got commit '%s'\nhint: If you want to detach HEAD at the commit, try again with the --detach option.", c.operands[0])
	}
	return g.goTo(c, c.operands, c.has("detach"), false)
}

// remoteOnly says whether a branch is there at just one remote.
func (g *git) remoteOnly(name string) bool {
	return !g.hasBranch(name) && len(g.remotesWith(name)) == 1
}

func (g *git) remotesWith(branch string) []string {
	var all []string
	for _, r := range g.remotes() {
		if _, err := g.repo.Reference(plumbing.NewRemoteReferenceName(r, branch), true); err == nil {
			all = append(all, r)
		}
	}
	return all
}

// goTo changes the branch: checkout without paths, and switch.
func (g *git) goTo(c gitCall, operands []string, detach, isCheckout bool) (err error) {
	created, start := c.value("b"), "HEAD"
	if c.has("B") {
		created = c.value("B")
	}
	making := c.has("b") || c.has("B")
	say := func(format string, a ...any) {
		if !c.has("q") {
			g.out.Flush()
			fmt.Fprintf(g.p.Stderr, format, a...)
		}
	}
	if len(operands) > 0 {
		start = operands[0]
	}
	if start == "-" {
		if start, err = g.previous(); err != nil {
			return err
		}
	}
	remote := ""
	if !making && g.remoteOnly(start) {
		if _, err := g.commit(start); err != nil {
			remote = g.remotesWith(start)[0]
			created, making = start, true
			start = remote + "/" + start
		}
	}
	if making {
		if err := branchNameError(created); err != nil {
			return err
		}
		if g.hasBranch(created) && !c.has("B") {
			return fatalf("a branch named '%s' already exists", created)
		}
	}
	head, err := g.head()
	if err != nil {
		return err
	}
	if head == nil && making && start == "HEAD" { // before the first commit
		return g.store.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName(created)))
	}
	to, err := g.commit(start)
	if err != nil {
		if making {
			return fatalf("'%s' is not a commit and a branch '%s' cannot be created from it", start, created)
		}
		return gitError(fmt.Sprintf("pathspec '%s' did not match any file(s) known to git", start))
	}
	if len(operands) == 0 && !making && !c.has("f") {
		return nil
	}
	defer func() {
		if err == nil && !c.has("q") && !c.has("f") {
			err = g.localChanges()
		}
	}()
	wasDetached := g.branch() == "" && head != nil
	same := !making && !detach && start == g.branch()
	if head == nil || head.Hash != to.Hash || c.has("f") {
		if err := g.switchTo(to, c.has("f")); err != nil {
			return err
		}
	}
	if wasDetached && !making && (head.Hash != to.Hash) {
		say("Previous HEAD position was %s %s\n", g.short(head.Hash), gitSubject(head.Message))
	}
	switch {
	case making:
		name := plumbing.NewBranchReferenceName(created)
		reset := g.hasBranch(created)
		if err := g.store.SetReference(plumbing.NewHashReference(name, to.Hash)); err != nil {
			return err
		}
		if err := g.arrive(name, to.Hash); err != nil {
			return err
		}
		if err := g.track(c, created, start); err != nil {
			return err
		}
		if reset {
			say("Switched to and reset branch '%s'\n", created)
		} else {
			say("Switched to a new branch '%s'\n", created)
		}
	case !detach && g.hasBranch(start):
		if err := g.arrive(plumbing.NewBranchReferenceName(start), to.Hash); err != nil {
			return err
		}
		if same {
			say("Already on '%s'\n", start)
		} else {
			say("Switched to branch '%s'\n", start)
		}
		text, err := g.tracking(to)
		if err != nil {
			return err
		}
		if !c.has("q") {
			g.out.WriteString(text)
		}
	default:
		if err := g.arrive("", to.Hash); err != nil {
			return err
		}
		if isCheckout && !detach && !wasDetached && g.config("advice.detachedHead") != "false" {
			say("Note: switching to '%s'.\n\nYou are in 'detached HEAD' state. You can look around, make experimental\nchanges and commit them, and you can discard any commits you make in this\nstate without impacting any branches by switching back to a branch.\n\n", start)
		}
		say("HEAD is now at %s %s\n", g.short(to.Hash), gitSubject(to.Message))
	}
	return nil
}

// localChanges lists what is not committed, as checkout does.
func (g *git) localChanges() error {
	x, err := g.index()
	if err != nil {
		return err
	}
	head, err := g.headFiles()
	if err != nil {
		return err
	}
	now := gitTree{}
	for _, name := range x.names() {
		b, _, err := x.working(name)
		if err != nil {
			return err
		}
		if !b.none() {
			now[name] = b
		}
	}
	for _, ch := range head.compare(now, nil) {
		fmt.Fprintf(g.out, "%c\t%s\n", ch.letter(), gitQuote(ch.name))
	}
	return nil
}

// track sets what a new branch follows, if it begins at a remote's.
func (g *git) track(c gitCall, branch, start string) error {
	if c.has("no-track") {
		return nil
	}
	for _, r := range g.remotes() {
		name, ok := strings.CutPrefix(strings.TrimPrefix(start, "refs/remotes/"), r+"/")
		if _, err := g.repo.Reference(plumbing.NewRemoteReferenceName(r, name), true); ok && err == nil {
			if !c.has("q") {
				g.out.WriteString("branch '" + branch + "' set up to track '" + r + "/" + name + "'.\n")
			}
			return g.follow(branch, r, name)
		}
	}
	return nil
}
