package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/store/state"
)

const (
	volumeDriver = "local"
	volumeKey    = "volume/" // "volume/<name>"
	// anonymousLabel marks a volume that was made for one container (moby's volume/service).
	anonymousLabel = "com.docker.volume.anonymous"
)

// volume is the record of a volume; its files are in <data>/volumes/<name>/_data, made when a container first needs them.
type volume struct {
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
}

func (v *volume) put() (state.Change, error) {
	value, err := json.Marshal(v)
	return state.Put(volumeKey+v.Name, value), err
}

func (v *volume) anonymous() bool {
	_, ok := v.Labels[anonymousLabel]
	return ok
}

// volumes is the set of volumes of a server.
type volumes struct {
	dir string

	// use is held for reading from when a container's volumes are looked up until the container is known, and for writing
	// by who makes or removes volumes: so none goes away between the two.
	use sync.RWMutex

	mu     sync.Mutex
	byName map[string]*volume
}

// anonymousName is the form of the names that are given to volumes without one.
var anonymousName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// asidePrefix begins the names of the folders in which files wait for their end; no volume's does. The time follows at which
// the volume was made, in Unix nanoseconds: another of the same name may be there by then.
const asidePrefix = ".removed-"

// loadVolumes reads the records, and ends the removals that a kill interrupted: the files of anonymous volumes whose record
// is gone, and those that were set aside.
func loadVolumes(store state.Store, dir string) (*volumes, error) {
	s := &volumes{dir: dir, byName: map[string]*volume{}}
	err := store.Scan(volumeKey, func(key string, value []byte) error {
		v := new(volume)
		if err := json.Unmarshal(value, v); err != nil {
			return fmt.Errorf("record %s: %w", key, err)
		}
		s.byName[strings.TrimPrefix(key, volumeKey)] = v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load volumes: %w", err)
	}
	present, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load volumes: %w", err)
	}
	for _, entry := range present {
		if strings.HasPrefix(entry.Name(), asidePrefix) {
			if err := s.settle(filepath.Join(dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("end the removal of a volume: %w", err)
			}
			continue
		}
		if s.byName[entry.Name()] == nil && anonymousName.MatchString(entry.Name()) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("remove files of a removed volume: %w", err)
			}
		}
	}
	return s, nil
}

func (s *volumes) get(name string) *volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[name]
}

func (s *volumes) add(v *volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[v.Name] == nil {
		s.byName[v.Name] = v
	}
}

func (s *volumes) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byName, name)
}

// path is where the files of a volume are.
func (s *volumes) path(name string) string { return filepath.Join(s.dir, name, "_data") }

// open makes the folder of a volume where it is missing, and tells whether it is empty: only then does it take the
// image's content.
func (s *volumes) open(name string) (path string, empty bool, err error) {
	path = s.path(name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", false, fmt.Errorf("make volume %s: %w", name, err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", false, fmt.Errorf("open volume %s: %w", name, err)
	}
	return path, len(entries) == 0, nil
}

// removeFiles removes what a volume holds. Its record is gone by then.
func (s *volumes) removeFiles(name string) error {
	if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// setAside moves the files of a volume to a folder of their own, from which they are removed once the record is gone, or
// put back if it stays.
func (s *volumes) setAside(v *volume) (aside string, err error) {
	if aside, err = os.MkdirTemp(s.dir, fmt.Sprintf("%s%d-*", asidePrefix, v.Created.UnixNano())); err != nil {
		return "", fmt.Errorf("remove volume %s: %w", v.Name, err)
	}
	err = os.Rename(filepath.Join(s.dir, v.Name), filepath.Join(aside, v.Name))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // no container has needed it yet
		return "", errors.Join(fmt.Errorf("remove volume %s: %w", v.Name, err), os.Remove(aside))
	}
	return aside, nil
}

// settle decides about files that were set aside: those of a volume that still is go back, all others go.
func (s *volumes) settle(aside string) error {
	entries, err := os.ReadDir(aside)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		v := s.get(entry.Name())
		if v == nil || !strings.HasPrefix(filepath.Base(aside), fmt.Sprintf("%s%d-", asidePrefix, v.Created.UnixNano())) {
			continue
		}
		to := filepath.Join(s.dir, v.Name)
		if _, err := os.Lstat(to); err == nil { // it has been used again
			continue
		}
		if err := os.Rename(filepath.Join(aside, v.Name), to); err != nil {
			return err
		}
	}
	return os.RemoveAll(aside)
}

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

func checkVolumeName(name string) error {
	if len(name) == 1 {
		return invalid("create %s: volume name is too short, names should be at least two alphanumeric characters", name)
	}
	if !volumeName.MatchString(name) {
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf(
			`create %s: %q includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`, name, name))
	}
	return nil
}
