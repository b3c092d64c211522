package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/store/state"
)

func createVolume(t *testing.T, s *runtimetest.Server, req volume.CreateRequest) volume.Volume {
	t.Helper()
	v, err := s.VolumeCreate(s.Ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func volumeNames(t *testing.T, s *runtimetest.Server, filters string) []string {
	t.Helper()
	f, err := runtime.ParseFilters(filters)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.VolumeList(s.Ctx(), f)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, v := range list.Volumes {
		names = append(names, v.Name)
	}
	return names
}

func TestVolumes(t *testing.T) {
	s := open(t)
	v := createVolume(t, s, volume.CreateRequest{Name: "data", Labels: map[string]string{"tier": "db"}})
	if info, err := os.Stat(v.Mountpoint); err != nil || !info.IsDir() || v.Driver != "local" || v.Scope != "local" || v.CreatedAt == "" {
		t.Errorf("%+v %v", v, err)
	}
	if again := createVolume(t, s, volume.CreateRequest{Name: "data", Driver: "local"}); again.Labels["tier"] != "db" || again.CreatedAt != v.CreatedAt {
		t.Errorf("created again: %+v", again)
	}
	createVolume(t, s, volume.CreateRequest{Name: "other"})
	s.Create("user", container.Config{Cmd: []string{"true"}}, container.HostConfig{Binds: []string{"data:/d", "made:/m"}})
	for _, test := range []struct {
		filters string
		names   []string
	}{
		{"", []string{"data", "made", "other"}},
		{`{"dangling":["true"]}`, []string{"other"}},
		{`{"dangling":["false"]}`, []string{"data", "made"}},
		{`{"label":["tier"]}`, []string{"data"}},
		{`{"label":["tier=web"]}`, []string{}},
		{`{"name":["^(da|oth)"]}`, []string{"data", "other"}},
		{`{"driver":["nfs"]}`, []string{}},
	} {
		if got := volumeNames(t, s, test.filters); !slices.Equal(got, test.names) {
			t.Errorf("%s: %q, want %q", test.filters, got, test.names)
		}
	}
	for _, test := range []struct {
		req    volume.CreateRequest
		status int
		text   string
	}{
		{volume.CreateRequest{Name: "a"}, 400, "create a: volume name is too short, names should be at least two alphanumeric characters"},
		{volume.CreateRequest{Name: "x", Driver: "bogus"}, 404, `create x: error looking up volume plugin bogus: plugin "bogus" not found`},
		{volume.CreateRequest{Name: "nfs", DriverOpts: map[string]string{"type": "nfs", "o": "addr=x"}}, 501,
			"create nfs: options of the volume driver are not supported (o, type): nothing is mounted on the host for a volume"},
	} {
		_, err := s.VolumeCreate(s.Ctx(), test.req)
		expect(t, test.req.Name, err, test.status, test.text)
	}
	_, err := s.VolumeInspect(s.Ctx(), "nosuch")
	expect(t, "inspect", err, 404, "get nosuch: no such volume")
	expect(t, "remove", s.VolumeRemove(s.Ctx(), "nosuch", false), 404, "get nosuch: no such volume")
	expect(t, "remove", s.VolumeRemove(s.Ctx(), "data", true), 409, "remove data: volume is in use - [ID]")
	if err := s.VolumeRemove(s.Ctx(), "nosuch", true); err != nil {
		t.Error(err)
	}
	if err := s.ContainerRemove(s.Ctx(), "user", runtime.RemoveOptions{Volumes: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.VolumeRemove(s.Ctx(), "data", false); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(filepath.Dir(v.Mountpoint))); err != nil || len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("on disk: %v %v", entries, err) // the folder of made was never needed
	}
}

func TestVolumePrune(t *testing.T) {
	s := open(t)
	anonymous := createVolume(t, s, volume.CreateRequest{})
	named := createVolume(t, s, volume.CreateRequest{Name: "named"})
	createVolume(t, s, volume.CreateRequest{Name: "kept", Labels: map[string]string{"keep": ""}})
	createVolume(t, s, volume.CreateRequest{Name: "used"})
	s.Create("user", container.Config{Cmd: []string{"true"}}, container.HostConfig{Binds: []string{"used:/d"}})
	if err := os.WriteFile(filepath.Join(named.Mountpoint, "f"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		filters runtime.Filters
		deleted []string
		bytes   uint64
	}{
		{nil, []string{anonymous.Name}, 0},
		{runtime.Filters{"all": {"true": true}, "label!": {"keep": true}}, []string{"named"}, 5},
		{runtime.Filters{"all": {"true": true}}, []string{"kept"}, 0},
		{runtime.Filters{"all": {"true": true}}, nil, 0},
	} {
		report, err := s.VolumePrune(s.Ctx(), test.filters)
		if err != nil || !slices.Equal(report.VolumesDeleted, test.deleted) || report.SpaceReclaimed != test.bytes {
			t.Errorf("%v: %+v %v", test.filters, report, err)
		}
	}
	_, err := s.VolumePrune(s.Ctx(), runtime.Filters{"until": {"1h": true}})
	expect(t, "filter", err, 400, "invalid filter 'until'")
}

// refusing fails all updates while on is set.
type refusing struct {
	state.Store
	on *atomic.Bool
}

func (r refusing) Update(ctx context.Context, changes ...state.Change) error {
	if r.on.Load() {
		return errors.New("no disk")
	}
	return r.Store.Update(ctx, changes...)
}

// A removal that cannot be recorded, or that a kill interrupts before it is, loses no file.
func TestVolumeRemovalIsWhole(t *testing.T) {
	var broken atomic.Bool
	dir, machine := t.TempDir(), runtimetest.NewFake(t)
	var store state.Store
	before := func(s state.Store) state.Store { store = s; return refusing{s, &broken} }
	s := runtimetest.OpenOn(t, dir, machine.Backend(t), before)
	v := createVolume(t, s, volume.CreateRequest{Name: "data"})
	file := filepath.Join(v.Mountpoint, "f")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	expect(t, "remove", s.VolumeRemove(s.Ctx(), "data", false), 500, "remove data: store removal: no disk")
	if b, err := os.ReadFile(file); err != nil || string(b) != "kept" {
		t.Errorf("%q %v", b, err)
	}
	broken.Store(false)
	value, err := store.Get("volume/data")
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ Created time.Time }
	if err := json.Unmarshal(value, &record); err != nil {
		t.Fatal(err)
	}
	s.Close()

	// As kills leave them: before the record goes, and after, when there may be another of that name.
	volumes := filepath.Dir(filepath.Dir(v.Mountpoint))
	for aside, name := range map[string]string{fmt.Sprintf(".removed-%d-1", record.Created.UnixNano()): "data", ".removed-1-2": "data", ".removed-1-3": "gone"} {
		if err := os.Mkdir(filepath.Join(volumes, aside), 0o700); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(volumes, aside, name)
		if aside == ".removed-1-2" || name != "data" {
			if err := os.MkdirAll(filepath.Join(to, "_data", "old"), 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.Rename(filepath.Join(volumes, name), to); err != nil {
			t.Fatal(err)
		}
	}
	s = runtimetest.Open(t, dir, machine.Backend(t))
	if b, err := os.ReadFile(file); err != nil || string(b) != "kept" {
		t.Errorf("after a kill: %q %v", b, err)
	}
	if entries, err := os.ReadDir(v.Mountpoint); err != nil || len(entries) != 1 {
		t.Errorf("in the volume: %v %v", entries, err)
	}
	if entries, err := os.ReadDir(volumes); err != nil || len(entries) != 1 {
		t.Errorf("left: %v %v", entries, err)
	}
	if got := volumeNames(t, s, ""); !slices.Equal(got, []string{"data"}) {
		t.Errorf("volumes %q", got)
	}
}
