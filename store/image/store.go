package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/content"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what a [Store] stands on.
type Config struct {
	State      state.Store
	Layers     *layer.Store
	Content    *content.Store
	Registries RegistriesConfig
	Builtins   []string     // names of the commands in sockerless/base, see [BaseName]
	Log        *slog.Logger // nil discards
}

// Store is the set of images of a server. All methods may be called concurrently.
type Store struct {
	state      state.Store
	layers     *layer.Store
	content    *content.Store
	registries RegistriesConfig
	builtins   []string
	log        *slog.Logger
	retryDelay time.Duration // before the second attempt to push a layer; doubles
	noting     sync.Mutex    // while the records of known blobs are changed

	// mu guards what follows. All records are in memory: a container's create looks its image up without a read from
	// the database. Whoever changes them holds mu over the update of the state too.
	mu     sync.RWMutex
	images map[digest.Digest]*record // by id, also detached ones
	refs   map[string]digest.Digest  // normalised reference, with tag or digest → id
	users  map[digest.Digest]int     // image id → containers being created of it right now
	held   map[digest.Digest]int     // diff id → holdings of the layer
	adding int                       // layers on their way in whose diff id nobody knows yet
}

// New loads the records and makes sure that sockerless/base is there.
func New(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{
		state: cfg.State, layers: cfg.Layers, content: cfg.Content, registries: cfg.Registries,
		builtins: cfg.Builtins, log: cfg.Log, retryDelay: time.Second,
		images: map[digest.Digest]*record{}, refs: map[string]digest.Digest{},
		users: map[digest.Digest]int{}, held: map[digest.Digest]int{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.registries.validate(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	var full *state.ErrNoSpace
	if _, err := s.ensureBase(ctx); errors.As(err, &full) {
		// A server must start on a full disk, for its user to delete something. A pull of the image makes it later.
		s.log.Warn("image: "+BaseName+" could not be made", "error", err)
	} else if err != nil {
		return nil, fmt.Errorf("make %s: %w", BaseName, err)
	}
	return s, nil
}

// Acquire resolves ref and keeps the image from being deleted until release is called: for the time in which a
// container is being created, whose record is not there yet to say so.
func (s *Store) Acquire(ref string) (img *Image, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.lookup(ref)
	if err != nil {
		return nil, nil, err
	}
	s.users[r.id]++
	return s.snapshot(r), sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users[r.id]--; s.users[r.id] == 0 {
			delete(s.users, r.id)
		}
	}), nil
}

// Stacks are the folders of the layers of all images, lowest first, with those that containers still have.
func (s *Store) Stacks() [][]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all [][]string
	for _, r := range s.images {
		var dirs []string
		for _, d := range r.diffIDs() {
			dirs = append(dirs, s.layers.Path(d))
		}
		all = append(all, dirs)
	}
	return all
}

// Layers returns the folders of the image's layers, lowest first. It works for an image that was deleted by force
// under its containers too. Errors: errdefs.ErrNotFound.
func (s *Store) Layers(id digest.Digest) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.images[id]
	if r == nil {
		return nil, noSuchImage(id)
	}
	dirs := make([]string, len(r.diffIDs()))
	for i, d := range r.diffIDs() {
		dirs[i] = s.layers.Path(d)
	}
	return dirs, nil
}
