package builtins

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// gitSubmodule is a section of .gitmodules.
type gitSubmodule struct{ name, path, url, branch string }

func (g *git) submodules() ([]gitSubmodule, error) {
	data, err := g.p.Files.ReadFile(joinName(g.root, ".gitmodules"))
	if err != nil {
		return nil, nil
	}
	settings, _ := parseGitConfig(string(data), "")
	var all []gitSubmodule
	for _, s := range settings {
		rest, ok := strings.CutPrefix(s.key, "submodule.")
		at := strings.LastIndexByte(rest, '.')
		if !ok || at < 0 {
			continue
		}
		name := rest[:at]
		i := slices.IndexFunc(all, func(m gitSubmodule) bool { return m.name == name })
		if i < 0 {
			i = len(all)
			all = append(all, gitSubmodule{name: name})
		}
		switch rest[at+1:] {
		case "path":
			if all[i].path = path.Clean("/" + s.value)[1:]; all[i].path != strings.TrimSuffix(s.value, "/") || strings.HasPrefix(all[i].path, ".git/") {
				return nil, fatalf("the path '%s' of submodule '%s' is not allowed", s.value, name)
			}
		case "url":
			all[i].url = s.value
		case "branch":
			all[i].branch = s.value
		}
	}
	slices.SortFunc(all, func(a, b gitSubmodule) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// gitSubmoduleCommand is git submodule.
func gitSubmoduleCommand(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	name, args := "status", c.operands
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	opts, operands, status, done := g.p.parseArgs(usage{synopsis: "submodule " + name, status: 129, anyLacks: true, inOrder: name == "foreach", options: []string{"init", "recursive", "q quiet", "depth=", "b branch=", "f force", "remote", "j jobs=", "progress", "name=", "single-branch", "recommend-shallow", "no-recommend-shallow"}}, append([]string(nil), args...))
	if done {
		return gitExit(status)
	}
	sub := gitCall{opts: append(slices.Clone(c.opts), opts...), operands: operands}
	switch name {
	case "status":
		return g.submoduleStatus(sub, "")
	case "init":
		return g.initSubmodules(sub, operands)
	case "update":
		if sub.has("remote") {
			g.p.lacking("submodule update --remote")
			return gitExit(2)
		}
		return g.updateSubmodules(sub, operands)
	case "sync":
		modules, err := g.submodules()
		for _, m := range modules {
			if err == nil && g.config("submodule."+m.name+".url") != "" {
				g.out.WriteString("Synchronizing submodule url for '" + m.path + "'\n")
				err = g.editConfig(g.dir+"/config", "submodule."+m.name+".url", g.submoduleURL(m.url))
			}
		}
		return err
	case "foreach":
		return g.eachSubmodule(sub, operands, "")
	case "add":
		return g.addSubmodule(sub, operands)
	}
	g.p.Errorf("submodule %s is not supported in the sandbox", name)
	return gitExit(2)
}

// inside is a submodule as a repository, or nil if it is not checked out. Its commands print to our output.
func (g *git) inside(m gitSubmodule) *git {
	p := *g.p
	p.Files = g.p.Files.Clone()
	sub := &git{p: &p, out: g.out, overrides: g.overrides}
	if p.Files.Chdir(joinName(g.root, m.path)) != nil || sub.open() != nil || sub.root != joinName(g.root, m.path) {
		return nil
	}
	return sub
}

func (g *git) submoduleStatus(c gitCall, prefix string) error {
	modules, err := g.submodules()
	if err != nil {
		return err
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	for _, m := range modules {
		e := x.entries[m.path]
		if e == nil || e.Mode != filemode.Submodule {
			continue
		}
		sub := g.inside(m)
		if sub == nil {
			g.out.WriteString("-" + e.Hash.String() + " " + prefix + m.path + "\n")
			continue
		}
		head, err := sub.repo.Head()
		if err != nil {
			return err
		}
		mark := " "
		if head.Hash() != e.Hash {
			mark = "+"
		}
		fmt.Fprintf(g.out, "%s%s %s%s (%s)\n", mark, head.Hash(), prefix, m.path, sub.nameOf(head.Hash()))
		if c.has("recursive") {
			if err := sub.submoduleStatus(c, prefix+m.path+"/"); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameOf is a name for a commit as submodule status shows it.
func (g *git) nameOf(h plumbing.Hash) string {
	for _, opts := range [][]option{nil, {{name: "tags"}}, {{name: "all"}, {name: "always"}}} {
		if k, err := g.repo.CommitObject(h); err == nil {
			if name, err := g.describe(k, gitCall{opts: opts}); err == nil {
				return name
			}
		}
	}
	return h.String()[:7]
}

// submoduleURL is where a submodule is; "./x" and "../x" count from our own remote.
func (g *git) submoduleURL(url string) string {
	if !strings.HasPrefix(url, "./") && !strings.HasPrefix(url, "../") {
		return url
	}
	base := g.config("remote." + g.defaultRemote() + ".url")
	if base == "" {
		base = g.root
	}
	base = strings.TrimSuffix(base, "/")
	for {
		switch {
		case strings.HasPrefix(url, "./"):
			url = url[2:]
		case strings.HasPrefix(url, "../"):
			url = url[3:]
			if at := strings.LastIndexByte(base, '/'); at >= 0 {
				base = base[:at]
			}
		default:
			return base + "/" + url
		}
	}
}

func (g *git) initSubmodules(c gitCall, names []string) error {
	paths, err := g.pathspecs(names)
	if err != nil {
		return err
	}
	modules, err := g.submodules()
	if err != nil {
		return err
	}
	for _, m := range modules {
		if !paths.match(m.path) || g.config("submodule."+m.name+".url") != "" {
			continue
		}
		url := g.submoduleURL(m.url)
		if g.config("submodule.active") == "" {
			if err := g.editConfig(g.dir+"/config", "submodule."+m.name+".active", "true"); err != nil {
				return err
			}
		}
		if err := g.editConfig(g.dir+"/config", "submodule."+m.name+".url", url); err != nil {
			return err
		}
		if !c.has("q") {
			fmt.Fprintf(g.out, "Submodule '%s' (%s) registered for path '%s'\n", m.name, url, m.path)
		}
	}
	return nil
}

func (g *git) updateSubmodules(c gitCall, names []string) error {
	if c.has("init") {
		if err := g.initSubmodules(c, names); err != nil {
			return err
		}
	}
	paths, err := g.pathspecs(names)
	if err != nil {
		return err
	}
	modules, err := g.submodules()
	if err != nil {
		return err
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	for _, m := range modules {
		e, url := x.entries[m.path], g.config("submodule."+m.name+".url")
		if e == nil || e.Mode != filemode.Submodule || url == "" || !paths.match(m.path) {
			continue
		}
		sub := g.inside(m)
		fresh := sub == nil
		if fresh {
			if sub, err = g.cloneSubmodule(c, m, url); err != nil {
				return err
			}
		}
		if head, err := sub.repo.Head(); err == nil && head.Hash() == e.Hash && !c.has("f") && !fresh {
			if c.has("recursive") {
				if err := sub.updateSubmodules(c, nil); err != nil {
					return err
				}
			}
			continue
		}
		if sub.store.HasEncodedObject(e.Hash) != nil {
			if _, err := sub.fetch(gitCall{opts: []option{{name: "q"}}}, "origin", nil); err != nil {
				return err
			}
		}
		to, err := sub.repo.CommitObject(e.Hash)
		if err != nil {
			return fatalf("Fetched in submodule path '%s', but it did not contain %s. Direct fetching of that commit failed.", m.path, e.Hash)
		}
		if err := sub.switchTo(to, c.has("f") || fresh); err != nil {
			return err
		}
		if err := sub.arrive("", e.Hash); err != nil {
			return err
		}
		if !c.has("q") {
			fmt.Fprintf(g.out, "Submodule path '%s': checked out '%s'\n", m.path, e.Hash)
		}
		if c.has("recursive") {
			if err := sub.updateSubmodules(c, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// cloneSubmodule makes the repository of a submodule below .git/modules, without a checkout.
func (g *git) cloneSubmodule(c gitCall, m gitSubmodule, url string) (*git, error) {
	p := *g.p
	p.Files = g.p.Files.Clone()
	sub := &git{p: &p, out: g.out, overrides: g.overrides}
	dir := joinName(g.root, m.path)
	fmt.Fprintf(g.p.Stderr, "Cloning into '%s'...\n", dir)
	opts := []option{{name: "n"}, {name: "q"}}
	if d := c.value("depth"); d != "" {
		opts = append(opts, option{name: "depth", value: d, has: true})
	}
	if err := sub.clone(gitCall{opts: opts}, dir, url, "origin", false, false, func(string, ...any) {}); err != nil {
		return nil, err
	}
	own := joinName(g.dir, "modules/"+m.name)
	if err := p.Files.MkdirAll(path.Dir(own), 0o777); err != nil {
		return nil, err
	}
	if err := p.Files.Rename(dir+"/.git", own); err != nil {
		return nil, err
	}
	up := strings.Repeat("../", strings.Count(m.path, "/")+1)
	from := strings.TrimPrefix(own, strings.TrimSuffix(g.root, "/")+"/")
	if from == own {
		up = ""
	}
	if err := p.Files.WriteFile(dir+"/.git", []byte("gitdir: "+up+from+"\n"), 0o666); err != nil {
		return nil, err
	}
	back := "../" + strings.Repeat("../", strings.Count(from, "/")) + m.path
	if from == own {
		back = dir
	}
	if err := sub.editConfig(own+"/config", "core.worktree", back); err != nil {
		return nil, err
	}
	if sub = g.inside(m); sub == nil {
		return nil, fatalf("clone of '%s' into submodule path '%s' failed", url, dir)
	}
	return sub, nil
}

func (g *git) eachSubmodule(c gitCall, words []string, prefix string) error {
	modules, err := g.submodules()
	if err != nil {
		return err
	}
	for _, m := range modules {
		sub := g.inside(m)
		if sub == nil {
			continue
		}
		if !c.has("q") {
			g.out.WriteString("Entering '" + prefix + m.path + "'\n")
		}
		g.out.Flush()
		if len(words) == 0 {
			continue
		}
		args := []string{"sh", "-c", strings.Join(words, " ")}
		if len(words) > 1 {
			args = append([]string{"sh", "-c", `"$0" "$@"`}, words...)
		}
		head, _ := sub.repo.Head()
		env := append(slices.Clone(g.p.Env), "name="+m.name, "sm_path="+m.path, "displaypath="+prefix+m.path, "toplevel="+g.root)
		if head != nil {
			env = append(env, "sha1="+head.Hash().String())
		}
		status, err := g.p.System.Run(g.p.Context, Command{Args: args, Env: env, Dir: sub.root, Stdin: g.p.Stdin, Stdout: g.p.Stdout, Stderr: g.p.Stderr})
		if err != nil || status != 0 {
			return fatalf("run_command returned non-zero status for %s\n.", prefix+m.path)
		}
		if c.has("recursive") {
			if err := sub.eachSubmodule(c, words, prefix+m.path+"/"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *git) addSubmodule(c gitCall, operands []string) error {
	if len(operands) == 0 {
		return gitExit(129)
	}
	url := operands[0]
	dir := strings.TrimSuffix(path.Base(strings.TrimSuffix(url, "/")), ".git")
	if len(operands) > 1 {
		dir = operands[1]
	}
	place, err := g.path(dir)
	if err != nil {
		return err
	}
	m := gitSubmodule{name: place, path: place, url: url}
	if n := c.value("name"); n != "" {
		m.name = n
	}
	if g.exists(joinName(g.root, place)) {
		return fatalf("'%s' already exists in the index or in the working tree", place)
	}
	sub, err := g.cloneSubmodule(c, m, g.submoduleURL(url))
	if err != nil {
		return err
	}
	to, err := sub.head()
	if err != nil || to == nil {
		return fatalf("'%s' has no commit", url)
	}
	if err := sub.switchTo(to, true); err != nil {
		return err
	}
	for _, kv := range [][2]string{{"path", m.path}, {"url", url}, {"branch", c.value("b")}} {
		if kv[1] == "" {
			continue
		}
		if err := g.editConfig(joinName(g.root, ".gitmodules"), "submodule."+m.name+"."+kv[0], kv[1]); err != nil {
			return err
		}
	}
	for _, kv := range [][2]string{{".url", g.submoduleURL(url)}, {".active", "true"}} {
		if err := g.editConfig(g.dir+"/config", "submodule."+m.name+kv[0], kv[1]); err != nil {
			return err
		}
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	if err := x.stage(".gitmodules"); err != nil {
		return err
	}
	x.put(m.path, gitBlob{filemode.Submodule, to.Hash}, nil)
	return x.save()
}
