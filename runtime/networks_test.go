package runtime_test

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/runtime"
)

func TestNetworks(t *testing.T) {
	s := open(t)
	for _, test := range []struct {
		filters string
		names   []string
	}{
		{"", []string{"none", "host", "bridge"}},
		{`{"driver":["null","bridge"]}`, []string{"none", "bridge"}},
		{`{"name":["^ho"]}`, []string{"host"}},
		{`{"type":["custom"]}`, nil},
		{`{"type":["builtin"],"scope":["swarm"]}`, nil},
		{`{"dangling":["true"]}`, nil},
		{`{"label":["x"]}`, nil},
	} {
		f, err := runtime.ParseFilters(test.filters)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.NetworkList(s.Ctx(), f)
		var names []string
		for _, n := range list {
			names = append(names, n.Name)
		}
		if err != nil || !slices.Equal(names, test.names) {
			t.Errorf("%s: %q %v, want %q", test.filters, names, err, test.names)
		}
	}
	_, err := s.NetworkList(s.Ctx(), runtime.Filters{"zz": {"x": true}})
	expect(t, "filter", err, 400, "invalid filter 'zz'")
	_, err = s.NetworkInspect(s.Ctx(), "nosuch", "")
	expect(t, "inspect", err, 404, "network nosuch not found")
	_, err = s.NetworkInspect(s.Ctx(), "bridge", "swarm")
	expect(t, "inspect", err, 404, "network bridge not found")
	expect(t, "remove", s.NetworkRemove(s.Ctx(), "host"), 403, "host is a pre-defined network and cannot be removed")

	// The docker command asks for the network "default".
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{
		Name: "c", Config: &container.Config{Image: "sockerless/base", Cmd: []string{"sleep", "1000"}},
		HostConfig: &container.HostConfig{NetworkMode: "default"},
		Networking: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"default": {}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Create("stopped", container.Config{Cmd: []string{"true"}}, container.HostConfig{})
	s.Start(created.ID)
	bridge, err := s.NetworkInspect(s.Ctx(), "bridge", "local")
	if err != nil || len(bridge.Containers) != 1 || bridge.Containers[created.ID].Name != "c" {
		t.Errorf("%+v %v", bridge, err)
	}
	if again, err := s.NetworkInspect(s.Ctx(), bridge.ID[:12], ""); err != nil || again.ID != bridge.ID {
		t.Errorf("by the beginning of its id: %+v %v", again, err)
	}
}
