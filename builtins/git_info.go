package builtins

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitRevParse is git rev-parse.
func gitRevParse(g *git, c gitCall) error {
	quiet, verify, short, abbrev, symbolic, not := false, false, 0, false, false, false
	format := ""
	for i := 0; i < len(c.operands); i++ {
		a := c.operands[i]
		name, value, has := strings.Cut(a, "=")
		line := func(s string) { g.out.WriteString(s + "\n") }
		switch name {
		case "-q", "--quiet":
			quiet = true
		case "--verify":
			verify = true
		case "--short":
			if short = 7; has {
				short = max(4, atoiOr(value, 7))
			}
			verify = true
		case "--abbrev-ref":
			abbrev = true
		case "--symbolic-full-name":
			symbolic = true
		case "--not":
			not = !not
		case "--path-format":
			format = value
		case "--show-toplevel":
			if err := g.needTree(); err != nil {
				return err
			}
			line(g.root)
		case "--git-dir", "--git-common-dir":
			dir := g.dir
			if g.prefix == "" && g.root != "" && dir == joinName(g.root, ".git") && format != "absolute" {
				dir = ".git"
			} else if dir == g.p.Files.Getwd() && format != "absolute" {
				dir = "."
			}
			line(dir)
		case "--absolute-git-dir":
			line(g.dir)
		case "--show-prefix":
			line(g.prefix)
		case "--show-cdup":
			line(strings.Repeat("../", strings.Count(g.prefix, "/")))
		case "--is-inside-work-tree":
			line(strconv.FormatBool(g.root != "" && !strings.HasPrefix(g.p.Files.Getwd()+"/", g.dir+"/")))
		case "--is-inside-git-dir":
			line(strconv.FormatBool(strings.HasPrefix(g.p.Files.Getwd()+"/", g.dir+"/")))
		case "--is-bare-repository":
			line(strconv.FormatBool(g.root == ""))
		case "--is-shallow-repository":
			shallow, err := g.store.Shallow()
			if err != nil {
				return err
			}
			line(strconv.FormatBool(len(shallow) > 0))
		case "--git-path":
			i++
			if i < len(c.operands) {
				line(joinName(strings.TrimPrefix(g.dir, g.root+"/"), c.operands[i]))
			}
		case "--all", "--branches", "--tags", "--remotes":
			err := g.eachRef(func(ref *plumbing.Reference) error {
				n := ref.Name()
				if name == "--all" || name == "--branches" && n.IsBranch() || name == "--tags" && n.IsTag() || name == "--remotes" && n.IsRemote() {
					line(ref.Hash().String())
				}
				return nil
			})
			if err != nil {
				return err
			}
		default:
			if strings.HasPrefix(a, "--") {
				g.p.lacking(name)
				return gitExit(2)
			}
			if err := g.revParse(a, quiet, verify, abbrev, symbolic, not, short, line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *git) revParse(rev string, quiet, verify, abbrev, symbolic, not bool, short int, line func(string)) error {
	if abbrev || symbolic {
		name := rev
		if strings.HasSuffix(rev, "@{u}") || strings.HasSuffix(rev, "@{upstream}") {
			up, err := g.upstream(rev[:strings.Index(rev, "@{")])
			if err != nil {
				return err
			}
			name = up.String()
		} else if rev == "HEAD" || rev == "@" {
			if name = "HEAD"; g.branch() != "" {
				name = "refs/heads/" + g.branch()
			}
			if _, err := g.repo.Head(); err != nil {
				line("HEAD")
				return fatalf("ambiguous argument 'HEAD': unknown revision or path not in the working tree.\nUse '--' to separate paths from revisions, like this:\n'git <command> [<revision>...] -- [<file>...]'")
			}
		} else {
			found := false
			for _, prefix := range []string{"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"} {
				if ref, err := g.repo.Reference(plumbing.ReferenceName(prefix+rev), true); err == nil && !found {
					name, found = ref.Name().String(), true
				}
			}
			if !found {
				if _, err := g.resolve(rev); err != nil {
					line(rev)
					return err
				}
				if abbrev {
					line("")
				}
				return nil
			}
		}
		if abbrev {
			name = plumbing.ReferenceName(name).Short()
		}
		line(name)
		return nil
	}
	if !verify && strings.Contains(rev, "..") {
		from, to, three := gitRange(rev)
		a, err1 := g.resolve(from)
		b, err2 := g.resolve(to)
		if err1 == nil && err2 == nil {
			line(b.String())
			if !three {
				line("^" + a.String())
			} else {
				line(a.String())
			}
			return nil
		}
	}
	plain := strings.TrimPrefix(rev, "^")
	h, err := g.resolve(plain)
	if base, kind, ok := strings.Cut(plain, "^{"); ok && kind != "tree}" {
		if h, err = g.resolve(base); err == nil && (kind == "commit}" || kind == "}") {
			var k *object.Commit
			if k, err = g.peel(h); err == nil {
				h = k.Hash
			}
		}
	}
	if err != nil {
		switch {
		case verify && quiet:
			return gitExit(1)
		case verify:
			return fatalf("Needed a single revision")
		case g.exists(rev):
			line(rev)
			return nil
		}
		line(rev)
		return err
	}
	text := h.String()
	if short > 0 {
		text = text[:min(short, len(text))]
	}
	if (plain != rev) != not {
		text = "^" + text
	}
	line(text)
	return nil
}

// gitLsFiles is git ls-files.
func gitLsFiles(g *git, c gitCall) error {
	x, err := g.index()
	if err != nil {
		return err
	}
	names := append(slices.Clone(c.operands), c.paths...)
	if len(names) == 0 && g.prefix != "" {
		names = []string{"."}
	}
	paths, err := g.pathspecs(names)
	if err != nil {
		return err
	}
	end := "\n"
	if c.has("z") {
		end = "\x00"
	}
	print := func(name string) {
		if shown := g.relative(name); c.has("z") {
			g.out.WriteString(shown + end)
		} else {
			g.out.WriteString(gitQuote(shown) + end)
		}
	}
	if c.has("o") {
		var list []string
		err := x.walk().each("", true, false, func(name string, ignored bool) error {
			if !strings.HasSuffix(name, "/") && paths.match(name) && (!c.has("exclude-standard") || ignored == c.has("i")) {
				list = append(list, name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		slices.Sort(list)
		for _, n := range list {
			print(n)
		}
	}
	if c.has("o") && !c.has("c") {
		return nil
	}
	hits := make([]bool, len(paths))
	for _, name := range x.names() {
		if !paths.match(name) {
			continue
		}
		for i, p := range paths {
			hits[i] = hits[i] || gitPathMatches(p, name)
		}
		e := x.entries[name]
		if c.has("m") || c.has("d") {
			b, _, err := x.working(name)
			if err != nil {
				return err
			}
			if b == (gitBlob{e.Mode, e.Hash}) || c.has("d") && !c.has("m") && !b.none() {
				continue
			}
		}
		if c.has("s") {
			fmt.Fprintf(g.out, "%06o %s %d\t", uint32(e.Mode), e.Hash, e.Stage)
		}
		print(name)
	}
	if i := slices.Index(hits, false); c.has("error-unmatch") && i >= 0 {
		return gitError(fmt.Sprintf("pathspec '%s' did not match any file(s) known to git\nDid you forget to 'git add'?", names[i]))
	}
	return nil
}

// treeEntry finds a file in a revision; an empty revision is the index.
func (g *git) treeEntry(rev, file string) (gitBlob, error) {
	if strings.HasPrefix(file, "./") || strings.HasPrefix(file, "../") {
		file = strings.TrimPrefix(path.Join("/", g.prefix, file), "/")
	}
	if rev == "" {
		x, err := g.index()
		if err != nil {
			return gitBlob{}, err
		}
		if e := x.entries[strings.TrimPrefix(file, "0:")]; e != nil {
			return gitBlob{e.Mode, e.Hash}, nil
		}
		return gitBlob{}, fatalf("path '%s' does not exist (neither on disk nor in the index)", file)
	}
	h, err := g.resolve(rev)
	if err != nil {
		return gitBlob{}, fatalf("invalid object name '%s'.", rev)
	}
	if k, err := g.peel(h); err == nil {
		h = k.TreeHash
	}
	t, err := g.repo.TreeObject(h)
	if err != nil {
		return gitBlob{}, err
	}
	if file = strings.Trim(file, "/"); file == "" {
		return gitBlob{filemode.Dir, h}, nil
	}
	e, err := t.FindEntry(file)
	if err != nil {
		return gitBlob{}, fatalf("path '%s' does not exist in '%s'", file, rev)
	}
	return gitBlob{e.Mode, e.Hash}, nil
}

// gitCatFile is git cat-file.
func gitCatFile(g *git, c gitCall) error {
	operands := c.operands
	kind := ""
	if len(operands) == 2 {
		kind, operands = operands[0], operands[1:]
	}
	if c.has("batch") || c.has("batch-check") {
		g.p.lacking("--batch")
		return gitExit(2)
	}
	if len(operands) != 1 {
		return gitExit(129)
	}
	h, err := g.resolve(operands[0])
	if err != nil {
		if c.has("e") {
			return gitExit(128)
		}
		return fatalf("Not a valid object name %s", operands[0])
	}
	o, err := g.store.EncodedObject(plumbing.AnyObject, h)
	switch {
	case c.has("e") && err != nil:
		return gitExit(1)
	case err != nil:
		return fatalf("git cat-file: could not get object info")
	case c.has("e"):
		return nil
	case c.has("t"):
		g.out.WriteString(o.Type().String() + "\n")
		return nil
	case c.has("s"):
		fmt.Fprintf(g.out, "%d\n", o.Size())
		return nil
	}
	if o.Type() == plumbing.TreeObject && kind == "" {
		return g.listTree(h, "", gitCall{}, nil)
	}
	if kind != "" && kind != o.Type().String() {
		if k, err := g.peel(h); err == nil && kind == "commit" {
			h = k.Hash
		} else if err == nil && kind == "tree" {
			h = k.TreeHash
		} else {
			return fatalf("git cat-file %s: bad file", operands[0])
		}
		if o, err = g.store.EncodedObject(plumbing.AnyObject, h); err != nil {
			return err
		}
	}
	r, err := o.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(g.out, r)
	return err
}

// gitLsTree is git ls-tree.
func gitLsTree(g *git, c gitCall) error {
	if len(c.operands) == 0 {
		return gitExit(129)
	}
	h, err := g.resolve(c.operands[0])
	if err != nil {
		return fatalf("Not a valid object name %s", c.operands[0])
	}
	if k, err := g.peel(h); err == nil {
		h = k.TreeHash
	}
	paths, err := g.pathspecs(append(slices.Clone(c.operands[1:]), c.paths...))
	if err != nil {
		return err
	}
	if len(paths) > 0 && !c.has("r") {
		for i, p := range paths {
			name := append(slices.Clone(c.operands[1:]), c.paths...)[i]
			if b, err := g.treeEntry(h.String(), p); err == nil && b.mode == filemode.Dir && strings.HasSuffix(name, "/") {
				if err := g.listTree(b.hash, p+"/", c, nil); err != nil {
					return err
				}
			} else if err == nil {
				g.treeLine(p, b, c)
			}
		}
		return nil
	}
	return g.listTree(h, "", c, paths)
}

func (g *git) listTree(h plumbing.Hash, prefix string, c gitCall, paths gitPaths) error {
	t, err := g.repo.TreeObject(h)
	if err != nil {
		return fatalf("not a tree object")
	}
	for _, e := range t.Entries {
		name := prefix + e.Name
		b := gitBlob{e.Mode, e.Hash}
		if e.Mode == filemode.Dir && c.has("r") {
			if c.has("t") {
				g.treeLine(name, b, c)
			}
			if err := g.listTree(e.Hash, name+"/", c, paths); err != nil {
				return err
			}
			continue
		}
		if paths.match(name) && (!c.has("d") || e.Mode == filemode.Dir) {
			g.treeLine(name, b, c)
		}
	}
	return nil
}

func (g *git) treeLine(name string, b gitBlob, c gitCall) {
	end := "\n"
	if c.has("z") {
		end = "\x00"
	} else {
		name = gitQuote(name)
	}
	kind := "blob"
	switch b.mode {
	case filemode.Dir:
		kind = "tree"
	case filemode.Submodule:
		kind = "commit"
	}
	switch {
	case c.has("name-only"):
	case c.has("l"):
		size := "-"
		if o, err := g.store.EncodedObject(plumbing.AnyObject, b.hash); err == nil && kind == "blob" {
			size = strconv.FormatInt(o.Size(), 10)
		}
		fmt.Fprintf(g.out, "%06o %s %s %7s\t", uint32(b.mode), kind, b.hash, size)
	default:
		fmt.Fprintf(g.out, "%06o %s %s\t", uint32(b.mode), kind, b.hash)
	}
	g.out.WriteString(name + end)
}

// gitHashObject is git hash-object.
func gitHashObject(g *git, c gitCall) error {
	hash := func(data []byte) error {
		h := plumbing.ComputeHash(plumbing.BlobObject, data)
		if c.has("w") {
			if g.dir == "" {
				return fatalf("not a git repository (or any of the parent directories): .git")
			}
			if _, err := g.writeBlob(data); err != nil {
				return err
			}
		}
		g.out.WriteString(h.String() + "\n")
		return nil
	}
	if c.has("stdin") {
		data, err := io.ReadAll(g.p.Stdin)
		if err != nil {
			return err
		}
		if err := hash(data); err != nil {
			return err
		}
	}
	for _, n := range append(slices.Clone(c.operands), c.paths...) {
		data, err := g.p.Files.ReadFile(n)
		if err != nil {
			return fatalf("could not open '%s' for reading: %s", n, strerror(err))
		}
		if err := hash(data); err != nil {
			return err
		}
	}
	return nil
}

func gitVersion(g *git, _ gitCall) error {
	g.out.WriteString("git version 2.39.5 (Sockerless, go-git)\n")
	return nil
}
