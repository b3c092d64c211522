package builtins

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// follower is tail -f: it looks at its files again and again, since the file tree does not tell of changes.
type follower struct {
	p        *Process
	out      *output
	head     *headTail
	interval time.Duration
	byName   bool // a name that means another file now is opened again
	retry    bool
	pid      int // ends when this process is gone
	files    []*followed
	shown    int // index of the file whose header was printed last
}

// followed is one file. Its offset is where the next text is expected.
type followed struct {
	name   string
	index  int
	file   *rootfs.File
	ino    uint64
	offset int64
	gone   bool
	still  bool // a device: nothing will come
}

func (f *follower) add(name string, index int) {
	file, err := f.p.Files.Open(name)
	if err != nil {
		return
	}
	t := &followed{name: name, index: index, file: file}
	if info, err := file.Stat(); err == nil {
		t.ino, t.offset = info.Ino(), info.Size()
		t.still = info.Mode()&fs.ModeDevice != 0
	}
	f.files = append(f.files, t)
	f.shown = index
}

// run follows until the command is killed, its output breaks, the awaited process ends, or no file is left.
func (f *follower) run() int {
	defer func() {
		for _, t := range f.files {
			if t.file != nil {
				t.file.Close()
			}
		}
	}()
	if f.idle() {
		return f.p.pause(forever)
	}
	for {
		alive := f.pid == 0 || f.p.System.Kill(f.pid, 0) == nil
		left := false
		for _, t := range f.files {
			if t.still {
				left = true
				continue
			}
			f.look(t)
			left = left || t.file != nil || f.retry
		}
		if f.out.Flush() != nil {
			return 1
		}
		if !alive {
			return 0
		}
		if !left {
			if len(f.files) > 0 || f.byName {
				f.p.Errorf("no files remaining")
			}
			return 1
		}
		if f.p.pause(f.interval) != 0 {
			return 1
		}
	}
}

// idle says that nothing can ever come: only devices are followed and no process is awaited.
func (f *follower) idle() bool {
	for _, t := range f.files {
		if !t.still {
			return false
		}
	}
	return len(f.files) > 0 && f.pid == 0
}

// look writes what is new in one file.
func (f *follower) look(t *followed) {
	if f.byName || t.file == nil {
		f.reopen(t)
	}
	if t.file == nil {
		return
	}
	info, err := t.file.Stat()
	if err != nil {
		return
	}
	if info.Mode().IsRegular() && info.Size() < t.offset {
		f.p.Errorf("%s: file truncated", quoteWord(t.name))
		t.offset = 0
	}
	if info.Size() == t.offset {
		return
	}
	if f.shown != t.index {
		f.head.header(f.out, t.name)
		f.shown = t.index
	}
	buf := make([]byte, blockSize)
	for {
		n, err := t.file.ReadAt(buf, t.offset)
		t.offset += int64(n)
		f.out.Write(buf[:n])
		if n == 0 || err != nil && !errors.Is(err, io.EOF) || f.out.broken() || f.p.Context.Err() != nil {
			return
		}
	}
}

// reopen finds out what the name means now.
func (f *follower) reopen(t *followed) {
	info, err := f.p.Files.Stat(t.name)
	if err != nil {
		if !t.gone {
			t.gone = true
			f.p.Errorf("%s has become inaccessible: %s", quoteName(t.name), strerror(err))
		}
		if t.file != nil && f.byName {
			t.file.Close()
			t.file = nil
		}
		return
	}
	if t.file != nil && info.Ino() == t.ino {
		t.gone = false
		return
	}
	file, err := f.p.Files.Open(t.name)
	if err != nil {
		return
	}
	if t.gone {
		f.p.Errorf("%s has appeared;  following new file", quoteName(t.name))
	} else {
		f.p.Errorf("%s has been replaced;  following new file", quoteName(t.name))
	}
	if t.file != nil {
		t.file.Close()
	}
	t.file, t.ino, t.offset, t.gone = file, info.Ino(), 0, false
}
