package image

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestResolve(t *testing.T) {
	s := newStore(t, t.TempDir(), nil)
	base, err := s.Resolve(BaseName)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"busybox:1.36", "registry.example:5000/team/app:v1"} {
		repo, tag := name[:strings.LastIndex(name, ":")], name[strings.LastIndex(name, ":")+1:]
		if _, err := s.Tag(context.Background(), BaseName, repo, tag); err != nil {
			t.Fatal(err)
		}
	}
	id := base.ID.Encoded()
	for _, ref := range []string{
		"sockerless/base", "docker.io/sockerless/base:latest", "busybox:1.36", "docker.io/library/busybox:1.36", "index.docker.io/busybox:1.36",
		"registry.example:5000/team/app:v1", id, "sha256:" + id, id[:12], id[:4], "sha256:" + id[:7],
	} {
		if img, err := s.Resolve(ref); err != nil || img.ID != base.ID {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for ref, want := range map[string]string{
		"nosuch:1": "No such image: nosuch:1", "nosuch": "No such image: nosuch:latest", "busybox": "No such image: busybox:latest",
		"docker.io/library/nosuch":                  "No such image: nosuch:latest",
		"sha256:" + strings.Repeat("0", 64):         "No such image: sha256:" + strings.Repeat("0", 64),
		"busybox@sha256:" + strings.Repeat("0", 64): "No such image: busybox@sha256:" + strings.Repeat("0", 64),
		"registry.example:5000/team/app":            "No such image: registry.example:5000/team/app:latest",
	} {
		if _, err := s.Resolve(ref); !errdefs.IsNotFound(err) || err.Error() != want {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
	for ref, want := range map[string]string{
		"": "invalid reference format", "UPPER": "invalid reference format: repository name (library/UPPER) must be lowercase", "a b": "invalid reference format",
	} {
		if _, err := s.Resolve(ref); !errdefs.IsInvalidArgument(err) || err.Error() != want {
			t.Errorf("%q: %v, want %s", ref, err, want)
		}
	}
	img, err := s.Resolve(id)
	if want := []string{"busybox:1.36", BaseName, "registry.example:5000/team/app:v1"}; err != nil || !slices.Equal(img.RepoTags, want) {
		t.Errorf("tags %q, %v, want %q", img.RepoTags, err, want)
	}
}

// TestAmbiguousPrefix has enough images that some digit begins two of their ids.
func TestAmbiguousPrefix(t *testing.T) {
	reg, s := newRegistry(t), newStore(t, t.TempDir(), nil)
	first := map[string]int{}
	for i := range 17 {
		name := "app" + string(rune('a'+i))
		reg.push(t, name, "latest", testImage{cmd: name})
		first[s.mustPull(t, reg.at(name)).ID.Encoded()[:1]]++
	}
	for digit, n := range first {
		if _, err := s.Resolve(digit); n > 1 && !errdefs.IsNotFound(err) {
			t.Errorf("%s begins %d ids: %v", digit, n, err)
		}
	}
	if got := len(s.List()); got != 18 {
		t.Errorf("%d images", got)
	}
}

func TestTag(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := newStore(t, dir, nil)
	before := time.Now().Add(-time.Second)
	img, err := s.Tag(ctx, "sockerless/base", "mine", "")
	if err != nil || !slices.Equal(img.RepoTags, []string{"mine:latest", BaseName}) || img.LastTagged.Before(before) {
		t.Errorf("%+v, %v", img, err)
	}
	for _, c := range []struct{ ref, repo, tag, want string }{
		{"sockerless/base", "UPPER", "t", "invalid reference format: repository name (library/UPPER) must be lowercase"},
		{"sockerless/base", "ok", "bad tag", "invalid tag format"},
		{"sockerless/base", "ok@sha256:" + strings.Repeat("0", 64), "", "refusing to create a tag with a digest reference"},
	} {
		if _, err := s.Tag(ctx, c.ref, c.repo, c.tag); !errdefs.IsInvalidArgument(err) || err.Error() != c.want {
			t.Errorf("%q %q: %v, want %s", c.repo, c.tag, err, c.want)
		}
	}
	if _, err := s.Tag(ctx, "nosuch", "x", "t"); !errdefs.IsNotFound(err) || err.Error() != "No such image: nosuch:latest" {
		t.Errorf("tag of a missing image: %v", err)
	}
	s.state.Close()
	s = newStore(t, dir, nil)
	if _, err := s.Resolve("mine"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestHistory(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	img := &Image{LayerSizes: []int64{100, 20}}
	img.Spec.History = []ocispec.History{
		{Created: &when, CreatedBy: "ADD root"}, {CreatedBy: "ENV A=b", EmptyLayer: true}, {CreatedBy: "RUN make", Comment: "buildkit"},
	}
	got := img.History()
	want := []HistoryEntry{
		{CreatedBy: "RUN make", Comment: "buildkit", Size: 20},
		{CreatedBy: "ENV A=b"},
		{Created: when, CreatedBy: "ADD root", Size: 100},
	}
	if !slices.EqualFunc(got, want, func(a, b HistoryEntry) bool {
		return a.Created.Equal(b.Created) && a.CreatedBy == b.CreatedBy && a.Comment == b.Comment && a.Size == b.Size
	}) {
		t.Errorf("history %+v\nwant %+v", got, want)
	}
}
