package builtins

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitserver "github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/sockerless/sockerless/store/rootfs"
)

// gitFiles is a directory of the container as go-git sees it. Nothing outside of the container can be named: the paths
// are resolved by its own tree.
type gitFiles struct {
	p    *Process
	root string
}

func (f gitFiles) at(name string) string { return path.Join(f.root, path.Join("/", name)) }

func (f gitFiles) Create(name string) (billy.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (f gitFiles) Open(name string) (billy.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

func (f gitFiles) OpenFile(name string, flag int, perm fs.FileMode) (billy.File, error) {
	if flag&os.O_CREATE != 0 {
		if err := f.p.Files.MkdirAll(path.Dir(f.at(name)), 0o777); err != nil {
			return nil, err
		}
	}
	file, err := f.p.Files.OpenFile(f.at(name), flag, perm)
	if err != nil {
		return nil, err
	}
	return gitFile{file, name}, nil
}

func (f gitFiles) Stat(name string) (fs.FileInfo, error) { return gitInfo(f.p.Files.Stat(f.at(name))) }
func (f gitFiles) Lstat(name string) (fs.FileInfo, error) {
	return gitInfo(f.p.Files.Lstat(f.at(name)))
}

// gitInfo keeps a nil *Info from being an fs.FileInfo that is not nil.
func gitInfo(info *rootfs.Info, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	return info, nil
}

func (f gitFiles) Rename(from, to string) error {
	if err := f.p.Files.MkdirAll(path.Dir(f.at(to)), 0o777); err != nil {
		return err
	}
	return f.p.Files.Rename(f.at(from), f.at(to))
}

func (f gitFiles) Remove(name string) error       { return f.p.Files.Remove(f.at(name)) }
func (f gitFiles) Join(elements ...string) string { return path.Join(elements...) }

func (f gitFiles) TempFile(dir, prefix string) (billy.File, error) {
	for n := f.p.System.Now().UnixNano(); ; n++ {
		file, err := f.OpenFile(path.Join(dir, prefix+strconv.FormatInt(n, 36)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
}

func (f gitFiles) ReadDir(name string) ([]fs.FileInfo, error) {
	entries, err := f.p.Files.ReadDir(f.at(name))
	if err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, err := f.Lstat(path.Join(name, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (f gitFiles) MkdirAll(name string, perm fs.FileMode) error {
	return f.p.Files.MkdirAll(f.at(name), perm)
}

func (f gitFiles) Symlink(target, link string) error      { return f.p.Files.Symlink(target, f.at(link)) }
func (f gitFiles) Readlink(name string) (string, error)   { return f.p.Files.Readlink(f.at(name)) }
func (f gitFiles) Chmod(name string, m fs.FileMode) error { return f.p.Files.Chmod(f.at(name), m) }
func (f gitFiles) Root() string                           { return f.root }

func (f gitFiles) Chroot(name string) (billy.Filesystem, error) {
	return gitFiles{f.p, f.at(name)}, nil
}

// gitFile is an open file. Locks are of one process in its container; git's own lock files work as they do anywhere.
type gitFile struct {
	*rootfs.File
	name string
}

func (f gitFile) Name() string  { return f.name }
func (f gitFile) Lock() error   { return nil }
func (f gitFile) Unlock() error { return nil }

// gitRunKey is the key of a run's context under which it stands.
type gitRunKey struct{}

// gitTransport sends the requests of go-git, whose transports are one for the whole program, over the network of the
// process that they belong to.
type gitTransport struct{}

func (gitTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	g, ok := req.Context().Value(gitRunKey{}).(*git)
	if !ok {
		return nil, errors.New("a request of git without a process")
	}
	p := g.p
	c := &httpClient{p: p, proxy: p.environmentProxy, tcp: p.dialer(""), insecure: p.Getenv("GIT_SSL_NO_VERIFY") != ""}
	if bundle := p.Getenv("GIT_SSL_CAINFO"); bundle != "" {
		c.bundle = bundle
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "git/2.39.5")
	}
	for _, s := range g.settings() {
		prefix, ok := strings.CutSuffix(s.key, ".extraheader")
		if prefix = strings.TrimPrefix(strings.TrimPrefix(prefix, "http"), "."); ok && strings.HasPrefix(req.URL.String(), prefix) {
			name, value, _ := strings.Cut(s.value, ":")
			req.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if g.config("http.sslverify") == "false" {
		c.insecure = true
	}
	answer, err := c.do(req)
	if err != nil {
		return nil, err
	}
	return answer.Response, nil
}

// gitLocal is the protocol name of repositories in the container's own files; the host is the number of the run.
const gitLocal = "sandbox-files"

var (
	gitInstall = sync.OnceFunc(func() {
		web := githttp.NewClient(&http.Client{Transport: gitTransport{}})
		for name := range client.Protocols {
			client.InstallProtocol(name, nil)
		}
		client.InstallProtocol("http", web)
		client.InstallProtocol("https", web)
		client.InstallProtocol(gitLocal, gitserver.NewServer(gitLoader{}))
	})
	gitRuns  sync.Map // number of the run → *Process
	gitCount atomic.Int64
)

type gitLoader struct{}

func (gitLoader) Load(ep *transport.Endpoint) (storer.Storer, error) {
	p, ok := gitRuns.Load(ep.Host)
	if !ok {
		return nil, transport.ErrRepositoryNotFound
	}
	g := &git{p: p.(*Process)}
	if dir := g.localDir(ep.Path); dir != "" {
		return filesystem.NewStorage(gitFiles{g.p, dir}, cache.NewObjectLRUDefault()), nil
	}
	return nil, transport.ErrRepositoryNotFound
}

// localDir is where the repository at a path of the container is, "" if there is none.
func (g *git) localDir(url string) string {
	if scheme, rest, ok := strings.Cut(url, "://"); ok {
		_, file, _ := strings.Cut(rest, "/")
		if url = "/" + file; scheme != "file" {
			return ""
		}
	}
	dir := g.abs(url)
	for _, try := range []string{dir + "/.git", dir, dir + ".git/.git", dir + ".git"} {
		if g.isRepository(try) {
			return try
		}
	}
	return ""
}

// remote is a connection to come: the URL for go-git, and a context that says whose it is.
func (g *git) remote(url string) (ctx context.Context, to string, end func(), err error) {
	gitInstall()
	ctx = context.WithValue(g.p.Context, gitRunKey{}, g)
	scheme, rest, isURL := strings.Cut(url, "://")
	switch {
	case isURL && (scheme == "http" || scheme == "https"):
		return ctx, url, func() {}, nil
	case isURL && scheme == "file":
		_, file, _ := strings.Cut(rest, "/")
		url = "/" + file
	case isURL:
		return nil, "", nil, fatalf("the protocol '%s' is not supported in the sandbox; http, https and file are", scheme)
	case !g.exists(url) && strings.Contains(url, ":"):
		return nil, "", nil, fatalf("'%s': ssh is not supported in the sandbox; use https", url)
	}
	if g.localDir(url) == "" {
		return nil, "", nil, fatalf("'%s' does not appear to be a git repository\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.", url)
	}
	number := strconv.FormatInt(gitCount.Add(1), 10)
	gitRuns.Store(number, g.p)
	return ctx, gitLocal + "://" + number + g.abs(url), func() { gitRuns.Delete(number) }, nil
}
