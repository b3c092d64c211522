package builtins

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/sockerless/sockerless/store/rootfs"
)

// gitBlob is what a path is in a tree, the index or the working tree. The zero value is nothing.
type gitBlob struct {
	mode filemode.FileMode
	hash plumbing.Hash
}

func (b gitBlob) none() bool { return b.mode == filemode.Empty }

// gitTree has all files of a tree by their paths.
type gitTree map[string]gitBlob

// files flattens a tree; the zero hash is the empty one.
func (g *git) files(h plumbing.Hash) (gitTree, error) {
	all := gitTree{}
	if h.IsZero() {
		return all, nil
	}
	return all, g.flatten(h, "", all)
}

func (g *git) flatten(h plumbing.Hash, prefix string, all gitTree) error {
	t, err := g.repo.TreeObject(h)
	if err != nil {
		return err
	}
	for _, e := range t.Entries {
		if e.Mode == filemode.Dir {
			if err := g.flatten(e.Hash, prefix+e.Name+"/", all); err != nil {
				return err
			}
			continue
		}
		all[prefix+e.Name] = gitBlob{e.Mode, e.Hash}
	}
	return nil
}

// headFiles are the files of HEAD.
func (g *git) headFiles() (gitTree, error) {
	c, err := g.head()
	if err != nil || c == nil {
		return gitTree{}, err
	}
	return g.files(c.TreeHash)
}

// gitIndex is the index by paths.
type gitIndex struct {
	g       *git
	written time.Time
	entries map[string]*index.Entry
}

func (g *git) index() (*gitIndex, error) {
	x := &gitIndex{g: g, entries: map[string]*index.Entry{}}
	read, err := g.store.Index()
	if err != nil {
		return nil, err
	}
	if info, err := g.p.Files.Stat(g.dir + "/index"); err == nil {
		x.written = info.ModTime()
	}
	for _, e := range read.Entries {
		x.entries[e.Name] = e
	}
	return x, nil
}

func (x *gitIndex) names() []string {
	names := make([]string, 0, len(x.entries))
	for n := range x.entries {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (x *gitIndex) save() error {
	out := &index.Index{Version: 2}
	for _, n := range x.names() {
		out.Entries = append(out.Entries, x.entries[n])
	}
	return x.g.store.SetIndex(out)
}

func (x *gitIndex) tree() gitTree {
	t := gitTree{}
	for n, e := range x.entries {
		t[n] = gitBlob{e.Mode, e.Hash}
	}
	return t
}

// put makes an entry of a file as it stands in the working tree.
func (x *gitIndex) put(name string, b gitBlob, info *rootfs.Info) {
	e := &index.Entry{Name: name, Hash: b.hash, Mode: b.mode}
	if info != nil {
		e.ModifiedAt, e.CreatedAt, e.Size = info.ModTime(), info.Ctime(), uint32(info.Size())
		e.Dev, e.Inode, e.UID, e.GID = uint32(info.Dev()), uint32(info.Ino()), info.UID(), info.GID()
	}
	x.entries[name] = e
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		delete(x.entries, dir) // a file became a directory
	}
}

// gitMode is a file's mode in a tree.
func gitMode(info *rootfs.Info) filemode.FileMode {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return filemode.Symlink
	case info.Mode().IsRegular() && info.Mode()&0o100 != 0:
		return filemode.Executable
	case info.Mode().IsRegular():
		return filemode.Regular
	}
	return filemode.Empty
}

// content is a file of the working tree as a blob has it.
func (g *git) content(name string, mode filemode.FileMode) ([]byte, error) {
	abs := joinName(g.root, name)
	if mode == filemode.Symlink {
		to, err := g.p.Files.Readlink(abs)
		return []byte(to), err
	}
	return g.p.Files.ReadFile(abs)
}

// working is what stands in the working tree at the path of an entry. Files that look as they did when the index was
// written are not read.
func (x *gitIndex) working(name string) (gitBlob, *rootfs.Info, error) {
	info, err := x.g.p.Files.Lstat(joinName(x.g.root, name))
	if errors.Is(err, fs.ErrNotExist) || rootfs.Errno(err) == 20 {
		return gitBlob{}, nil, nil
	}
	if err != nil {
		return gitBlob{}, nil, err
	}
	e := x.entries[name]
	if info.IsDir() {
		if e != nil && e.Mode == filemode.Submodule {
			return gitBlob{e.Mode, x.g.submoduleHead(name, e.Hash)}, info, nil
		}
		return gitBlob{}, nil, nil
	}
	mode := gitMode(info)
	if e != nil && e.Mode == mode && info.ModTime().Equal(e.ModifiedAt) && uint32(info.Size()) == e.Size && info.ModTime().Before(x.written) {
		return gitBlob{mode, e.Hash}, info, nil
	}
	data, err := x.g.content(name, mode)
	if err != nil {
		return gitBlob{}, nil, err
	}
	return gitBlob{mode, plumbing.ComputeHash(plumbing.BlobObject, data)}, info, nil
}

// submoduleHead is the commit that a submodule is at; that of the index if it is not checked out.
func (g *git) submoduleHead(name string, otherwise plumbing.Hash) plumbing.Hash {
	sub := &git{p: g.p, out: g.out}
	view := g.p.Files
	g.p.Files = view.Clone()
	defer func() { g.p.Files = view }()
	if g.p.Files.Chdir(joinName(g.root, name)) != nil || sub.open() != nil || sub.root != joinName(g.root, name) {
		return otherwise
	}
	if ref, err := sub.repo.Head(); err == nil {
		return ref.Hash()
	}
	return otherwise
}

// store puts data into the repository as a blob.
func (g *git) writeBlob(data []byte) (plumbing.Hash, error) {
	o := g.store.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	o.SetSize(int64(len(data)))
	w, err := o.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := w.Write(data); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := w.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	if g.store.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	return g.store.SetEncodedObject(o)
}

// writeTree makes trees of the files and gives the hash of the top one.
func (g *git) writeTree(files gitTree) (plumbing.Hash, error) {
	dirs := map[string]gitTree{}
	t := &object.Tree{}
	for name, b := range files {
		if dir, rest, ok := strings.Cut(name, "/"); ok {
			if dirs[dir] == nil {
				dirs[dir] = gitTree{}
			}
			dirs[dir][rest] = b
			continue
		}
		t.Entries = append(t.Entries, object.TreeEntry{Name: name, Mode: b.mode, Hash: b.hash})
	}
	for dir, inner := range dirs {
		h, err := g.writeTree(inner)
		if err != nil {
			return h, err
		}
		t.Entries = append(t.Entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: h})
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int {
		key := func(e object.TreeEntry) string {
			if e.Mode == filemode.Dir {
				return e.Name + "/"
			}
			return e.Name
		}
		return strings.Compare(key(a), key(b))
	})
	return g.writeObject(t)
}

// writeObject stores a tree, a commit or a tag.
func (g *git) writeObject(o interface {
	Encode(plumbing.EncodedObject) error
}) (plumbing.Hash, error) {
	encoded := g.store.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		return plumbing.ZeroHash, err
	}
	if g.store.HasEncodedObject(encoded.Hash()) == nil {
		return encoded.Hash(), nil
	}
	return g.store.SetEncodedObject(encoded)
}

// read is the content of a blob; a submodule's is the line that git shows.
func (g *git) read(b gitBlob) ([]byte, error) {
	if b.none() {
		return nil, nil
	}
	if b.mode == filemode.Submodule {
		return []byte("Subproject commit " + b.hash.String() + "\n"), nil
	}
	blob, err := g.repo.BlobObject(b.hash)
	if err != nil {
		return nil, err
	}
	r, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// checkout writes a blob into the working tree and its entry into the index; nothing removes both.
func (x *gitIndex) checkout(name string, b gitBlob) error {
	g := x.g
	abs := joinName(g.root, name)
	if b.none() {
		delete(x.entries, name)
		err := g.p.Files.Remove(abs)
		for dir := path.Dir(abs); err == nil && dir != g.root; dir = path.Dir(dir) {
			if g.p.Files.Rmdir(dir) != nil {
				break
			}
		}
		if errors.Is(err, fs.ErrNotExist) || rootfs.Errno(err) == 20 || rootfs.Errno(err) == 39 {
			return nil
		}
		return err
	}
	if b.mode == filemode.Submodule {
		x.put(name, b, nil)
		return g.p.Files.MkdirAll(abs, 0o777)
	}
	for dir := path.Dir(abs); len(dir) > len(g.root); dir = path.Dir(dir) { // what became a directory
		if info, err := g.p.Files.Lstat(dir); err == nil && !info.IsDir() {
			if err := g.p.Files.Unlink(dir); err != nil {
				return err
			}
		}
	}
	if err := g.p.Files.MkdirAll(path.Dir(abs), 0o777); err != nil {
		return err
	}
	data, err := g.read(b)
	if err != nil {
		return err
	}
	if info, err := g.p.Files.Lstat(abs); err == nil && info.IsDir() {
		if err := g.p.Files.Rmdir(abs); err != nil {
			return gitError("unable to unlink '" + name + "': Is a directory")
		}
	} else if err == nil {
		if err := g.p.Files.Unlink(abs); err != nil {
			return err
		}
	}
	switch b.mode {
	case filemode.Symlink:
		err = g.p.Files.Symlink(string(data), abs)
	case filemode.Executable:
		err = g.p.Files.WriteFile(abs, data, 0o777)
	default:
		err = g.p.Files.WriteFile(abs, data, 0o666)
	}
	if err != nil {
		return err
	}
	info, err := g.p.Files.Lstat(abs)
	if err != nil {
		return err
	}
	x.put(name, b, info)
	return nil
}

// gitChange is a path that two sides do not have alike.
type gitChange struct {
	name     string
	old, new gitBlob
	from     string // of a file that was renamed
	alike    int    // percent, of a renamed file
}

func (c gitChange) letter() byte {
	switch {
	case c.old.none():
		return 'A'
	case c.new.none():
		return 'D'
	case (c.old.mode == filemode.Symlink) != (c.new.mode == filemode.Symlink):
		return 'T'
	}
	return 'M'
}

// compare lists the differences of two trees in the order of paths.
func (a gitTree) compare(b gitTree, paths gitPaths) []gitChange {
	var all []gitChange
	for name, old := range a {
		if new := b[name]; new != old && paths.match(name) {
			all = append(all, gitChange{name: name, old: old, new: new})
		}
	}
	for name, new := range b {
		if _, ok := a[name]; !ok && paths.match(name) {
			all = append(all, gitChange{name: name, new: new})
		}
	}
	slices.SortFunc(all, func(a, b gitChange) int { return strings.Compare(a.name, b.name) })
	return all
}

// unstaged lists where the working tree differs from the index.
func (x *gitIndex) unstaged(paths gitPaths) ([]gitChange, error) {
	var all []gitChange
	for _, name := range x.names() {
		if !paths.match(name) {
			continue
		}
		b, _, err := x.working(name)
		if err != nil {
			return nil, err
		}
		if e := x.entries[name]; b.mode != e.Mode || b.hash != e.Hash {
			all = append(all, gitChange{name: name, old: gitBlob{e.Mode, e.Hash}, new: b})
		}
	}
	return all, nil
}

// gitWalk walks the working tree.
type gitWalk struct {
	x       *gitIndex
	ignore  []gitignore.Pattern
	tracked map[string]bool // directories with tracked files
}

func (x *gitIndex) walk() *gitWalk {
	w := &gitWalk{x: x, tracked: map[string]bool{}}
	for name := range x.entries {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			w.tracked[dir] = true
		}
	}
	w.patterns(x.g.dir+"/info/exclude", nil)
	if name := x.g.config("core.excludesfile"); name != "" {
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			name = joinName(x.g.p.Getenv("HOME"), rest)
		}
		w.patterns(name, nil)
	}
	return w
}

func (w *gitWalk) patterns(file string, domain []string) {
	data, err := w.x.g.p.Files.ReadFile(file)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		w.ignore = append(w.ignore, gitignore.ParsePattern(line, domain))
	}
}

// each calls use with the files below dir that are not in the index, and with whole directories that have no tracked
// file (a slash at the end) unless all is set. ignored files are told by the last argument.
func (w *gitWalk) each(dir string, all, inIgnored bool, use func(name string, ignored bool) error) error {
	g := w.x.g
	var domain []string
	if dir != "" {
		domain = strings.Split(dir, "/")
	}
	kept := len(w.ignore)
	w.patterns(joinName(joinName(g.root, dir), ".gitignore"), domain)
	defer func() { w.ignore = w.ignore[:kept] }()
	entries, err := g.p.Files.ReadDir(joinName(g.root, dir))
	if err != nil {
		return err
	}
	matcher := gitignore.NewMatcher(w.ignore)
	for _, e := range entries {
		if e.Name() == ".git" {
			continue
		}
		name := strings.TrimPrefix(dir+"/"+e.Name(), "/")
		ignored := inIgnored || matcher.Match(append(slices.Clone(domain), e.Name()), e.IsDir())
		if entry := w.x.entries[name]; entry != nil {
			continue
		}
		if !e.IsDir() {
			if e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0 {
				if err := use(name, ignored); err != nil {
					return err
				}
			}
			continue
		}
		if w.tracked[name] || all && !ignored {
			if err := w.each(name, all, ignored, use); err != nil {
				return err
			}
			continue
		}
		has := ignored
		if !ignored { // a directory is shown as a whole if it has any file that is not ignored
			found := errors.New("found")
			err := w.each(name, true, false, func(_ string, ignored bool) error {
				if ignored {
					return nil
				}
				return found
			})
			if has = errors.Is(err, found); err != nil && !has {
				return err
			}
		}
		if has {
			if err := use(name+"/", ignored); err != nil {
				return err
			}
		}
	}
	return nil
}
