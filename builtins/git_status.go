package builtins

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitState is what git status finds.
type gitState struct {
	staged, unstaged   []gitChange
	untracked, ignored []string
}

func (g *git) state(paths gitPaths, untracked string, ignored bool) (*gitState, error) {
	x, err := g.index()
	if err != nil {
		return nil, err
	}
	head, err := g.headFiles()
	if err != nil {
		return nil, err
	}
	s := &gitState{staged: g.differ(gitCall{}).detect(head.compare(x.tree(), paths))}
	if s.unstaged, err = x.unstaged(paths); err != nil {
		return nil, err
	}
	if untracked == "no" {
		return s, nil
	}
	err = x.walk().each("", untracked == "all", false, func(name string, isIgnored bool) error {
		switch {
		case !paths.match(strings.TrimSuffix(name, "/")):
		case isIgnored:
			s.ignored = append(s.ignored, name)
		default:
			s.untracked = append(s.untracked, name)
		}
		return nil
	})
	slices.Sort(s.untracked)
	slices.Sort(s.ignored)
	if !ignored {
		s.ignored = nil
	}
	return s, err
}

// gitStatus is git status.
func gitStatus(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	paths, err := g.pathspecs(append(slices.Clone(c.operands), c.paths...))
	if err != nil {
		return err
	}
	untracked := c.value("u")
	if c.has("u") && untracked == "" {
		untracked = "all"
	}
	s, err := g.state(paths, untracked, c.has("ignored"))
	if err != nil {
		return err
	}
	if c.has("s") || c.has("porcelain") || c.has("z") {
		if v := c.value("porcelain"); v == "v2" || v == "2" {
			g.p.lacking("--porcelain=" + v)
			return gitExit(2)
		}
		return g.shortStatus(c, s)
	}
	return g.longStatus(s, untracked, "")
}

func (g *git) shortStatus(c gitCall, s *gitState) error {
	end := "\n"
	name := func(n string) string { return g.shown(n, c.has("s") && !c.has("porcelain")) }
	if c.has("z") {
		end = "\x00"
		name = func(n string) string { return n }
	}
	if c.has("b") {
		head, err := g.head()
		if err != nil {
			return err
		}
		branch := g.branch()
		switch {
		case branch == "":
			g.out.WriteString("## HEAD (no branch)" + end)
		case head == nil:
			g.out.WriteString("## No commits yet on " + branch + end)
		default:
			g.out.WriteString("## " + branch)
			if up, err := g.upstream(branch); err == nil {
				g.out.WriteString("..." + up.Short())
				if ahead, behind, err := g.distance(head, up); err == nil && ahead+behind > 0 {
					var parts []string
					if ahead > 0 {
						parts = append(parts, "ahead "+itoa(ahead))
					}
					if behind > 0 {
						parts = append(parts, "behind "+itoa(behind))
					}
					g.out.WriteString(" [" + strings.Join(parts, ", ") + "]")
				}
			}
			g.out.WriteString(end)
		}
	}
	marks := map[string]*[2]byte{}
	from := map[string]string{}
	mark := func(name string, at int, letter byte) {
		if marks[name] == nil {
			marks[name] = &[2]byte{' ', ' '}
		}
		marks[name][at] = letter
	}
	for _, ch := range s.staged {
		letter := ch.letter()
		if ch.from != "" {
			letter, from[ch.name] = 'R', ch.from
		}
		mark(ch.name, 0, letter)
	}
	for _, ch := range s.unstaged {
		mark(ch.name, 1, ch.letter())
	}
	for _, n := range slices.Sorted(maps.Keys(marks)) {
		switch old := from[n]; {
		case old != "" && end == "\x00":
			fmt.Fprintf(g.out, "%s %s\x00%s\x00", marks[n][:], n, old)
		case old != "":
			fmt.Fprintf(g.out, "%s %s -> %s\n", marks[n][:], name(old), name(n))
		default:
			fmt.Fprintf(g.out, "%s %s%s", marks[n][:], name(n), end)
		}
	}
	for _, n := range s.untracked {
		g.out.WriteString("?? " + name(n) + end)
	}
	for _, n := range s.ignored {
		g.out.WriteString("!! " + name(n) + end)
	}
	return nil
}

// shown is a path as it is printed: from the working directory if relative, quoted if it is not plain.
func (g *git) shown(name string, relative bool) string {
	if relative {
		name = g.relative(name)
	}
	return gitQuote(name)
}

// relative is a path from the root as seen from the working directory.
func (g *git) relative(name string) string {
	prefix := g.prefix
	for prefix != "" && !strings.HasPrefix(name, prefix) {
		cut := strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')
		prefix = prefix[:cut+1]
	}
	up := strings.Count(g.prefix[len(prefix):], "/")
	if name = strings.Repeat("../", up) + name[len(prefix):]; name == "" {
		return "./"
	}
	return name
}

// gitQuote is a path with C escapes and quotes if it needs them (core.quotePath).
func gitQuote(name string) string {
	escaped := escapeC(name, '"')
	if escaped == name {
		return name
	}
	return `"` + escaped + `"`
}

// distance counts the commits that a branch and its upstream do not share.
func (g *git) distance(head *object.Commit, up plumbing.ReferenceName) (ahead, behind int, err error) {
	ref, err := g.repo.Reference(up, true)
	if err != nil {
		return 0, 0, err
	}
	other, err := g.repo.CommitObject(ref.Hash())
	if err != nil {
		return 0, 0, err
	}
	mine, err := g.reachable(head)
	if err != nil {
		return 0, 0, err
	}
	theirs, err := g.reachable(other)
	if err != nil {
		return 0, 0, err
	}
	for h := range mine {
		if !theirs[h] {
			ahead++
		}
	}
	for h := range theirs {
		if !mine[h] {
			behind++
		}
	}
	return ahead, behind, nil
}

// tracking says how a branch stands to its upstream.
func (g *git) tracking(head *object.Commit) (string, error) {
	up, err := g.upstream(g.branch())
	if err != nil || head == nil {
		return "", nil
	}
	ahead, behind, err := g.distance(head, up)
	if err != nil {
		return "Your branch is based on '" + up.Short() + "', but the upstream is gone.\n  (use \"git branch --unset-upstream\" to fixup)\n", nil
	}
	commits := func(n int) string {
		if n == 1 {
			return "1 commit"
		}
		return itoa(n) + " commits"
	}
	switch {
	case ahead == 0 && behind == 0:
		return "Your branch is up to date with '" + up.Short() + "'.\n", nil
	case behind == 0:
		return "Your branch is ahead of '" + up.Short() + "' by " + commits(ahead) + ".\n  (use \"git push\" to publish your local commits)\n", nil
	case ahead == 0:
		return "Your branch is behind '" + up.Short() + "' by " + commits(behind) + ", and can be fast-forwarded.\n  (use \"git pull\" to update your local branch)\n", nil
	}
	return fmt.Sprintf("Your branch and '%s' have diverged,\nand have %d and %d different commits each, respectively.\n  (use \"git pull\" to merge the remote branch into yours)\n", up.Short(), ahead, behind), nil
}

// longStatus is what git status says, and git commit when there is nothing to commit.
func (g *git) longStatus(s *gitState, untracked string, committing string) error {
	head, err := g.head()
	if err != nil {
		return err
	}
	if branch := g.branch(); branch != "" {
		g.out.WriteString("On branch " + branch + "\n")
	} else {
		g.out.WriteString("HEAD detached at " + g.short(head.Hash) + "\n")
	}
	text, err := g.tracking(head)
	if err != nil {
		return err
	}
	if text != "" {
		g.out.WriteString(text + "\n")
	}
	if head == nil {
		g.out.WriteString(map[bool]string{false: "\nInitial commit\n\n", true: "\nNo commits yet\n\n"}[committing == ""])
	}
	words := map[byte]string{'A': "new file:   ", 'M': "modified:   ", 'D': "deleted:    ", 'T': "typechange: "}
	section := func(title string, hints []string, changes []gitChange) {
		if len(changes) == 0 {
			return
		}
		g.out.WriteString(title + "\n")
		for _, h := range hints {
			g.out.WriteString("  (" + h + ")\n")
		}
		for _, ch := range changes {
			if ch.from != "" {
				g.out.WriteString("\trenamed:    " + g.shown(ch.from, true) + " -> " + g.shown(ch.name, true) + "\n")
				continue
			}
			g.out.WriteString("\t" + words[ch.letter()] + g.shown(ch.name, true) + "\n")
		}
		g.out.WriteString("\n")
	}
	unstage := "use \"git restore --staged <file>...\" to unstage"
	if head == nil {
		unstage = "use \"git rm --cached <file>...\" to unstage"
	}
	section("Changes to be committed:", []string{unstage}, s.staged)
	deleted := slices.ContainsFunc(s.unstaged, func(c gitChange) bool { return c.new.none() })
	section("Changes not staged for commit:", []string{"use \"git add" + map[bool]string{true: "/rm"}[deleted] + " <file>...\" to update what will be committed", "use \"git restore <file>...\" to discard changes in working directory"}, s.unstaged)
	for _, list := range []struct {
		title, hint string
		names       []string
	}{{"Untracked files:", "use \"git add <file>...\" to include in what will be committed", s.untracked}, {"Ignored files:", "use \"git add -f <file>...\" to include in what will be committed", s.ignored}} {
		if len(list.names) == 0 {
			continue
		}
		g.out.WriteString(list.title + "\n  (" + list.hint + ")\n")
		for _, n := range list.names {
			g.out.WriteString("\t" + g.shown(n, true) + "\n")
		}
		g.out.WriteString("\n")
	}
	switch {
	case untracked == "no":
		if len(s.staged) == 0 && len(s.unstaged) == 0 {
			g.out.WriteString("nothing to commit (use -u to show untracked files)\n")
		} else {
			g.out.WriteString("Untracked files not listed (use -u option to show untracked files)\n")
		}
	case len(s.staged) > 0:
	case committing == "amend":
		g.out.WriteString("No changes\n")
	case len(s.unstaged) > 0:
		g.out.WriteString("no changes added to commit (use \"git add\" and/or \"git commit -a\")\n")
	case len(s.untracked) > 0:
		g.out.WriteString("nothing added to commit but untracked files present (use \"git add\" to track)\n")
	case head == nil:
		g.out.WriteString("nothing to commit (create/copy files and use \"git add\" to track)\n")
	default:
		g.out.WriteString("nothing to commit, working tree clean\n")
	}
	return nil
}

// gitClean is git clean.
func gitClean(g *git, c gitCall) error {
	if !c.has("f") && !c.has("n") {
		return fatalf("clean.requireForce defaults to true and neither -i, -n, nor -f given; refusing to clean")
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	paths, err := g.pathspecs(append(slices.Clone(c.operands), c.paths...))
	if err != nil {
		return err
	}
	var gone []string
	err = x.walk().each("", false, false, func(name string, ignored bool) error {
		dir := strings.HasSuffix(name, "/")
		if ignored && !c.has("x") && !c.has("X") || !ignored && c.has("X") || dir && !c.has("d") || !paths.match(strings.TrimSuffix(name, "/")) {
			return nil
		}
		gone = append(gone, name)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(gone, cmp.Compare[string])
	for _, name := range gone {
		if !c.has("q") || c.has("n") {
			io.WriteString(g.out, map[bool]string{true: "Would remove ", false: "Removing "}[c.has("n")]+g.shown(name, true)+"\n")
		}
		if !c.has("n") {
			if err := g.p.Files.RemoveAll(joinName(g.root, strings.TrimSuffix(name, "/"))); err != nil {
				return err
			}
		}
	}
	return nil
}
