package runtime

import (
	"encoding/json"
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

	mu     sync.Mutex
	byName map[string]*volume
}

// anonymousName is the form of the names that are given to volumes without one.
var anonymousName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// loadVolumes reads the records, and removes the files of anonymous volumes whose record is gone: a kill came between.
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
