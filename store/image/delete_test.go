package image

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// remove deletes and shows what was done, with the ids that the test knows by name.
func (s *testStore) remove(ref string, force bool, users ...User) ([]string, error) {
	done, err := s.Delete(context.Background(), ref, DeleteOptions{Force: force, Containers: func() []User { return users }})
	var lines []string
	for _, d := range done {
		if d.Untagged != "" {
			lines = append(lines, "untagged "+d.Untagged)
		} else {
			lines = append(lines, "deleted "+d.Deleted.String())
		}
	}
	return lines, err
}

const containerID = "fa11fa016c3e0123456789abcdef0123456789abcdef0123456789abcdef0123"

func TestDelete(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	low, high := tarOf(t, "low", "1"), tarOf(t, "high", "2")
	desc, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{low, high}})
	_, sibling := reg.push(t, "sibling", "latest", testImage{layers: [][]byte{low}, cmd: "sibling"})
	ref, ctx := reg.at("app:latest"), context.Background()
	img := s.mustPull(t, ref)
	s.mustPull(t, reg.at("sibling"))
	id := img.ID.String()
	for _, tag := range []string{"t", "u"} {
		if _, err := s.Tag(ctx, ref, "other", tag); err != nil {
			t.Fatal(err)
		}
	}

	check := func(what string, got []string, err error, want ...string) {
		t.Helper()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v\nwant: %q", what, got, err, want)
		}
	}
	got, err := s.remove("other:t", false, User{ContainerID: containerID, Image: img.ID})
	check("one of several names, in use", got, err, "untagged other:t")
	if _, err := s.remove(id, false); !errdefs.IsConflict(err) || err.Error() != fmt.Sprintf("conflict: unable to delete %s (must be forced) - image is referenced in multiple repositories", short(id)) {
		t.Errorf("an id with two repositories: %v", err)
	}
	got, err = s.remove("other:u", false)
	check("the last name of a repository", got, err, "untagged other:u")
	got, err = s.remove(ref, false)
	chain := digest.FromString(digest.FromBytes(low).String() + " " + digest.FromBytes(high).String())
	check("the last name", got, err, "untagged "+ref, "untagged "+reg.at("app@"+desc.Digest.String()), "deleted "+id, "deleted "+chain.String())
	if s.layers.Has(digest.FromBytes(high)) || !s.layers.Has(digest.FromBytes(low)) {
		t.Error("the shared layer must stay, the other one go")
	}
	if _, err := s.remove(ref, false); !errdefs.IsNotFound(err) || err.Error() != "No such image: "+ref {
		t.Errorf("once more: %v", err)
	}
	got, err = s.remove(short(sibling.Config.Digest.String()), false)
	if err != nil || len(got) != 4 || got[2] != "deleted "+sibling.Config.Digest.String() || got[3] != "deleted "+digest.FromBytes(low).String() {
		t.Errorf("by a short id: %q, %v", got, err)
	}
	if n := s.layerCount(t); n != 0 {
		t.Errorf("%d layers left", n)
	}
	if s.mustPull(t, ref).ID != m.Config.Digest {
		t.Error("pulled again, it is another image")
	}
}

func TestDeleteInUse(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	s := newStore(t, dir, nil)
	reg.push(t, "app", "latest", testImage{layers: [][]byte{tarOf(t, "f", "1")}})
	ref := reg.at("app:latest")
	img := s.mustPull(t, ref)
	id := img.ID.String()
	stopped, running := User{ContainerID: containerID, Image: img.ID}, User{ContainerID: containerID, Image: img.ID, Running: true}
	for _, c := range []struct {
		ref   string
		force bool
		user  User
		want  string
	}{
		{ref, false, stopped, fmt.Sprintf("conflict: unable to remove repository reference %q (must force) - container fa11fa016c3e is using its referenced image %s", ref, short(id))},
		{id, false, stopped, fmt.Sprintf("conflict: unable to delete %s (must be forced) - image is being used by stopped container fa11fa016c3e", short(id))},
		{id, false, running, fmt.Sprintf("conflict: unable to delete %s (cannot be forced) - image is being used by running container fa11fa016c3e", short(id))},
		{id, true, running, fmt.Sprintf("conflict: unable to delete %s (cannot be forced) - image is being used by running container fa11fa016c3e", short(id))},
	} {
		if got, err := s.remove(c.ref, c.force, c.user); !errdefs.IsConflict(err) || err.Error() != c.want || got != nil {
			t.Errorf("%s force=%v: %q, %v\nwant: %s", c.ref, c.force, got, err, c.want)
		}
	}

	// While a container is being created, its image cannot go.
	held, release, err := s.Acquire(ref)
	if err != nil || held.ID != img.ID {
		t.Fatal(err)
	}
	if _, err := s.remove(id, true); !errdefs.IsConflict(err) || !strings.Contains(err.Error(), "being created") {
		t.Errorf("an image in use by a create: %v", err)
	}
	release()
	release()

	// By force, under a stopped container: the image goes, its layers stay until the container does.
	got, err := s.remove(id, true, stopped)
	if err != nil || len(got) != 3 || got[2] != "deleted "+id {
		t.Fatalf("by force: %q, %v", got, err)
	}
	if _, err := s.Resolve(id); !errdefs.IsNotFound(err) {
		t.Errorf("the deleted image is found: %v", err)
	}
	if all := s.List(); len(all) != 1 {
		t.Errorf("%d images are listed", len(all))
	}
	s.state.Close()
	s = newStore(t, dir, nil)
	if err := s.Collect(context.Background(), func() []User { return []User{stopped} }); err != nil {
		t.Fatal(err)
	}
	if dirs, err := s.Layers(img.ID); err != nil || len(dirs) != 1 || len(readLayer(t, dirs[0])) == 0 {
		t.Errorf("the container's layers: %q, %v", dirs, err)
	}
	if err := s.Collect(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Layers(img.ID); !errdefs.IsNotFound(err) {
		t.Errorf("layers after the container went: %v", err)
	}
	if n := s.layerCount(t); n != 0 {
		t.Errorf("%d layers left", n)
	}
}

// TestForceByName is of a running container: Docker takes the name away and leaves the image.
func TestForceByName(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	reg.push(t, "app", "latest", testImage{})
	img := s.mustPull(t, reg.at("app"))
	got, err := s.remove(reg.at("app"), true, User{ContainerID: containerID, Image: img.ID, Running: true})
	if err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
	left, err := s.Resolve(img.ID.String())
	if err != nil || len(left.RepoTags) != 0 || len(left.RepoDigests) != 0 {
		t.Errorf("%+v, %v", left, err)
	}
}

// TestDeleteAndPull pulls and deletes the same image, and one that shares its layer, all at once: what a pull has
// returned must be whole at that moment.
func TestDeleteAndPull(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	shared := tarOf(t, "shared", noise(20_000))
	reg.push(t, "one", "latest", testImage{layers: [][]byte{shared}, cmd: "one"})
	reg.push(t, "two", "latest", testImage{layers: [][]byte{shared, tarOf(t, "f", "2")}, cmd: "two"})
	var wg sync.WaitGroup
	for _, name := range []string{"one", "two", "one", "two"} {
		wg.Go(func() {
			for range 15 {
				if _, err := s.Pull(context.Background(), PullOptions{Reference: reg.at(name)}); err != nil {
					t.Errorf("pull %s: %v", name, err)
					return
				}
				img, release, err := s.Acquire(reg.at(name))
				if errdefs.IsNotFound(err) {
					continue // the other one of this name was quicker
				}
				if err != nil {
					t.Errorf("acquire: %v", err)
					return
				}
				for _, d := range img.DiffIDs() {
					if !s.layers.Has(d) {
						t.Errorf("%s: layer %s is missing", name, d)
					}
				}
				release()
				if _, err := s.remove(reg.at(name), true); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
					t.Errorf("delete %s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Collect(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	for _, img := range s.List() {
		for _, d := range img.DiffIDs() {
			if !s.layers.Has(d) {
				t.Errorf("image %s lost layer %s", img.ID, d)
			}
		}
	}
	if len(s.held) != 0 || len(s.users) != 0 {
		t.Errorf("still held: %v, %v", s.held, s.users)
	}
}
