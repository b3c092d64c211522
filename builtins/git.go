package builtins

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// git is one run of git. Objects, references, the index and the protocols are go-git's; what the commands say and how
// they touch the working tree is here, since go-git's porcelain reads the configuration of the host and treats files
// that are not committed otherwise than git does.
type git struct {
	p         *Process
	out       *output
	root      string // of the working tree; "" for a bare repository
	dir       string // the .git directory
	prefix    string // the working directory below root, "" or with a slash at the end
	repo      *gogit.Repository
	store     *filesystem.Storage
	overrides []gitSetting // of -c
}

// gitCall is what a subcommand was called with.
type gitCall struct {
	opts     []option
	operands []string // before "--"
	paths    []string // after it
	dashed   bool     // there was a "--"
}

func (c gitCall) has(name string) bool {
	return slices.ContainsFunc(c.opts, func(o option) bool { return o.name == name })
}

func (c gitCall) value(name string) string {
	value := ""
	for _, o := range c.opts {
		if o.name == name {
			value = o.value
		}
	}
	return value
}

// gitSubcommand is an entry of the table of subcommands.
type gitSubcommand struct {
	run     func(g *git, c gitCall) error
	nowhere bool // it runs outside of a repository too
	inOrder bool
	raw     bool // it reads its words itself
	options []string
}

// gitExit ends a subcommand with a status and nothing more to say; gitFatal with a message after "fatal: ".
type (
	gitExit  int
	gitFatal string
	// gitError is a message after "error: ", status 1.
	gitError string
)

func (e gitExit) Error() string  { return fmt.Sprintf("status %d", int(e)) }
func (e gitFatal) Error() string { return string(e) }
func (e gitError) Error() string { return string(e) }

func fatalf(format string, a ...any) error { return gitFatal(fmt.Sprintf(format, a...)) }

// gitUnsupported are subcommands that go-git has no means for.
var gitUnsupported = []string{"am", "apply", "archive", "bisect", "blame", "bundle", "cherry-pick", "fast-export", "fast-import", "filter-branch", "format-patch", "fsck", "gc", "grep", "gui", "lfs", "maintenance", "mergetool", "notes", "pack-objects",
	"range-diff", "rebase", "reflog", "repack", "replace", "revert", "send-email", "shortlog", "sparse-checkout", "stash", "svn", "update-index", "worktree", "read-tree", "write-tree", "commit-tree"}

var gitUsage = usage{synopsis: "[-C PATH] [-c NAME=VALUE] [--git-dir=PATH] [--work-tree=PATH] COMMAND [ARG]...", about: "The stupid content tracker, over go-git.", status: 129, inOrder: true, anyLacks: true,
	options: []string{"C=", "c=", "git-dir=", "work-tree=", "no-pager", "P", "p paginate", "bare", "literal-pathspecs", "no-optional-locks", "no-replace-objects", "v", "h"}}

func gitCommand(p *Process) int {
	opts, operands, status, done := p.parse(gitUsage)
	if done {
		return status
	}
	g := &git{p: p, out: p.output(), dir: p.Getenv("GIT_DIR"), root: p.Getenv("GIT_WORK_TREE")}
	for _, o := range opts {
		switch o.name {
		case "C":
			if err := p.Files.Chdir(o.value); err != nil {
				return g.end(fatalf("cannot change to '%s': %s", o.value, strerror(err)))
			}
		case "c":
			name, value, has := strings.Cut(o.value, "=")
			if !has {
				value = "true"
			}
			g.overrides = append(g.overrides, gitSetting{gitKey(name), value, "command line:"})
		case "git-dir":
			g.dir = o.value
		case "work-tree":
			g.root = o.value
		case "v":
			operands = []string{"version"}
		}
	}
	if len(operands) == 0 {
		io.WriteString(p.Stdout, p.helpText(gitUsage)+"\nCommands: "+strings.Join(slices.Sorted(maps.Keys(gitSubcommands())), " ")+"\n")
		return 1
	}
	name := operands[0]
	sub, ok := gitSubcommands()[name]
	if !ok && slices.Contains(gitUnsupported, name) {
		p.Errorf("'%s' is not supported in the sandbox (go-git has no means for it): an image with its own git runs it natively where a backend is configured", name)
		return 2
	}
	if !ok {
		fmt.Fprintf(p.Stderr, "git: '%s' is not a git command. See 'git --help'.\n", name)
		return 1
	}
	c := gitCall{}
	args := operands[1:]
	if at := slices.Index(args, "--"); at >= 0 && !sub.inOrder {
		args, c.paths, c.dashed = args[:at], args[at+1:], true
	}
	for i := 0; i+1 < len(args) && (name == "branch" || name == "tag" || name == "for-each-ref"); i++ {
		switch args[i] { // the next word is their value
		case "--contains", "--merged", "--no-merged", "--points-at":
			args = slices.Concat(args[:i], []string{args[i] + "=" + args[i+1]}, args[i+2:])
		}
	}
	if name == "log" || name == "show" || name == "rev-list" || name == "tag" {
		args = slices.Clone(args)
		for i, a := range args { // -5 is -n 5
			if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "0123456789") == "" {
				args[i] = "-n" + a[1:]
			}
		}
	}
	if sub.raw {
		c.operands, args = args, nil
	}
	operands = c.operands
	c.opts, c.operands, status, done = p.parseArgs(usage{synopsis: name + " [ARG]...", status: 129, anyLacks: true, inOrder: sub.inOrder, options: sub.options}, args)
	if done {
		return status
	}
	if sub.raw {
		c.operands = operands
	}
	if !sub.nowhere {
		if err := g.open(); err != nil {
			return g.end(err)
		}
	} else if err := g.open(); err != nil {
		g.dir, g.root = "", ""
	}
	return g.end(sub.run(g, c))
}

// end prints why a subcommand failed and gives the exit status.
func (g *git) end(err error) int {
	status := 0
	var exit gitExit
	var plain gitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		status = int(exit)
	case errors.As(err, &plain):
		g.out.Flush()
		io.WriteString(g.p.Stderr, "error: "+string(plain)+"\n")
		status = 1
	default:
		g.out.Flush()
		io.WriteString(g.p.Stderr, "fatal: "+strerror(err)+"\n")
		status = 128
	}
	return g.out.finishOr(status, 128)
}

func (g *git) abs(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(g.p.Files.Getwd(), name)
}

// open finds the repository that the working directory is in.
func (g *git) open() error {
	cwd := g.p.Files.Getwd()
	switch {
	case g.dir != "":
		g.dir = g.abs(g.dir)
		if g.root == "" {
			g.root = cwd
		}
		g.root = g.abs(g.root)
		if !g.isRepository(g.dir) {
			return fatalf("not a git repository: '%s'", g.dir)
		}
	default:
		for at := cwd; ; at = path.Dir(at) {
			dot := path.Join(at, ".git")
			if data, err := g.p.Files.ReadFile(dot); err == nil {
				if to, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "gitdir: "); ok {
					if !path.IsAbs(to) {
						to = path.Join(at, to)
					}
					g.dir, g.root = to, at
					break
				}
			}
			if g.isRepository(dot) {
				g.dir, g.root = dot, at
				break
			}
			if g.isRepository(at) {
				g.dir, g.root = at, ""
				break
			}
			if at == "/" {
				return fatalf("not a git repository (or any of the parent directories): .git")
			}
		}
	}
	if g.root != "" {
		if rest, ok := strings.CutPrefix(cwd+"/", strings.TrimSuffix(g.root, "/")+"/"); ok {
			g.prefix = rest
		}
	}
	return g.load()
}

func (g *git) isRepository(dir string) bool {
	_, err1 := g.p.Files.Stat(dir + "/HEAD")
	_, err2 := g.p.Files.Stat(dir + "/objects")
	_, err3 := g.p.Files.Stat(dir + "/refs")
	return err1 == nil && err2 == nil && err3 == nil
}

func (g *git) load() error {
	g.store = filesystem.NewStorage(gitFiles{g.p, g.dir}, cache.NewObjectLRUDefault())
	var err error
	if g.root == "" {
		g.repo, err = gogit.Open(g.store, nil)
	} else {
		g.repo, err = gogit.Open(g.store, gitFiles{g.p, g.root})
	}
	return err
}

// needTree complains in a bare repository.
func (g *git) needTree() error {
	if g.root == "" {
		return fatalf("this operation must be run in a work tree")
	}
	return nil
}

// path is a path as it was given, from the root of the working tree.
func (g *git) path(name string) (string, error) {
	abs := g.abs(name)
	if abs == g.root {
		return "", nil
	}
	rest, ok := strings.CutPrefix(abs, strings.TrimSuffix(g.root, "/")+"/")
	if !ok {
		return "", fatalf("%s: '%s' is outside repository at '%s'", name, name, g.root)
	}
	return rest, nil
}

// pathspecs are paths from the root; a path means all that is below it.
func (g *git) pathspecs(names []string) (gitPaths, error) {
	var all gitPaths
	for _, n := range names {
		if strings.HasPrefix(n, ":") && n != ":/" {
			return nil, fatalf("pathspec '%s': magic is not supported in the sandbox", n)
		}
		if n == ":/" {
			all = append(all, "")
			continue
		}
		rest, err := g.path(n)
		if err != nil {
			return nil, err
		}
		all = append(all, rest)
	}
	return all, nil
}

// gitPaths are what a command is limited to; none is everything.
type gitPaths []string

func (paths gitPaths) match(name string) bool {
	return len(paths) == 0 || slices.ContainsFunc(paths, func(p string) bool { return gitPathMatches(p, name) })
}

func gitPathMatches(spec, name string) bool {
	if spec == "" || spec == name || strings.HasPrefix(name, spec+"/") {
		return true
	}
	if strings.ContainsAny(spec, "*?[") {
		return fnmatch(spec, name, 0)
	}
	return false
}

// resolve finds the object that a revision means.
func (g *git) resolve(rev string) (plumbing.Hash, error) {
	unknown := fatalf("ambiguous argument '%s': unknown revision or path not in the working tree.\nUse '--' to separate paths from revisions, like this:\n'git <command> [<revision>...] -- [<file>...]'", rev)
	if base, file, ok := strings.Cut(rev, ":"); ok {
		entry, err := g.treeEntry(base, file)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		return entry.hash, nil
	}
	if base, ok := strings.CutSuffix(rev, "^{tree}"); ok {
		c, err := g.commit(base)
		if err != nil {
			return plumbing.ZeroHash, unknown
		}
		return c.TreeHash, nil
	}
	if rev == "@" || strings.HasPrefix(rev, "@~") || strings.HasPrefix(rev, "@^") {
		rev = "HEAD" + rev[1:]
	}
	if i := strings.Index(rev, "@{"); i >= 0 {
		upstream, err := g.upstream(rev[:i])
		if end := rev[i:]; err != nil || end != "@{u}" && end != "@{upstream}" {
			return plumbing.ZeroHash, unknown
		}
		rev = upstream.String()
	}
	if rev == "FETCH_HEAD" {
		data, err := g.p.Files.ReadFile(g.dir + "/FETCH_HEAD")
		if err != nil || len(data) < 40 {
			return plumbing.ZeroHash, unknown
		}
		rev = string(data[:40])
	}
	if plumbing.IsHash(rev) {
		h := plumbing.NewHash(rev)
		if g.store.HasEncodedObject(h) == nil {
			return h, nil
		}
		return plumbing.ZeroHash, fatalf("bad object %s", rev)
	}
	for _, name := range []string{rev, "refs/" + rev, "refs/tags/" + rev, "refs/heads/" + rev, "refs/remotes/" + rev, "refs/remotes/" + rev + "/HEAD"} {
		if ref, err := g.repo.Reference(plumbing.ReferenceName(name), true); err == nil {
			return ref.Hash(), nil
		}
	}
	if len(rev) < 4 && strings.Trim(rev, "0123456789abcdef") == "" {
		return plumbing.ZeroHash, unknown
	}
	h, err := g.repo.ResolveRevision(plumbing.Revision(rev))
	if err != nil || h.IsZero() {
		return plumbing.ZeroHash, unknown
	}
	return *h, nil
}

// commit finds the commit that a revision means, through a tag.
func (g *git) commit(rev string) (*object.Commit, error) {
	h, err := g.resolve(rev)
	if err != nil {
		return nil, err
	}
	return g.peel(h)
}

func (g *git) peel(h plumbing.Hash) (*object.Commit, error) {
	for range 10 {
		tag, err := g.repo.TagObject(h)
		if err != nil {
			break
		}
		h = tag.Target
	}
	return g.repo.CommitObject(h)
}

// head is the commit of HEAD, nil before the first one.
func (g *git) head() (*object.Commit, error) {
	ref, err := g.repo.Head()
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return g.repo.CommitObject(ref.Hash())
}

// branch is the name of the branch that HEAD is on, "" if it is on none.
func (g *git) branch() string {
	ref, err := g.repo.Reference(plumbing.HEAD, false)
	if err != nil || ref.Type() != plumbing.SymbolicReference {
		return ""
	}
	return ref.Target().Short()
}

// exists says whether a name is a file, to tell paths from revisions.
func (g *git) exists(name string) bool {
	_, err := g.p.Files.Lstat(name)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// revisions splits operands into revisions and paths.
func (g *git) revisions(c gitCall) (revs []string, paths gitPaths, err error) {
	operands, names := c.operands, c.paths
	if !c.dashed {
		for i, o := range operands {
			plain := strings.TrimPrefix(o, "^")
			from, to, isRange := strings.Cut(plain, "..")
			known := false
			if isRange {
				_, err1 := g.resolve(orHead(from))
				_, err2 := g.resolve(orHead(strings.TrimPrefix(to, ".")))
				known = err1 == nil && err2 == nil
			} else {
				_, err = g.resolve(plain)
				known = err == nil
			}
			if !known {
				if !g.exists(o) {
					_, err := g.resolve(plain)
					if err == nil || isRange {
						err = fatalf("ambiguous argument '%s': unknown revision or path not in the working tree.\nUse '--' to separate paths from revisions, like this:\n'git <command> [<revision>...] -- [<file>...]'", o)
					}
					return nil, nil, err
				}
				operands, names = operands[:i], operands[i:]
				break
			}
		}
	}
	paths, err = g.pathspecs(names)
	return operands, paths, err
}

func orHead(rev string) string {
	if rev == "" {
		return "HEAD"
	}
	return rev
}
