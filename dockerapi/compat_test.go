package dockerapi

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/system"

	"github.com/sockerless/sockerless/runtime"
)

// encoded is an answer as a client of version v gets it.
func encoded(t *testing.T, v version, answer any) map[string]any {
	t.Helper()
	b, err := encodeFor(v, answer)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return m
}

// at follows a path of field names.
func at(m map[string]any, path string) (v any, ok bool) {
	v = m
	for name := range strings.SplitSeq(path, ".") {
		object, isObject := v.(map[string]any)
		if !isObject {
			return nil, false
		}
		if v, ok = object[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// Each field is there from one version to another.
func TestFieldsByVersion(t *testing.T) {
	id := strings.Repeat("0123456789ab", 5) + "0123"
	endpoint := &network.EndpointSettings{EndpointID: "ep", IPAddress: netip.MustParseAddr("172.25.0.2"), IPPrefixLen: 16, MacAddress: network.HardwareAddr{1, 2, 3, 4, 5, 6}}
	inspect := container.InspectResponse{ID: id, Config: &container.Config{}, NetworkSettings: &container.NetworkSettings{
		Networks: map[string]*network.EndpointSettings{"bridge": endpoint, "mine": {Aliases: []string{"a"}}},
	}}
	img := runtime.ImageInspection{InspectResponse: image.InspectResponse{ID: "i", Size: 7}}
	for _, test := range []struct {
		answer   any
		path     string
		value    any // nil: any
		from, to version
	}{
		{inspect, "NetworkSettings.IPAddress", "172.25.0.2", 24, 51},
		{inspect, "NetworkSettings.MacAddress", "01:02:03:04:05:06", 24, 51},
		{inspect, "NetworkSettings.EndpointID", "ep", 24, 51},
		{inspect, "NetworkSettings.IPPrefixLen", 16.0, 24, 51},
		{inspect, "NetworkSettings.Gateway", "", 24, 51},
		{inspect, "NetworkSettings.HairpinMode", false, 24, 51},
		{inspect, "NetworkSettings.SecondaryIPAddresses", nil, 24, 51},
		{inspect, "Config.OnBuild", nil, 24, 51},
		{inspect, "NetworkSettings.Networks.bridge.IPAddress", "172.25.0.2", 24, 52},
		{img, "Author", "", 24, 51},
		{img, "Parent", "", 24, 52},
		{img, "ContainerConfig.Hostname", "", 24, 44},
		{img, "VirtualSize", 7.0, 24, 43},
		{system.Info{ContainerdCommit: system.Commit{ID: "x"}, Containerd: &system.ContainerdInfo{}}, "ContainerdCommit.Expected", "x", 24, 48},
		{system.Info{}, "KernelMemoryTCP", false, 24, 51},
		{system.Info{}, "BridgeNfIptables", false, 24, 49},
		{system.Info{Containerd: &system.ContainerdInfo{}}, "Containerd", nil, 46, 52},
		{system.Info{FirewallBackend: &system.FirewallInfo{}}, "FirewallBackend", nil, 49, 52},
		{registry.AuthResponse{Status: "ok"}, "IdentityToken", "", 24, 51},
	} {
		for v := version(24); v <= 52; v++ {
			got, ok := at(encoded(t, v, test.answer), test.path)
			if ok != (test.from <= v && v <= test.to) || ok && test.value != nil && got != test.value {
				t.Errorf("%s in %s: %v %v", test.path, v, ok, got)
			}
		}
	}
	for v, want := range map[version]int{44: 2, 45: 1} {
		aliases, _ := at(encoded(t, v, inspect), "NetworkSettings.Networks.mine.Aliases")
		if len(aliases.([]any)) != want {
			t.Errorf("aliases in %s: %v", v, aliases)
		}
	}
	if len(inspect.NetworkSettings.Networks["mine"].Aliases) != 1 {
		t.Error("the engine's own record was changed")
	}
}

func TestListsByVersion(t *testing.T) {
	list := []image.Summary{{ID: "a", Size: 1, RepoTags: []string{"x:y"}}, {ID: "b", Size: 2, RepoTags: []string{}, RepoDigests: []string{}}}
	for v, want := range map[version]string{51: `"RepoTags":[]`, 43: `"VirtualSize":2`, 42: `"<none>:<none>"`} {
		b, err := encodeFor(v, slices.Clone(list))
		if err != nil || !strings.Contains(string(b), want) || strings.Contains(string(b), "VirtualSize") != (v < 44) || strings.Contains(string(b), "<none>") != (v < 43) {
			t.Errorf("%s: %s %v", v, b, err)
		}
	}
	b, err := encodeFor(51, []container.Summary{{ID: "a", Health: &container.HealthSummary{}}})
	if err != nil || strings.Contains(string(b), `"Health"`) {
		t.Errorf("%s %v", b, err)
	}
	if b, err := encodeFor(51, []container.Summary{}); err != nil || string(b) != "[]\n" {
		t.Errorf("%q %v", b, err)
	}
}

// The fields that dockerd 28 was recorded with, for a container and for an image, at 1.51.
func TestFieldsAsRecorded(t *testing.T) {
	settings := encoded(t, 51, container.InspectResponse{Config: &container.Config{}, NetworkSettings: &container.NetworkSettings{}})["NetworkSettings"].(map[string]any)
	want := strings.Fields("Bridge EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen HairpinMode IPAddress IPPrefixLen IPv6Gateway LinkLocalIPv6Address " +
		"LinkLocalIPv6PrefixLen MacAddress Networks Ports SandboxID SandboxKey SecondaryIPAddresses SecondaryIPv6Addresses")
	if got := slices.Sorted(maps.Keys(settings)); !slices.Equal(got, want) {
		t.Errorf("NetworkSettings has %v", got)
	}
	config, ok := encoded(t, 51, runtime.ImageInspection{InspectResponse: image.InspectResponse{Config: &dockerspec.DockerOCIImageConfig{}}})["Config"].(map[string]any)
	want = strings.Fields("Cmd Entrypoint Env Labels OnBuild User Volumes WorkingDir")
	if got := slices.Sorted(maps.Keys(config)); !ok || !slices.Equal(got, want) {
		t.Errorf("an image's Config has %v", got)
	}
}

// TestImageListByVersion has what dockerd 28.5 answers to clients of each version.
func TestImageListByVersion(t *testing.T) {
	for _, test := range []struct {
		version version
		want    string
	}{
		{42, `"Containers":-1 "RepoTags":["a:1"] "RepoDigests":null "RepoTags":["<none>:<none>"] "RepoDigests":["<none>@<none>"]`},
		{43, `"Containers":-1 "RepoTags":["a:1"] "RepoDigests":[] "RepoTags":[] "RepoDigests":[]`},
		{50, `"Containers":-1 "RepoTags":["a:1"] "RepoDigests":[] "RepoTags":[] "RepoDigests":[]`},
		{51, `"Containers":3 "RepoTags":["a:1"] "RepoDigests":[] "RepoTags":[] "RepoDigests":[]`},
	} {
		list := []image.Summary{{RepoTags: []string{"a:1"}, RepoDigests: []string{}, Containers: 3}, {RepoTags: []string{}, RepoDigests: []string{}}}
		body, err := encodeFor(test.version, list)
		if err != nil {
			t.Fatal(err)
		}
		var got []map[string]json.RawMessage
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		text := `"Containers":` + string(got[0]["Containers"])
		for _, img := range got {
			text += ` "RepoTags":` + string(img["RepoTags"]) + ` "RepoDigests":` + string(img["RepoDigests"])
		}
		if text != test.want {
			t.Errorf("%s: %s\nwant %s", test.version, text, test.want)
		}
	}
}
