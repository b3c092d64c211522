package kernel

import (
	"slices"
	"sync"
	"syscall"
)

// maxFiles is the limit of descriptor numbers, RLIMIT_NOFILE as Docker sets it.
const maxFiles = 1048576

// FDTable is a process's table of file descriptors.
type FDTable struct {
	mu      sync.Mutex
	entries []fdEntry // by number
}

type fdEntry struct {
	fd      int32
	cloexec bool
	file    *File
}

func (t *FDTable) position(fd int) (int, bool) {
	for i, e := range t.entries {
		if int(e.fd) >= fd {
			return i, int(e.fd) == fd
		}
	}
	return len(t.entries), false
}

// Get returns the file of a descriptor, without a new reference; EBADF.
func (t *FDTable) Get(fd int) (*File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.position(fd); ok {
		return t.entries[i].file, nil
	}
	return nil, syscall.EBADF
}

// acquire is Get with a reference for the caller.
func (t *FDTable) acquire(fd int) (*File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.position(fd); ok {
		return t.entries[i].file.Ref(), nil
	}
	return nil, syscall.EBADF
}

// Set puts a file behind a descriptor, whose old file is closed. The table takes a reference of its own. EBADF for a
// number out of range.
func (t *FDTable) Set(fd int, f *File) error {
	if fd < 0 || fd >= maxFiles {
		return syscall.EBADF
	}
	t.set(fd, f.Ref(), false)
	return nil
}

// set is Set that takes over the caller's reference.
func (t *FDTable) set(fd int, f *File, cloexec bool) {
	t.mu.Lock()
	entry := fdEntry{int32(fd), cloexec, f}
	i, taken := t.position(fd)
	var old *File
	if taken {
		old = t.entries[i].file
		t.entries[i] = entry
	} else {
		if t.entries == nil {
			t.entries = make([]fdEntry, 0, 3)
		}
		t.entries = slices.Insert(t.entries, i, entry)
	}
	t.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// Add puts a file behind the lowest free descriptor from min on. The table takes a reference of its own. EMFILE.
func (t *FDTable) Add(f *File, min int) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.add(f, min, false)
}

func (t *FDTable) add(f *File, min int, cloexec bool) (int, error) {
	if min < 0 {
		return -1, syscall.EINVAL
	}
	fd := min
	i, _ := t.position(fd)
	for ; i < len(t.entries) && int(t.entries[i].fd) == fd; i++ {
		fd++
	}
	if fd >= maxFiles {
		return -1, syscall.EMFILE
	}
	t.entries = slices.Insert(t.entries, i, fdEntry{int32(fd), cloexec, f.Ref()})
	return fd, nil
}

// Dup copies a descriptor to the lowest free one from min on (F_DUPFD). EBADF, EMFILE.
func (t *FDTable) Dup(fd, min int) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.position(fd)
	if !ok {
		return -1, syscall.EBADF
	}
	return t.add(t.entries[i].file, min, false)
}

// Dup2 makes descriptor to a copy of from. EBADF.
func (t *FDTable) Dup2(from, to int) error {
	f, err := t.Get(from)
	if err != nil {
		return err
	}
	if from == to {
		return nil
	}
	return t.Set(to, f)
}

// Close closes a descriptor. EBADF, or what closing the file gave.
func (t *FDTable) Close(fd int) error {
	t.mu.Lock()
	i, ok := t.position(fd)
	if !ok {
		t.mu.Unlock()
		return syscall.EBADF
	}
	f := t.entries[i].file
	t.entries = slices.Delete(t.entries, i, i+1)
	t.mu.Unlock()
	return f.Close()
}

// CloseOnExec sets whether Spawn and Exec close the descriptor. EBADF.
func (t *FDTable) CloseOnExec(fd int, on bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.position(fd)
	if !ok {
		return syscall.EBADF
	}
	t.entries[i].cloexec = on
	return nil
}

// List returns the open descriptors in order.
func (t *FDTable) List() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]int, len(t.entries))
	for i, e := range t.entries {
		list[i] = int(e.fd)
	}
	return list
}

// inherit copies a parent's table, with files in place of some descriptors; nil closes one.
func (t *FDTable) inherit(parent *FDTable, files map[int]*File) {
	parent.mu.Lock()
	t.entries = slices.Clone(parent.entries)
	for _, e := range t.entries {
		e.file.Ref()
	}
	parent.mu.Unlock()
	for fd, f := range files {
		if f == nil {
			_ = t.Close(fd)
		} else {
			t.set(fd, f.Ref(), false)
		}
	}
}

// closeOnExec closes what is marked so, but for descriptors that were set for the new program.
func (t *FDTable) closeOnExec(keep map[int]*File) {
	for _, fd := range t.List() {
		t.mu.Lock()
		i, ok := t.position(fd)
		marked := ok && t.entries[i].cloexec
		t.mu.Unlock()
		if marked && keep[fd] == nil {
			_ = t.Close(fd)
		}
	}
}

func (t *FDTable) closeAll() {
	t.mu.Lock()
	entries := t.entries
	t.entries = nil
	t.mu.Unlock()
	for _, e := range entries {
		_ = e.file.Close()
	}
}
