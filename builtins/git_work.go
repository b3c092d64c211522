package builtins

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// gitInit is git init.
func gitInit(g *git, c gitCall) error {
	dir := g.p.Files.Getwd()
	if len(c.operands) > 0 {
		dir = g.abs(c.operands[0])
	}
	branch := c.value("b")
	if branch == "" {
		branch = g.config("init.defaultbranch")
	}
	return g.create(dir, branch, c.has("bare"), c.has("q"))
}

// create makes an empty repository, or leaves the one that is there.
func (g *git) create(dir, branch string, bare, quiet bool) error {
	if branch == "" {
		branch = "master"
	}
	if err := g.p.Files.MkdirAll(dir, 0o777); err != nil {
		return fatalf("cannot mkdir %s: %s", dir, strerror(err))
	}
	dot := dir
	if !bare {
		dot = joinName(dir, ".git")
	}
	again := g.isRepository(dot)
	if !again {
		for _, sub := range []string{"branches", "hooks", "info", "objects/info", "objects/pack", "refs/heads", "refs/tags"} {
			if err := g.p.Files.MkdirAll(joinName(dot, sub), 0o777); err != nil {
				return err
			}
		}
		config := "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = " + strconv.FormatBool(bare) + "\n"
		if !bare {
			config += "\tlogallrefupdates = true\n"
		}
		for name, text := range map[string]string{"HEAD": "ref: refs/heads/" + branch + "\n", "config": config,
			"description":  "Unnamed repository; edit this file 'description' to name the repository.\n",
			"info/exclude": "# git ls-files --others --exclude-from=.git/info/exclude\n# Lines that start with '#' are comments.\n# For a project mostly in C, the following would be a good set of\n# exclude patterns (uncomment them if you want to use them):\n# *.[oa]\n# *~\n"} {
			if err := g.p.Files.WriteFile(joinName(dot, name), []byte(text), 0o666); err != nil {
				return err
			}
		}
	}
	g.dir, g.root = dot, dir
	if bare {
		g.root = ""
	}
	if !quiet {
		g.out.WriteString(map[bool]string{true: "Reinitialized existing", false: "Initialized empty"}[again] + " Git repository in " + dot + "/\n")
	}
	return g.load()
}

// gitAdd is git add.
func gitAdd(g *git, c gitCall) error {
	if err := g.needTree(); err != nil {
		return err
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	names := append(slices.Clone(c.operands), c.paths...)
	everything := c.has("A") || c.has("u")
	if len(names) == 0 && !everything {
		g.p.Stderr.Write([]byte("Nothing specified, nothing added.\nhint: Maybe you wanted to say 'git add .'?\nhint: Turn this message off by running\nhint: \"git config advice.addEmptyPathspec false\"\n"))
		return nil
	}
	paths, err := g.pathspecs(names)
	if err != nil {
		return err
	}
	changes, err := x.unstaged(paths)
	if err != nil {
		return err
	}
	for _, ch := range changes {
		if c.has("v") || c.has("n") {
			g.out.WriteString(map[bool]string{true: "remove", false: "add"}[ch.new.none()] + " '" + ch.name + "'\n")
		}
		if err := x.stage(ch.name); err != nil {
			return err
		}
	}
	if err := x.addNew(c, names, paths); err != nil {
		return err
	}
	if c.has("n") {
		return nil
	}
	return x.save()
}

// addNew stages what is not in the index yet.
func (x *gitIndex) addNew(c gitCall, names []string, paths gitPaths) error {
	g := x.g
	matched := make([]bool, len(paths))
	mark := func(name string) (hit bool) {
		for i, p := range paths {
			if gitPathMatches(p, name) {
				matched[i], hit = true, true
			}
		}
		return hit || len(paths) == 0
	}
	for name := range x.entries {
		mark(name)
	}
	var found, refused []string
	if !c.has("u") {
		err := x.walk().each("", true, false, func(name string, ignored bool) error {
			switch {
			case strings.HasSuffix(name, "/") && ignored:
				for i, p := range paths {
					if p+"/" == name || strings.HasPrefix(p, name) {
						if g.exists(joinName(g.root, p)) {
							refused, matched[i] = append(refused, p), true
						}
						if c.has("f") {
							return x.walk().each(p, true, false, func(name string, _ bool) error { found = append(found, name); return nil })
						}
					}
				}
			case ignored && !c.has("f"):
				if i := slices.Index(paths, name); i >= 0 {
					refused, matched[i] = append(refused, name), true
				}
			case mark(name):
				found = append(found, name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i, ok := range matched {
		if !ok && paths[i] != "" {
			info, err := g.p.Files.Stat(joinName(g.root, paths[i]))
			if err != nil || !info.IsDir() {
				return fatalf("pathspec '%s' did not match any files", names[i])
			}
		}
	}
	slices.Sort(found)
	for _, name := range found {
		if c.has("v") || c.has("n") {
			g.out.WriteString("add '" + name + "'\n")
		}
		if err := x.stage(name); err != nil {
			return err
		}
	}
	if len(refused) > 0 && !c.has("f") {
		fmt.Fprintf(g.p.Stderr, "The following paths are ignored by one of your .gitignore files:\n%s\nhint: Use -f if you really want to add them.\nhint: Turn this message off by running\nhint: \"git config advice.addIgnoredFile false\"\n", strings.Join(refused, "\n"))
		if err := x.save(); err != nil {
			return err
		}
		return gitExit(1)
	}
	return nil
}

// stage makes the entry of a path what the working tree has there.
func (x *gitIndex) stage(name string) error {
	b, info, err := x.working(name)
	if err != nil {
		return err
	}
	switch {
	case b.none():
		delete(x.entries, name)
		return nil
	case b.mode != filemode.Submodule:
		data, err := x.g.content(name, b.mode)
		if err != nil {
			return err
		}
		if b.hash, err = x.g.writeBlob(data); err != nil {
			return err
		}
	}
	x.put(name, b, info)
	return nil
}

// gitRemove is git rm.
func gitRemove(g *git, c gitCall) error {
	x, err := g.index()
	if err != nil {
		return err
	}
	names := append(slices.Clone(c.operands), c.paths...)
	head, err := g.headFiles()
	if err != nil {
		return err
	}
	var gone []string
	for _, n := range names {
		spec, err := g.path(n)
		if err != nil {
			return err
		}
		before := len(gone)
		for _, name := range x.names() {
			if !gitPathMatches(spec, name) {
				continue
			}
			if spec != name && !strings.ContainsAny(spec, "*?[") && !c.has("r") {
				return fatalf("not removing '%s' recursively without -r", n)
			}
			gone = append(gone, name)
		}
		if len(gone) == before && !c.has("ignore-unmatch") {
			return fatalf("pathspec '%s' did not match any files", n)
		}
	}
	for _, name := range gone {
		e := x.entries[name]
		b, _, err := x.working(name)
		if err != nil {
			return err
		}
		staged, local := head[name] != (gitBlob{e.Mode, e.Hash}), !b.none() && b.hash != e.Hash
		if !c.has("f") && !c.has("cached") && (local || staged) {
			what := "local modifications"
			hint := "use --cached to keep the file, or -f to force removal"
			if staged {
				what = "changes staged in the index"
			}
			return gitError(fmt.Sprintf("the following file has %s:\n    %s\n(%s)", what, name, hint))
		}
	}
	for _, name := range gone {
		if !c.has("q") {
			g.out.WriteString("rm '" + name + "'\n")
		}
		if c.has("n") {
			continue
		}
		if c.has("cached") {
			delete(x.entries, name)
		} else if err := x.checkout(name, gitBlob{}); err != nil {
			return err
		}
	}
	return x.save()
}

// gitMove is git mv.
func gitMove(g *git, c gitCall) error {
	names := append(slices.Clone(c.operands), c.paths...)
	if len(names) < 2 {
		return gitExit(129)
	}
	x, err := g.index()
	if err != nil {
		return err
	}
	target := names[len(names)-1]
	info, err := g.p.Files.Stat(target)
	into := err == nil && info.IsDir()
	for _, n := range names[:len(names)-1] {
		to := target
		if into {
			to = joinName(target, path.Base(n))
		}
		from, err1 := g.path(n)
		dest, err2 := g.path(to)
		if err1 != nil || err2 != nil {
			return fatalf("'%s' is outside repository", n)
		}
		if !g.exists(n) {
			return fatalf("bad source, source=%s, destination=%s", n, to)
		}
		if g.exists(to) && !c.has("f") {
			return fatalf("destination exists, source=%s, destination=%s", n, to)
		}
		moved := false
		for _, name := range x.names() {
			if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') {
				e := *x.entries[name]
				delete(x.entries, name)
				e.Name = dest + rest
				x.entries[e.Name] = &e
				moved = true
			}
		}
		if !moved {
			return fatalf("not under version control, source=%s, destination=%s", n, to)
		}
		if err := g.p.Files.Rename(n, to); err != nil {
			return fatalf("renaming '%s' failed: %s", n, strerror(err))
		}
	}
	return x.save()
}
