package runtime_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errhttp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/store/image"
)

func open(t *testing.T) *runtimetest.Server {
	return runtimetest.Open(t, t.TempDir(), runtimetest.NewFake(t).Backend(t))
}

var ids = regexp.MustCompile(`[0-9a-f]{64}`)

// expect compares an error with what dockerd answers, ids aside.
func expect(t *testing.T, what string, err error, status int, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", what, text)
		return
	}
	if got := ids.ReplaceAllString(err.Error(), "ID"); got != text {
		t.Errorf("%s: %q, want %q", what, got, text)
	}
	if got := errhttp.ToHTTP(err); got != status {
		t.Errorf("%s: status %d, want %d", what, got, status)
	}
}

func TestCreateIsRefused(t *testing.T) {
	s := open(t)
	s.Create("g1", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	missing := filepath.Join(t.TempDir(), "missing")
	for _, test := range []struct {
		name   string
		create string
		config *container.Config
		host   container.HostConfig
		status int
		text   string
	}{
		{"no config", "", nil, container.HostConfig{}, 400, "config cannot be empty in order to create a container"},
		{"name is taken", "g1", &container.Config{}, container.HostConfig{}, 409,
			`Conflict. The container name "/g1" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse that name.`},
		{"no image", "", &container.Config{Image: "nosuch:1"}, container.HostConfig{}, 404, "No such image: nosuch:1"},
		{"bad name", "a/b", &container.Config{}, container.HostConfig{}, 400, "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"},
		{"too little memory", "", &container.Config{}, container.HostConfig{Resources: container.Resources{Memory: 1024}}, 400, "Minimum memory limit allowed is 6MB"},
		{"relative target", "", &container.Config{}, container.HostConfig{Binds: []string{"/nosuch:relative"}}, 500,
			`invalid volume specification: '/nosuch:relative': invalid mount config for type "bind": invalid mount path: 'relative' mount path must be absolute`},
		{"missing source", "", &container.Config{}, container.HostConfig{Mounts: []mount.Mount{{Type: "bind", Source: missing, Target: "/m"}}}, 400,
			`invalid mount config for type "bind": bind source path does not exist: ` + missing},
		{"two at one place", "", &container.Config{}, container.HostConfig{Binds: []string{"v1:/m", "v2:/m/"}}, 400, "Duplicate mount point: /m"},
		{"relative folder", "", &container.Config{WorkingDir: "tmp"}, container.HostConfig{}, 400,
			"the working directory 'tmp' is invalid, it needs to be an absolute path"},
		{"--rm with restart", "", &container.Config{}, container.HostConfig{AutoRemove: true, RestartPolicy: container.RestartPolicy{Name: "always"}}, 400,
			"can't create 'AutoRemove' container with restart policy"},
		{"restart policy", "", &container.Config{}, container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "bogus"}}, 400,
			"invalid restart policy: unknown policy 'bogus'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"},
		{"signal", "", &container.Config{StopSignal: "BOGUS"}, container.HostConfig{}, 400, "invalid signal: BOGUS"},
		{"GPU", "", &container.Config{}, container.HostConfig{Resources: container.Resources{DeviceRequests: []container.DeviceRequest{{Count: -1}}}}, 501,
			"HostConfig.DeviceRequests is not supported: the sandbox has no GPUs or other devices of the host"},
		{"log driver", "", &container.Config{}, container.HostConfig{LogConfig: container.LogConfig{Type: "syslog"}}, 400,
			"logger: no log driver named 'syslog' is registered"},
	} {
		if test.config != nil && test.config.Image == "" {
			test.config.Image, test.config.Cmd = image.BaseName, []string{"true"}
		}
		_, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{Name: test.create, Config: test.config, HostConfig: &test.host})
		expect(t, test.name, err, test.status, test.text)
	}
	list, err := s.ContainerList(s.Ctx(), runtime.ListOptions{All: true})
	if err != nil || len(list) != 1 {
		t.Errorf("%d containers are left, %v", len(list), err)
	}
}

func TestInspectOfACreatedContainer(t *testing.T) {
	s := open(t)
	id := s.Create("g1", container.Config{Cmd: []string{"sh", "-c", "exit 3"}, Labels: map[string]string{"k": "v"}, ExposedPorts: network.PortSet{network.MustParsePort("80"): {}}},
		container.HostConfig{Binds: []string{"vol1:/data"}, Resources: container.Resources{Memory: 64 << 20}})
	in, err := s.ContainerInspect(s.Ctx(), "g1", true)
	if err != nil {
		t.Fatal(err)
	}
	h := in.HostConfig
	if in.ID != id || in.Path != "sh" || len(in.Args) != 2 || in.Name != "/g1" || in.Config.Hostname != id[:12] || in.ExecIDs != nil ||
		in.State.Status != "created" || in.State.StartedAt != "0001-01-01T00:00:00Z" || in.State.FinishedAt != "0001-01-01T00:00:00Z" {
		t.Errorf("inspect %+v, state %+v", in, in.State)
	}
	if h.NetworkMode != "bridge" || h.RestartPolicy.Name != "no" || h.ShmSize != 64<<20 || h.MemorySwap != 128<<20 || h.LogConfig.Type != "json-file" ||
		h.IpcMode != "private" || len(h.MaskedPaths) == 0 || *h.OomKillDisable {
		t.Errorf("host config %+v", h)
	}
	if len(in.Mounts) != 1 || in.Mounts[0].Name != "vol1" || in.Mounts[0].Mode != "z" || in.Mounts[0].Driver != "local" || !in.Mounts[0].RW {
		t.Errorf("mounts %+v", in.Mounts)
	}
	if in.NetworkSettings.Networks["bridge"] == nil || in.SizeRw == nil || *in.SizeRootFs == 0 {
		t.Errorf("networks %v, sizes %v %v", in.NetworkSettings.Networks, in.SizeRw, in.SizeRootFs)
	}
}

func TestPublishedPortsOfHostAreWarnedOf(t *testing.T) {
	s := open(t)
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{
		Config:     &container.Config{Image: image.BaseName, Cmd: []string{"true"}},
		HostConfig: &container.HostConfig{NetworkMode: "host", PortBindings: network.PortMap{network.MustParsePort("80"): {{HostPort: "8080"}}}},
	})
	if err != nil || len(created.Warnings) != 1 || created.Warnings[0] != "Published ports are discarded when using host network mode" {
		t.Errorf("warnings %q, %v", created.Warnings, err)
	}
}

func TestWhatHasNoEffectIsWarnedOf(t *testing.T) {
	s := open(t)
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{
		Config:     &container.Config{Image: image.BaseName, Cmd: []string{"true"}},
		HostConfig: &container.HostConfig{CapAdd: []string{"KILL"}, Resources: container.Resources{CPUShares: 2}},
	})
	if want := []string{"CapAdd has no effect in the sandbox.", "CPUShares has no effect."}; err != nil || !slices.Equal(created.Warnings, want) {
		t.Errorf("warnings %q, want %q, %v", created.Warnings, want, err)
	}
}

func TestUnknownNetworkFailsAtStart(t *testing.T) {
	s := open(t)
	s.Create("badnet", container.Config{Cmd: []string{"true"}}, container.HostConfig{NetworkMode: "nosuchnet"})
	err := s.ContainerStart(s.Ctx(), "badnet", runtime.StartOptions{})
	expect(t, "start", err, http.StatusNotFound, "failed to set up container networking: network nosuchnet not found")
	if st := s.State("badnet"); st.Status != "created" || st.ExitCode != 128 {
		t.Errorf("state %+v", st)
	}
}

func TestReferences(t *testing.T) {
	s := open(t)
	var all []string
	for range 20 { // so many that two ids begin with the same digit
		all = append(all, s.Create("", container.Config{Cmd: []string{"true"}}, container.HostConfig{}))
	}
	for _, ref := range []string{all[0], all[0][:12]} {
		if in, err := s.ContainerInspect(s.Ctx(), ref, false); err != nil || in.ID != all[0] {
			t.Errorf("%s: %s, %v", ref, in.ID, err)
		}
	}
	seen := map[byte]bool{}
	for _, id := range all {
		if seen[id[0]] {
			_, err := s.ContainerInspect(s.Ctx(), id[:1], false)
			expect(t, "ambiguous", err, http.StatusBadRequest, "Multiple IDs found with provided prefix: "+id[:1])
			break
		}
		seen[id[0]] = true
	}
	_, err := s.ContainerInspect(s.Ctx(), "nosuch", false)
	expect(t, "unknown", err, http.StatusNotFound, "No such container: nosuch")
}

func TestRename(t *testing.T) {
	s := open(t)
	id := s.Create("g1", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	s.Create("g2", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	expect(t, "to a taken name", s.ContainerRename(s.Ctx(), "g1", "g2"), http.StatusConflict,
		`Error when allocating new name: Conflict. The container name "/g2" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse that name.`)
	expect(t, "to its own name", s.ContainerRename(s.Ctx(), "g1", "g1"), http.StatusBadRequest, "Renaming a container with the same name as its current name")
	if err := s.ContainerRename(s.Ctx(), "g1", "new"); err != nil {
		t.Fatal(err)
	}
	if in, err := s.ContainerInspect(s.Ctx(), "new", false); err != nil || in.ID != id || in.Name != "/new" {
		t.Errorf("%s, %v", in.Name, err)
	}
	s.Create("g1", container.Config{Cmd: []string{"true"}}, container.HostConfig{}) // the old name is free
}

func TestRemove(t *testing.T) {
	s := open(t)
	id := s.Run("g2", "sleep", "1000")
	expect(t, "running", s.ContainerRemove(s.Ctx(), "g2", runtime.RemoveOptions{}), http.StatusConflict,
		`cannot remove container "g2": container is running: stop the container before removing or force remove`)
	removed := s.Waiting(id, container.WaitConditionRemoved)
	if err := s.ContainerRemove(s.Ctx(), "g2", runtime.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if code := s.Code(removed); code != 137 {
		t.Errorf("exit code %d", code)
	}
	expect(t, "again", s.ContainerRemove(s.Ctx(), "g2", runtime.RemoveOptions{}), http.StatusNotFound, "No such container: g2")
}

func TestPauseTexts(t *testing.T) {
	s := open(t)
	id := s.Run("g2", "sleep", "1000")
	if err := s.ContainerPause(s.Ctx(), "g2"); err != nil {
		t.Fatal(err)
	}
	if st := s.State(id); !st.Paused || !st.Running || st.Status != "paused" {
		t.Errorf("state %+v", st)
	}
	expect(t, "pause again", s.ContainerPause(s.Ctx(), "g2"), http.StatusConflict, "Container ID is already paused")
	expect(t, "start", s.ContainerStart(s.Ctx(), "g2", runtime.StartOptions{}), http.StatusConflict, "cannot start a paused container, try unpause instead")
	if err := s.ContainerUnpause(s.Ctx(), "g2"); err != nil {
		t.Fatal(err)
	}
	expect(t, "unpause again", s.ContainerUnpause(s.Ctx(), "g2"), http.StatusConflict, "Container ID is not paused")
	expect(t, "bad signal", s.ContainerKill(s.Ctx(), "g2", "BOGUS"), http.StatusBadRequest, "invalid signal: BOGUS")
}

func TestImageInUse(t *testing.T) {
	s := open(t)
	if err := s.ImageTag(s.Ctx(), image.BaseName, "bb", "latest"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ImageRemove(s.Ctx(), image.BaseName, runtime.ImageRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{Config: &container.Config{Image: "bb", Cmd: []string{"true"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ImageRemove(s.Ctx(), "bb:latest", runtime.ImageRemoveOptions{})
	if !errdefs.IsConflict(err) || !strings.Contains(err.Error(), "container "+created.ID[:12]+" is using its referenced image") {
		t.Errorf("remove: %v", err)
	}
	list, err := s.ImageList(s.Ctx(), runtime.ImageListOptions{Filters: runtime.Filters{"reference": {"b*": true}}})
	if err != nil || len(list) != 1 || list[0].Containers != 1 || list[0].RepoTags[0] != "bb:latest" {
		t.Errorf("list %+v, %v", list, err)
	}
	if _, err := s.ImageInspect(s.Ctx(), "nosuch:1", ""); !errors.Is(err, errdefs.ErrNotFound) || err.Error() != "No such image: nosuch:1" {
		t.Errorf("inspect: %v", err)
	}
}
