package image

import "github.com/opencontainers/go-digest"

// holding keeps layers from being removed while no record names them yet, or while they are read.
type holding struct {
	store *Store
	held  []digest.Digest
}

// hold begins a holding.
func (s *Store) hold(diffIDs ...digest.Digest) *holding {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &holding{store: s}
	h.add(diffIDs...)
	return h
}

// add keeps further layers. Called with mu held.
func (h *holding) add(diffIDs ...digest.Digest) {
	for _, d := range diffIDs {
		h.store.held[d]++
		h.held = append(h.held, d)
	}
}

// release lets them go. It may be called more than once.
func (h *holding) release() {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	for _, d := range h.held {
		if h.store.held[d]--; h.store.held[d] == 0 {
			delete(h.store.held, d)
		}
	}
	h.held = nil
}
