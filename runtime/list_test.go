package runtime_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/runtime"
)

func TestListFilters(t *testing.T) {
	s := open(t)
	s.Create("created", container.Config{Cmd: []string{"true"}, Labels: map[string]string{"k": "v"}}, container.HostConfig{Binds: []string{"vol1:/data"}})
	running := s.Create("running", container.Config{Cmd: []string{"sleep", "1000"}, ExposedPorts: network.PortSet{network.MustParsePort("80"): {}}}, container.HostConfig{})
	s.Start(running)
	exited := s.Create("exited", container.Config{Cmd: []string{"sh", "-c", "exit 3"}}, container.HostConfig{NetworkMode: "none"})
	w := s.Waiting(exited, container.WaitConditionNextExit)
	s.Start(exited)
	s.Code(w)
	f := func(pairs ...string) runtime.Filters {
		filters := runtime.Filters{}
		for i := 0; i < len(pairs); i += 2 {
			filters[pairs[i]] = map[string]bool{pairs[i+1]: true}
		}
		return filters
	}
	for _, test := range []struct {
		name string
		opts runtime.ListOptions
		want string
	}{
		{"running only", runtime.ListOptions{}, "running"},
		{"all, the newest first", runtime.ListOptions{All: true}, "exited running created"},
		{"limit", runtime.ListOptions{Limit: 2}, "exited running"},
		{"name", runtime.ListOptions{All: true, Filters: f("name", "^/cr")}, "created"},
		{"id", runtime.ListOptions{All: true, Filters: f("id", running[:8])}, "running"},
		{"label", runtime.ListOptions{All: true, Filters: f("label", "k=v")}, "created"},
		{"status", runtime.ListOptions{Filters: f("status", "exited")}, "exited"},
		{"exited", runtime.ListOptions{Filters: f("exited", "3")}, "exited"},
		{"exited with another code", runtime.ListOptions{Filters: f("exited", "0")}, ""},
		{"volume by name", runtime.ListOptions{All: true, Filters: f("volume", "vol1")}, "created"},
		{"volume by place", runtime.ListOptions{All: true, Filters: f("volume", "/data")}, "created"},
		{"network", runtime.ListOptions{All: true, Filters: f("network", "none")}, "exited"},
		{"before", runtime.ListOptions{Filters: f("before", "exited")}, "running created"},
		{"since", runtime.ListOptions{Filters: f("since", "created")}, "exited running"},
		{"ancestor", runtime.ListOptions{All: true, Filters: f("ancestor", "sockerless/base")}, "exited running created"},
		{"other ancestor", runtime.ListOptions{All: true, Filters: f("ancestor", "nosuch")}, ""},
		{"expose", runtime.ListOptions{All: true, Filters: f("expose", "80/tcp")}, "running"},
		{"publish", runtime.ListOptions{All: true, Filters: f("publish", "80")}, ""},
		{"health", runtime.ListOptions{All: true, Filters: f("health", "none", "name", "running")}, "running"},
		{"is-task", runtime.ListOptions{All: true, Filters: f("is-task", "true")}, ""},
	} {
		list, err := s.ContainerList(s.Ctx(), test.opts)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var names []string
		for _, c := range list {
			names = append(names, strings.TrimPrefix(c.Names[0], "/"))
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	_, err := s.ContainerList(s.Ctx(), runtime.ListOptions{Filters: f("zzz", "x")})
	expect(t, "unknown filter", err, http.StatusBadRequest, "invalid filter 'zzz'")
	_, err = s.ContainerList(s.Ctx(), runtime.ListOptions{Filters: f("status", "bogus")})
	expect(t, "bogus status", err, http.StatusBadRequest,
		"invalid filter 'status=bogus': invalid value for state (bogus): must be one of created, running, paused, restarting, removing, exited, dead")
	list, err := s.ContainerList(s.Ctx(), runtime.ListOptions{Filters: f("exited", "3")})
	if err != nil || list[0].Command != "sh -c 'exit 3'" || list[0].State != "exited" || !strings.HasPrefix(list[0].Status, "Exited (3) ") {
		t.Errorf("row %+v, %v", list, err)
	}
}

func TestPrune(t *testing.T) {
	s := open(t)
	s.Run("running", "sleep", "1000")
	keep := s.Create("keep", container.Config{Cmd: []string{"true"}, Labels: map[string]string{"keep": ""}}, container.HostConfig{})
	gone := s.Create("gone", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	report, err := s.ContainerPrune(s.Ctx(), runtime.Filters{"label!": {"keep": true}})
	if err != nil || !slices.Equal(report.ContainersDeleted, []string{gone}) {
		t.Errorf("pruned %v, %v", report.ContainersDeleted, err)
	}
	if report, err = s.ContainerPrune(s.Ctx(), runtime.Filters{"until": {"10m": true}}); err != nil || report.ContainersDeleted != nil {
		t.Errorf("pruned what is newer: %v, %v", report.ContainersDeleted, err)
	}
	if report, err = s.ContainerPrune(s.Ctx(), nil); err != nil || !slices.Equal(report.ContainersDeleted, []string{keep}) {
		t.Errorf("pruned %v, %v", report.ContainersDeleted, err)
	}
}

func TestArchive(t *testing.T) {
	s := open(t)
	s.Create("g2", container.Config{Cmd: []string{"true"}}, container.HostConfig{}) // not running
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "f.txt", Mode: 0o644, Size: 3}), write(w, "abc"), w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.ContainerArchivePut(s.Ctx(), "g2", "/tmp", runtime.ArchivePutOptions{}, &packed); err != nil {
		t.Fatal(err)
	}
	if st, err := s.ContainerStatPath(s.Ctx(), "g2", "/tmp/f.txt"); err != nil || st.Name != "f.txt" || st.Size != 3 || st.Mode != 0o644 {
		t.Errorf("stat %+v, %v", st, err)
	}
	stream, st, err := s.ContainerArchiveGet(s.Ctx(), "g2", "/tmp/f.txt")
	if err != nil || st.Size != 3 {
		t.Fatalf("get: %+v, %v", st, err)
	}
	defer stream.Close()
	r := tar.NewReader(stream)
	header, err := r.Next()
	if err != nil || header.Name != "f.txt" {
		t.Fatalf("entry %+v, %v", header, err)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "abc" {
		t.Errorf("content %q, %v", data, err)
	}
	changes, err := s.ContainerChanges(s.Ctx(), "g2")
	if err != nil || !slices.Equal(changes, []container.FilesystemChange{{Kind: container.ChangeAdd, Path: "/tmp/f.txt"}}) {
		t.Errorf("changes %v, %v", changes, err)
	}
	none := strings.NewReader("")
	_, err = s.ContainerStatPath(s.Ctx(), "g2", "/nosuch")
	expect(t, "stat", err, http.StatusNotFound, "Could not find the file /nosuch in container g2")
	_, _, err = s.ContainerArchiveGet(s.Ctx(), "g2", "/nosuch")
	expect(t, "get", err, http.StatusNotFound, "Could not find the file /nosuch in container g2")
	expect(t, "put", s.ContainerArchivePut(s.Ctx(), "g2", "/nosuchdir", runtime.ArchivePutOptions{}, none), http.StatusNotFound,
		"Could not find the file /nosuchdir in container g2")
	expect(t, "put to a file", s.ContainerArchivePut(s.Ctx(), "g2", "/tmp/f.txt", runtime.ArchivePutOptions{}, none), http.StatusBadRequest,
		"extraction point is not a directory")
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func TestEventsOfARun(t *testing.T) {
	s := open(t)
	sub, err := s.Events(s.Ctx(), runtime.EventsOptions{Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	id := s.Create("g1", container.Config{Cmd: []string{"sh", "-c", "exit 3"}, Labels: map[string]string{"k": "v"}}, container.HostConfig{Binds: []string{"vol1:/data"}})
	w := s.Waiting(id, container.WaitConditionNextExit)
	s.Start(id)
	s.Code(w)
	if err := s.ContainerRename(s.Ctx(), "g1", "new"); err != nil {
		t.Fatal(err)
	}
	if err := s.ContainerRemove(s.Ctx(), "new", runtime.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 10 {
		m, err := sub.Next(s.Ctx())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Type)+" "+string(m.Action))
		a := m.Actor.Attributes
		switch m.Action {
		case "die":
			if a["exitCode"] != "3" || a["execDuration"] != "0" || a["k"] != "v" || a["name"] != "g1" {
				t.Errorf("die %v", a)
			}
		case "rename":
			if a["oldName"] != "/g1" || a["name"] != "new" {
				t.Errorf("rename %v", a)
			}
		case "mount":
			if a["container"] != id || a["destination"] != "/data" || a["driver"] != "local" || a["read/write"] != "true" {
				t.Errorf("mount %v", a)
			}
		}
	}
	want := []string{"volume create", "container create", "volume mount", "network connect", "container start", "network disconnect", "volume unmount", "container die", "container rename", "container destroy"}
	if !slices.Equal(got, want) {
		t.Errorf("events %q", got)
	}
}

func TestHealth(t *testing.T) {
	s := open(t)
	sub, err := s.Events(s.Ctx(), runtime.EventsOptions{Filters: runtime.Filters{"event": {"health_status": true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for test, want := range map[string]container.HealthStatus{"true": container.Healthy, "false": container.Unhealthy} {
		id := s.Create(test, container.Config{Cmd: []string{"sleep", "1000"}, Healthcheck: &container.HealthConfig{
			Test: []string{"CMD", test}, Interval: 20 * time.Millisecond, Retries: 2}}, container.HostConfig{})
		s.Start(id)
		m, err := sub.Next(s.Ctx())
		if err != nil || string(m.Action) != "health_status: "+string(want) || m.Actor.ID != id {
			t.Errorf("event %+v, %v", m, err)
		}
		if h := s.State(id).Health; h == nil || h.Status != want || len(h.Log) == 0 {
			t.Errorf("health %+v", h)
		}
		if err := s.ContainerKill(s.Ctx(), id, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitersOfAClientThatLeft(t *testing.T) {
	s := open(t)
	id := s.Run("", "sleep", "1000")
	w := s.Waiting(id, container.WaitConditionNextExit)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Result(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("result: %v", err)
	}
}
