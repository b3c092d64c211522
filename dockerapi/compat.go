package dockerapi

import (
	"encoding/json"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/system"

	"github.com/sockerless/sockerless/runtime"
)

// change is one difference between versions in an answer: what clients before a version get otherwise than later ones. The
// types are those of moby/api 1.56, which have no fields that 1.52 dropped.
type change struct {
	before version
	answer string // of which endpoint, and what
	edit   func(v any, x *extra) any
}

// compat is the table of all differences in answers, the newest first (moby's api/docs/CHANGELOG.md). Requests differ where
// they are decoded: search for c.version.
var compat = []change{
	{52, "GET /containers/{name}/json: NetworkSettings has the addresses of the network bridge; Config.OnBuild", on(bridgeSettings)},
	{52, "GET /containers/json: no Health", on(func(list *[]container.Summary, _ *extra) {
		for i := range *list {
			(*list)[i].Health = nil
		}
	})},
	{52, "GET /system/df: containers have no Health", on(func(usage *runtime.DiskUsage, _ *extra) {
		for i := range usage.Containers {
			usage.Containers[i].Health = nil
		}
	})},
	{52, "GET /images/{name}/json: Author, Comment and Config's fields when they are empty", on(func(v *runtime.ImageInspection, x *extra) {
		x.add("Author", "").add("Comment", "")
		x.at("Config").add("Cmd", nil).add("Entrypoint", nil).add("Env", nil).add("Labels", nil).add("OnBuild", nil).
			add("User", "").add("Volumes", nil).add("WorkingDir", "")
	})},
	{52, "GET /events: status, id and from", on(func(m *events.Message, x *extra) {
		if m.Type != events.ContainerEventType && m.Type != events.ImageEventType {
			return
		}
		x.add("status", string(m.Action)).add("id", m.Actor.ID)
		if from := m.Actor.Attributes["image"]; from != "" && m.Type == events.ContainerEventType {
			x.add("from", from)
		}
	})},
	{52, "GET /info: KernelMemoryTCP", on(func(_ *system.Info, x *extra) { x.add("KernelMemoryTCP", false) })},
	{52, "POST /auth: IdentityToken when it is empty", on(func(_ *registry.AuthResponse, x *extra) { x.add("IdentityToken", "") })},

	{51, "GET /images/json: Containers is not counted", on(func(list *[]image.Summary, _ *extra) {
		for i := range *list {
			(*list)[i].Containers = -1
		}
	})},
	{50, "GET /info: BridgeNf…; no DiscoveredDevices", on(func(v *system.Info, x *extra) {
		x.add("BridgeNfIptables", false).add("BridgeNfIp6tables", false)
		v.DiscoveredDevices = nil
	})},
	{50, "GET /images/{name}/json: Config has a container's fields, empty", on(func(_ *runtime.ImageInspection, x *extra) {
		x.at("Config").add("Hostname", "").add("Domainname", "").add("Image", "").add("AttachStdin", false).add("AttachStdout", false).
			add("AttachStderr", false).add("Tty", false).add("OpenStdin", false).add("StdinOnce", false)
	})},
	{49, "GET /info: no FirewallBackend; AllowNondistributableArtifacts…, Expected commits", on(func(v *system.Info, x *extra) {
		v.FirewallBackend = nil
		x.at("RegistryConfig").add("AllowNondistributableArtifactsCIDRs", []string{}).add("AllowNondistributableArtifactsHostnames", []string{})
		x.at("ContainerdCommit").add("Expected", v.ContainerdCommit.ID)
		x.at("RuncCommit").add("Expected", v.RuncCommit.ID)
		x.at("InitCommit").add("Expected", v.InitCommit.ID)
	})},
	{48, "GET /containers/{name}/json: no ImageManifestDescriptor", on(func(v *container.InspectResponse, _ *extra) { v.ImageManifestDescriptor = nil })},
	{48, "GET /containers/json: no ImageManifestDescriptor", on(func(list *[]container.Summary, _ *extra) {
		for i := range *list {
			(*list)[i].ImageManifestDescriptor = nil
		}
	})},
	{48, "GET /images/{name}/json: no Descriptor", on(func(v *runtime.ImageInspection, _ *extra) { v.Descriptor, v.Manifests = nil, nil })},
	{48, "GET /images/json: no Descriptor", on(func(list *[]image.Summary, _ *extra) {
		for i := range *list {
			(*list)[i].Descriptor = nil
		}
	})},
	{47, "GET /images/json: no Manifests", on(func(list *[]image.Summary, _ *extra) {
		for i := range *list {
			(*list)[i].Manifests = nil
		}
	})},
	{46, "GET /info: no Containerd", on(func(v *system.Info, _ *extra) { v.Containerd = nil })},
	{45, "GET /images/{name}/json: ContainerConfig, empty", on(func(_ *runtime.ImageInspection, x *extra) {
		x.add("ContainerConfig", container.Config{})
	})},
	{45, "GET /containers/{name}/json: Aliases have the short id", on(shortIDAlias)},
	{44, "GET /images/{name}/json: VirtualSize", on(func(v *runtime.ImageInspection, x *extra) { x.add("VirtualSize", v.Size) })},
	{44, "GET /images/json: VirtualSize", on(func(list *[]image.Summary, x *extra) {
		for i, img := range *list {
			x.at(strconv.Itoa(i)).add("VirtualSize", img.Size)
		}
	})},
	{44, "GET /system/df: VirtualSize", on(func(usage *runtime.DiskUsage, x *extra) {
		for i, img := range usage.Images {
			x.at("Images").at(strconv.Itoa(i)).add("VirtualSize", img.Size)
		}
	})},
	{43, "GET /images/json: <none> for an image without a name; no empty lists", on(func(list *[]image.Summary, _ *extra) {
		for i := range *list {
			switch img := &(*list)[i]; {
			case len(img.RepoTags) == 0 && len(img.RepoDigests) == 0:
				img.RepoTags, img.RepoDigests = []string{"<none>:<none>"}, []string{"<none>@<none>"}
			case len(img.RepoTags) == 0:
				img.RepoTags = nil
			case len(img.RepoDigests) == 0:
				img.RepoDigests = nil
			}
		}
	})},
}

// bridgeSettings adds what NetworkSettings had since before there were several networks: a copy of the default one's.
func bridgeSettings(v *container.InspectResponse, x *extra) {
	x.at("Config").add("OnBuild", nil)
	var bridge network.EndpointSettings
	if v.NetworkSettings != nil && v.NetworkSettings.Networks["bridge"] != nil {
		bridge = *v.NetworkSettings.Networks["bridge"]
	}
	x.at("NetworkSettings").
		add("Bridge", "").add("HairpinMode", false).
		add("LinkLocalIPv6Address", "").add("LinkLocalIPv6PrefixLen", 0).
		add("SecondaryIPAddresses", nil).add("SecondaryIPv6Addresses", nil).
		add("EndpointID", bridge.EndpointID).add("MacAddress", bridge.MacAddress.String()).
		add("Gateway", address(bridge.Gateway)).add("IPAddress", address(bridge.IPAddress)).add("IPPrefixLen", bridge.IPPrefixLen).
		add("IPv6Gateway", address(bridge.IPv6Gateway)).add("GlobalIPv6Address", address(bridge.GlobalIPv6Address)).
		add("GlobalIPv6PrefixLen", bridge.GlobalIPv6PrefixLen)
}

// address is an address as JSON has it: nothing for none.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func shortIDAlias(v *container.InspectResponse, _ *extra) {
	if v.NetworkSettings == nil || len(v.ID) < 12 {
		return
	}
	networks := make(map[string]*network.EndpointSettings, len(v.NetworkSettings.Networks))
	for name, endpoint := range v.NetworkSettings.Networks {
		if endpoint != nil && container.NetworkMode(name).IsUserDefined() {
			endpoint = endpoint.Copy()
			endpoint.Aliases = append(endpoint.Aliases, v.ID[:12])
		}
		networks[name] = endpoint
	}
	settings := *v.NetworkSettings
	settings.Networks = networks
	v.NetworkSettings = &settings
}

// on makes an edit of one type's answers.
func on[T any](f func(v *T, x *extra)) func(any, *extra) any {
	return func(v any, x *extra) any {
		t, ok := v.(T)
		if !ok {
			return v
		}
		f(&t, x)
		return t
	}
}

// encodeFor is encode for a client of version v.
func encodeFor(v version, answer any) ([]byte, error) {
	var x extra
	for _, c := range compat {
		if c.before <= v {
			break
		}
		answer = c.edit(answer, &x)
	}
	if x.empty() {
		return encode(answer)
	}
	raw, err := encode(answer)
	if err != nil {
		return nil, err
	}
	return encode(merged{raw, &x})
}

// extra holds fields that are added to an encoded answer where it does not have them.
type extra struct {
	fields map[string]any
	under  map[string]*extra // by field, or by index
}

func (x *extra) empty() bool { return x.fields == nil && x.under == nil }

// add gives the object a field, and returns x.
func (x *extra) add(name string, value any) *extra {
	if x.fields == nil {
		x.fields = map[string]any{}
	}
	x.fields[name] = value
	return x
}

// at is the object in a field, or at an index of a list.
func (x *extra) at(name string) *extra {
	if x.under == nil {
		x.under = map[string]*extra{}
	}
	if x.under[name] == nil {
		x.under[name] = &extra{}
	}
	return x.under[name]
}

// merged is an encoded value with its extra fields.
type merged struct {
	raw json.RawMessage
	x   *extra
}

func (m merged) MarshalJSON() ([]byte, error) {
	switch {
	case len(m.raw) > 0 && m.raw[0] == '{':
		var object map[string]json.RawMessage
		if err := json.Unmarshal(m.raw, &object); err != nil {
			return nil, err
		}
		all := make(map[string]any, len(object)+len(m.x.fields))
		for name, value := range m.x.fields {
			all[name] = value
		}
		for name, value := range object {
			all[name] = value
			if under := m.x.under[name]; under != nil {
				all[name] = merged{value, under}
			}
		}
		return encode(all)
	case len(m.raw) > 0 && m.raw[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(m.raw, &list); err != nil {
			return nil, err
		}
		all := make([]any, len(list))
		for i, value := range list {
			all[i] = value
			if under := m.x.under[strconv.Itoa(i)]; under != nil {
				all[i] = merged{value, under}
			}
		}
		return encode(all)
	}
	return m.raw, nil
}
