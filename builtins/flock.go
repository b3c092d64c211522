package builtins

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// fileLocks are the locks of flock by the files that they are on. Programs that run natively don't see them.
var fileLocks = struct {
	sync.Mutex
	held map[fileLockKey]*fileLock
}{held: map[fileLockKey]*fileLock{}}

type fileLockKey struct {
	tree     *rootfs.Tree
	dev, ino uint64
}

// fileLock is a lock that somebody has or waits for.
type fileLock struct {
	users     int // who has it or waits
	shared    int // who has it for reading
	exclusive bool
	changed   chan struct{} // closed when it is given back
}

// lockFile takes the lock of a file; false says that ctx ended first.
func lockFile(ctx context.Context, key fileLockKey, exclusive bool) (unlock func(), ok bool) {
	fileLocks.Lock()
	defer fileLocks.Unlock()
	l := fileLocks.held[key]
	if l == nil {
		l = &fileLock{changed: make(chan struct{})}
		fileLocks.held[key] = l
	}
	l.users++
	leave := func() {
		if l.users--; l.users == 0 {
			delete(fileLocks.held, key)
		}
	}
	for l.exclusive || exclusive && l.shared > 0 {
		changed := l.changed
		fileLocks.Unlock()
		select {
		case <-changed:
			fileLocks.Lock()
		case <-ctx.Done():
			fileLocks.Lock()
			leave()
			return nil, false
		}
	}
	if l.exclusive = exclusive; !exclusive {
		l.shared++
	}
	return func() {
		fileLocks.Lock()
		defer fileLocks.Unlock()
		if l.exclusive = false; !exclusive {
			l.shared--
		}
		close(l.changed)
		l.changed = make(chan struct{})
		leave()
	}, true
}

// flock runs a command while it has the lock of a file.
func flock(p *Process) int {
	u := usage{synopsis: "[OPTION]... FILE|DIRECTORY COMMAND [ARG]... | -c COMMAND", about: "Run a command with a lock on a file.", inOrder: true,
		options: []string{"x e exclusive", "s shared", "n nonblock nb", "w timeout wait=", "E conflict-exit-code=", "o close", "F no-fork", "c command="}, lacks: []string{"u unlock", "verbose"}}
	opts, words, status, done := p.parse(u)
	if done {
		return status
	}
	exclusive, conflict, command := true, 1, ""
	wait := time.Duration(-1)
	for _, o := range opts {
		switch o.name {
		case "s":
			exclusive = false
		case "n":
			wait = 0
		case "w":
			seconds, err := strconv.ParseFloat(o.value, 64)
			if err != nil || seconds < 0 {
				p.Errorf("invalid timeout value: '%s'", o.value)
				return 64
			}
			wait = time.Duration(seconds * float64(time.Second))
		case "E":
			conflict = atoiOr(o.value, 1)
		case "c":
			command = o.value
		}
	}
	if len(words) == 0 {
		p.Errorf("not enough arguments")
		p.tryHelp(u)
		return 64
	}
	file, words := words[0], words[1:]
	if len(words) > 1 && (words[0] == "-c" || words[0] == "--command") {
		command, words = words[1], nil
	}
	if command != "" {
		words = []string{"sh", "-c", command}
	}
	if len(words) == 0 {
		p.Errorf("the lock of a descriptor (flock %s) is not supported in the sandbox: use flock FILE COMMAND", file)
		return 2
	}
	f, err := p.Files.OpenFile(file, os.O_RDONLY|os.O_CREATE, 0o666)
	if err != nil && strings.Contains(strerror(err), "directory") {
		f, err = p.Files.Open(file)
	}
	if err != nil {
		p.Errorf("cannot open lock file %s: %s", file, strerror(err))
		return 66
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		p.Errorf("%s: %s", file, strerror(err))
		return 66
	}
	ctx, cancel := context.WithCancel(p.Context)
	if wait >= 0 {
		ctx, cancel = context.WithTimeout(p.Context, wait)
	}
	defer cancel()
	var unlock func()
	var ok bool
	p.System.Block(func() {
		unlock, ok = lockFile(ctx, fileLockKey{p.Files.Tree(), info.Dev(), info.Ino()}, exclusive)
	})
	if !ok {
		return conflict
	}
	defer unlock()
	status, err = p.System.Run(p.Context, Command{Args: words, Env: p.Env, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr})
	if err != nil {
		p.Errorf("failed to execute %s: %s", words[0], strerror(err))
		return 69
	}
	return status
}
