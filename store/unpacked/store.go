package unpacked

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const tempPrefix = "unpack-"

// Store is a folder of unpacked images. It is safe for concurrent use, by one process at a time.
type Store struct {
	dir string

	mu     sync.Mutex
	images map[string]*image // that are in use, or being unpacked

	unpacking sync.WaitGroup
}

// image is a directory and who uses it or waits for it.
type image struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when err is final
	err    error
	users  int // guarded by Store.mu
}

// Open opens, and makes if need be, a folder of unpacked images, and removes what was not finished there.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("unpacked images: %w", err)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			err = errors.Join(err, removeTree(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("unpacked images: %w", err)
	}
	return &Store{dir: dir, images: map[string]*image{}}, nil
}

// key names a stack: layers are called after their contents, so what two stacks of the same names hold is the same.
func key(layers []string) string {
	h := sha256.New()
	for _, l := range layers {
		fmt.Fprintln(h, filepath.Base(l))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Directory gives the absolute path of the merged files of layers: directories of a layer.Store, lowest first. They are
// unpacked by the first who asks; the others wait. The directory stays until release is called, which may be done more
// than once, and after that until Sweep. It must not be written to.
func (s *Store) Directory(ctx context.Context, layers []string) (path string, release func(), err error) {
	name := key(layers)
	for {
		i := s.join(name, layers)
		select {
		case <-i.done:
			err = i.err
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		release = sync.OnceFunc(func() { s.leave(name, i) })
		if err == nil {
			return filepath.Join(s.dir, name), release, nil
		}
		release()
		if ctx.Err() == nil && errors.Is(err, context.Canceled) {
			continue // those who wanted it before have given it up
		}
		return "", nil, fmt.Errorf("unpack image: %w", err)
	}
}

// join counts the caller as a user of an image, and starts to unpack it if nobody has.
func (s *Store) join(name string, layers []string) *image {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.images[name]; i != nil {
		i.users++
		return i
	}
	ctx, cancel := context.WithCancel(context.Background())
	i := &image{cancel: cancel, done: make(chan struct{}), users: 1}
	s.images[name] = i
	if _, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
		close(i.done)
		return i
	}
	s.unpacking.Go(func() {
		defer cancel()
		err := s.unpack(ctx, name, layers)
		s.mu.Lock()
		defer s.mu.Unlock()
		if i.err = err; err != nil && s.images[name] == i {
			delete(s.images, name)
		}
		close(i.done)
	})
	return i
}

// Close gives up what is being unpacked and waits for its end. The store must not be used afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	for _, i := range s.images {
		i.cancel()
	}
	s.mu.Unlock()
	s.unpacking.Wait()
	return nil
}

// leave counts a user out. The last one ends the unpacking that is under way.
func (s *Store) leave(name string, i *image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.users--; i.users > 0 {
		return
	}
	i.cancel()
	if s.images[name] == i {
		delete(s.images, name)
	}
}

func (s *Store) unpack(ctx context.Context, name string, layers []string) error {
	temp, err := os.MkdirTemp(s.dir, tempPrefix)
	if err != nil {
		return err
	}
	root := filepath.Join(temp, "root")
	err = unpack(ctx, layers, root)
	if err == nil {
		// Not synced, which would take longer than all the rest: it is a cache, and holds after a crash of this process. After
		// one of the machine, within the seconds in which the host writes files back, what is damaged must be removed.
		err = os.Rename(root, filepath.Join(s.dir, name))
		if _, statErr := os.Stat(filepath.Join(s.dir, name)); statErr == nil {
			err = nil // one that had been given up was quicker
		}
	}
	return errors.Join(err, removeTree(temp))
}

// Sweep removes the directories that nobody uses and that are not those of the given stacks of layers.
func (s *Store) Sweep(keep [][]string) error {
	kept := map[string]bool{}
	for _, layers := range keep {
		kept[key(layers)] = true
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("sweep unpacked images: %w", err)
	}
	var failed error
	for _, e := range entries {
		if kept[e.Name()] || strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		failed = errors.Join(failed, s.remove(e.Name()))
	}
	if failed != nil {
		return fmt.Errorf("sweep unpacked images: %w", failed)
	}
	return nil
}

// remove takes a directory out of sight while nobody can begin to use it, and then removes it.
func (s *Store) remove(name string) error {
	s.mu.Lock()
	if s.images[name] != nil {
		s.mu.Unlock()
		return nil
	}
	temp, err := os.MkdirTemp(s.dir, tempPrefix)
	if err == nil {
		err = os.Rename(filepath.Join(s.dir, name), filepath.Join(temp, "root"))
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return removeTree(temp)
}

// removeTree removes a tree whose directories the user may have no right to look into.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil // RemoveAll will say what is wrong
		}
		return os.Chmod(name, 0o700) // WalkDir reads it afterwards
	})
	return errors.Join(err, os.RemoveAll(dir))
}
