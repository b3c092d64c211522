package runtime

import (
	"slices"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	types "github.com/moby/moby/api/types/container"
)

func TestCommandOfImageAndUser(t *testing.T) {
	for _, test := range []struct {
		name                                     string
		userEntry, userCmd, imageEntry, imageCmd []string
		wantEntry, wantCmd                       []string
	}{
		{"nothing given", nil, nil, []string{"e"}, []string{"c"}, []string{"e"}, []string{"c"}},
		{"command given", nil, []string{"x"}, []string{"e"}, []string{"c"}, []string{"e"}, []string{"x"}},
		{"entry point given", []string{"n"}, nil, []string{"e"}, []string{"c"}, []string{"n"}, nil},
		{"both given", []string{"n"}, []string{"x"}, []string{"e"}, []string{"c"}, []string{"n"}, []string{"x"}},
		{"entry point reset", []string{""}, []string{"x"}, []string{"e"}, []string{"c"}, nil, []string{"x"}},
	} {
		user := &types.Config{Entrypoint: test.userEntry, Cmd: test.userCmd}
		var image dockerspec.DockerOCIImageConfig
		image.Entrypoint, image.Cmd = test.imageEntry, test.imageCmd
		mergeConfig(user, image)
		if !slices.Equal(user.Entrypoint, test.wantEntry) || !slices.Equal(user.Cmd, test.wantCmd) {
			t.Errorf("%s: entry point %q, command %q", test.name, user.Entrypoint, user.Cmd)
		}
	}
}

func TestConfigOfImageFillsIn(t *testing.T) {
	user := &types.Config{Env: []string{"A=user"}, Labels: map[string]string{"k": "user"}, WorkingDir: "/a/../b/"}
	var image dockerspec.DockerOCIImageConfig
	image.Env = []string{"A=image", "B=image"}
	image.Labels = map[string]string{"k": "image", "l": "image"}
	image.User, image.WorkingDir, image.StopSignal = "nobody", "/image", "SIGINT"
	image.Volumes = map[string]struct{}{"/data": {}}
	image.ExposedPorts = map[string]struct{}{"80/tcp": {}, "53/udp": {}}
	mergeConfig(user, image)
	if !slices.Equal(user.Env, []string{"A=user", "B=image"}) {
		t.Errorf("env %q", user.Env)
	}
	if user.Labels["k"] != "user" || user.Labels["l"] != "image" || image.Labels["k"] != "image" {
		t.Errorf("labels %v, of the image %v", user.Labels, image.Labels)
	}
	if user.User != "nobody" || user.WorkingDir != "/b" || user.StopSignal != "SIGINT" || len(user.Volumes) != 1 || len(user.ExposedPorts) != 2 {
		t.Errorf("merged %+v", user)
	}
}

func TestEnvironment(t *testing.T) {
	got := overrideEnv(environment("host", true, []string{"PATH=/bin", "A=1"}), []string{"A=2", "TERM", "B=3"})
	want := []string{"PATH=/bin", "HOSTNAME=host", "A=2", "B=3"}
	if !slices.Equal(got, want) {
		t.Errorf("have %q, want %q", got, want)
	}
}

func TestSignals(t *testing.T) {
	for name, want := range map[string]int{"9": 9, "KILL": 9, "SIGTERM": 15, "sigint": 2, "RTMIN+3": 37, "SIGRTMAX-1": 63, "rtmin": 34} {
		if n, err := parseSignal(name); err != nil || n != want {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	for _, bad := range []string{"BOGUS", "0", "65", "-1", "", "RTMIN+40"} {
		if _, err := parseSignal(bad); err == nil || err.Error() != "invalid signal: "+bad {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRandomNames(t *testing.T) {
	for range 1000 {
		if name := randomName(); !containerName.MatchString(name) {
			t.Fatalf("%q is no name", name)
		}
	}
}
