package image

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/state"
)

// User is a container, as far as it keeps an image from being deleted.
type User struct {
	ContainerID string
	Image       digest.Digest
	Running     bool // paused and restarting count
}

// DeleteOptions of [Store.Delete].
type DeleteOptions struct {
	Force bool
	// KeepParents leaves the nameless images that it was made on top of, which nothing else has.
	KeepParents bool
	// Containers lists all containers. It is called once, with the store locked: it must not call back into it.
	// Nil: there are none.
	Containers func() []User
}

// Deletion is one thing that a delete did: either field is set.
type Deletion struct {
	Untagged string        // a familiar name
	Deleted  digest.Digest // an image's id, or the chain id of a layer
	// Image is what it was about, for events; empty for a layer, and for a digest that went with its repository's last tag, of which
	// dockerd tells no event.
	Image digest.Digest
}

// Delete removes a name, and the image with its unused layers when it was the last one; or an image by its id. The
// rules and texts are those of moby's daemon/images/image_delete.go. Errors: errdefs.ErrNotFound, errdefs.ErrConflict.
func (s *Store) Delete(ctx context.Context, ref string, opts DeleteOptions) ([]Deletion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	var containers []User
	if opts.Containers != nil {
		containers = opts.Containers()
	}
	parent := s.parent(r)
	d := s.deletion(r, opts, containers)
	if isIDPrefix(r.id, ref) {
		err = d.byID()
	} else {
		err = d.byName(ref)
	}
	if err != nil {
		return nil, err
	}
	if err := d.commit(ctx); err != nil {
		return nil, fmt.Errorf("delete image %s: %w", ref, err)
	}
	done := d.done
	for d.whole && !opts.KeepParents && parent != "" {
		above := s.images[parent]
		parent = s.parent(above)
		d = s.deletion(above, DeleteOptions{}, containers)
		if len(d.refs) > 0 || d.byID() != nil {
			break
		}
		if err := d.commit(ctx); err != nil {
			return done, fmt.Errorf("delete parent %s of image %s: %w", above.id, ref, err)
		}
		done = append(done, d.done...)
	}
	return done, nil
}

func (s *Store) deletion(r *record, opts DeleteOptions, containers []User) *deletion {
	return &deletion{store: s, record: r, opts: opts, refs: s.references(r.id), containers: containers}
}

// deletion is decided first and done then, in one batch.
type deletion struct {
	store      *Store
	record     *record
	opts       DeleteOptions
	containers []User
	refs       []reference.Named // that remain

	changes []state.Change
	untag   []string
	whole   bool // the image goes
	done    []Deletion
}

// byName removes one name. Digests of the same repository go with its last tag; with the last name of all, the image.
func (d *deletion) byName(ref string) error {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	if !d.opts.Force && singleRepository(d.refs) {
		if c := d.user(func(User) bool { return true }); c != nil {
			return errdefs.ErrConflict.WithMessage(fmt.Sprintf(
				"conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
				ref, short(c.ContainerID), short(d.record.id.Encoded())))
		}
	}
	d.remove(reference.TagNameOnly(named))
	if _, ok := named.(reference.Canonical); !ok && !d.hasTag(named.Name()) {
		for _, other := range append([]reference.Named(nil), d.refs...) {
			if other.Name() == named.Name() {
				d.remove(other)
				d.done[len(d.done)-1].Image = ""
			}
		}
	}
	if len(d.refs) > 0 {
		return nil
	}
	if d.conflict() != nil {
		// Docker reports a conflict of what became nameless only where nothing uses it, and then there is none.
		return nil
	}
	d.whole = true
	return nil
}

// byID removes the image with all its names, where they are of one repository or removal is forced.
func (d *deletion) byID() error {
	if len(d.refs) > 0 && !singleRepository(d.refs) && !d.opts.Force {
		if err := d.hard(); err != nil {
			return err
		}
		return d.refuse("must be forced", "image is referenced in multiple repositories")
	}
	if err := d.conflict(); err != nil {
		return err
	}
	for _, ref := range append([]reference.Named(nil), d.refs...) {
		d.remove(ref)
	}
	d.whole = true
	return nil
}

func (d *deletion) remove(ref reference.Named) {
	key := refString(ref)
	d.untag = append(d.untag, key)
	d.changes = append(d.changes, state.Delete(refKey+key))
	d.done = append(d.done, Deletion{Untagged: reference.FamiliarString(ref), Image: d.record.id})
	for i, other := range d.refs {
		if refString(other) == key {
			d.refs = append(d.refs[:i:i], d.refs[i+1:]...)
			return
		}
	}
}

func (d *deletion) hasTag(repository string) bool {
	for _, ref := range d.refs {
		if _, canonical := ref.(reference.Canonical); !canonical && ref.Name() == repository {
			return true
		}
	}
	return false
}

// conflict is the reason why the image itself must stay.
func (d *deletion) conflict() error {
	if err := d.hard(); err != nil {
		return err
	}
	if d.opts.Force {
		return nil
	}
	if c := d.user(func(u User) bool { return !u.Running }); c != nil {
		return d.refuse("must be forced", "image is being used by stopped container "+short(c.ContainerID))
	}
	return nil
}

// hard is a conflict that force does not overcome.
func (d *deletion) hard() error {
	for _, r := range d.store.images {
		if r.Parent == d.record.id && !r.Detached {
			return d.refuse("cannot be forced", "image has dependent child images")
		}
	}
	if c := d.user(func(u User) bool { return u.Running }); c != nil {
		return d.refuse("cannot be forced", "image is being used by running container "+short(c.ContainerID))
	}
	if d.store.users[d.record.id] > 0 {
		return d.refuse("cannot be forced", "image is being used by a container that is being created")
	}
	return nil
}

func (d *deletion) refuse(how, why string) error {
	return errdefs.ErrConflict.WithMessage(fmt.Sprintf("conflict: unable to delete %s (%s) - %s", short(d.record.id.Encoded()), how, why))
}

func (d *deletion) user(is func(User) bool) *User {
	for i, u := range d.containers {
		if u.Image == d.record.id && is(u) {
			return &d.containers[i]
		}
	}
	return nil
}

// commit does what was decided: the state first, then the maps, then the layers, so that a kill leaves at worst layers
// that the next sweep finds.
func (d *deletion) commit(ctx context.Context) error {
	s, id := d.store, d.record.id
	detach := d.whole && d.user(func(User) bool { return true }) != nil
	next := d.record.stored
	if detach {
		next.Detached = true
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		d.changes = append(d.changes, state.Put(imageKey+id.String(), value))
	} else if d.whole {
		d.changes = append(d.changes, state.Delete(imageKey+id.String()))
	}
	if err := s.state.Update(ctx, d.changes...); err != nil {
		return err
	}
	for _, key := range d.untag {
		delete(s.refs, key)
	}
	if !d.whole {
		return nil
	}
	d.done = append(d.done, Deletion{Deleted: id, Image: id})
	d.record.stored = next
	if !detach {
		delete(s.images, id)
	}
	d.done = append(d.done, s.dropLayers(d.record)...)
	return nil
}

// Collect forgets images that were deleted by force and whose last container is gone now, and removes the layers that
// nothing has: those of broken pulls too. Containers is as in [DeleteOptions].
func (s *Store) Collect(ctx context.Context, containers func() []User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := map[digest.Digest]bool{}
	if containers != nil {
		for _, c := range containers() {
			used[c.Image] = true
		}
	}
	var changes []state.Change
	for id, r := range s.images {
		if r.Detached && !used[id] {
			changes = append(changes, state.Delete(imageKey+id.String()))
		}
	}
	if err := s.state.Update(ctx, changes...); err != nil {
		return fmt.Errorf("collect images: %w", err)
	}
	for id, r := range s.images {
		if r.Detached && !used[id] {
			delete(s.images, id)
		}
	}
	needed := s.needed()
	forgotten, err := s.forgottenBlobs(needed)
	if err == nil {
		err = s.state.Update(ctx, forgotten...)
	}
	if err != nil {
		return fmt.Errorf("collect records of blobs: %w", err)
	}
	present, err := s.layers.List()
	if err != nil {
		return fmt.Errorf("collect layers: %w", err)
	}
	for _, d := range present {
		if !needed[d] && s.adding == 0 {
			if err := s.layers.Remove(d); err != nil {
				return fmt.Errorf("collect layers: %w", err)
			}
		}
	}
	return nil
}

// needed is the set of layers that an image has, or a holding. Called with mu held.
func (s *Store) needed() map[digest.Digest]bool {
	needed := map[digest.Digest]bool{}
	for _, r := range s.images {
		for _, d := range r.diffIDs() {
			needed[d] = true
		}
	}
	for d := range s.held {
		needed[d] = true
	}
	return needed
}

// dropLayers removes the layers of a record that nothing else needs, the topmost first, as Docker reports them. A
// layer that cannot be removed is left to the next Collect, and all are while one is on its way in that may turn out to be one
// of them. Called with mu held.
func (s *Store) dropLayers(r *record) []Deletion {
	if s.adding > 0 {
		return nil
	}
	needed := s.needed()
	ids := r.diffIDs()
	chains := chainIDs(ids)
	var done []Deletion
	for i := len(ids) - 1; i >= 0; i-- {
		if needed[ids[i]] {
			continue
		}
		needed[ids[i]] = true // once, where an image has a layer twice
		if err := s.layers.Remove(ids[i]); err != nil {
			s.log.Warn("image: remove a layer", "layer", ids[i].String(), "error", err)
			continue
		}
		done = append(done, Deletion{Deleted: chains[i]})
	}
	return done
}

// chainIDs are the digests by which Docker names a layer together with those below it.
func chainIDs(diffIDs []digest.Digest) []digest.Digest {
	chains := make([]digest.Digest, len(diffIDs))
	for i, d := range diffIDs {
		if chains[i] = d; i > 0 {
			chains[i] = digest.FromString(chains[i-1].String() + " " + d.String())
		}
	}
	return chains
}

// singleRepository tells whether all names are of one repository, with at most one tag.
func singleRepository(refs []reference.Named) bool {
	tags := 0
	for _, ref := range refs {
		if _, canonical := ref.(reference.Canonical); !canonical {
			tags++
		}
		if ref.Name() != refs[0].Name() {
			return false
		}
	}
	return len(refs) > 0 && tags <= 1
}
