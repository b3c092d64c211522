package dockerapi

import (
	"context"
	"maps"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/runtime"
)

// makerLabel is on what a container has made by the engine's socket in it, with that container's id.
const makerLabel = "com.sockerless.maker"

// reaperLabel is on the image of testcontainers' reaper, which makes nothing and removes what its session has made: sessionLabels
// are on that, and on the reaper itself.
const reaperLabel = "org.testcontainers.ryuk"

var sessionLabels = []string{"org.testcontainers.session-id", "org.testcontainers.sessionId"}

// scope is the engine as a container has it by the engine's socket in it: there is nothing but what has its labels.
type scope struct {
	Engine
	own map[string]string
}

// scopeOf is the scope of a container: what it has made, or of a reaper what its session has made.
func scopeOf(ctx context.Context, engine Engine, id string) (*scope, error) {
	in, err := engine.ContainerInspect(ctx, id, false)
	if err != nil {
		return nil, err
	}
	own := map[string]string{}
	if labels := in.Config.Labels; labels[reaperLabel] == "true" {
		for _, key := range sessionLabels {
			if labels[key] != "" {
				own[key] = labels[key]
			}
		}
		if maker := labels[makerLabel]; maker != "" && len(own) > 0 { // a session in a container: no other's of that name
			own[makerLabel] = maker
		}
	}
	if len(own) == 0 {
		own[makerLabel] = in.ID
	}
	return &scope{engine, own}, nil
}

// has tells whether what has these labels is in the scope.
func (s *scope) has(labels map[string]string) bool {
	for key, value := range s.own {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// open are the endpoints that tell or change nothing of others.
var open = map[string]bool{
	"GET /_ping": true, "HEAD /_ping": true, "GET /version": true, "GET /info": true, "POST /auth": true, "GET /plugins": true,
	"GET /images/json": true, "POST /images/create": true, "GET /images/{name}/json": true, "GET /images/{name}/history": true,
	"GET /distribution/{name}/json": true,
	// These are limited by the methods of scope.
	"GET /events": true, "GET /containers/json": true, "POST /containers/create": true, "POST /containers/prune": true,
	"GET /networks": true, "GET /networks/": true, "POST /networks/create": true, "POST /networks/prune": true,
	"GET /volumes": true, "POST /volumes/create": true, "POST /volumes/prune": true, "POST /images/prune": true,
}

// admit lets a request to an endpoint pass or not, and returns what stands for the route's {name}.
func (s *scope) admit(ctx context.Context, r *route, name string) (string, error) {
	switch {
	case open[r.method+" "+r.path]:
		return name, nil
	case strings.HasPrefix(r.path, "/containers/{name}"):
		return s.container(ctx, name)
	case strings.HasPrefix(r.path, "/exec/{name}"):
		in, err := s.Engine.ExecInspect(ctx, name)
		if err == nil {
			_, err = s.container(ctx, in.ContainerID)
		}
		if err != nil {
			return "", errdefs.ErrNotFound.WithMessage("No such exec instance: " + name)
		}
		return name, nil
	case strings.HasPrefix(r.path, "/networks/{name}"):
		return s.network(ctx, name, r.method != "DELETE")
	case strings.HasPrefix(r.path, "/volumes/{name}") && r.method != "PUT":
		return name, s.volume(ctx, name)
	}
	return "", errdefs.ErrPermissionDenied.WithMessage(r.method + " " + r.path + " is not open to containers: by the socket in it a container has what it has made itself")
}

// container returns the id of a container that is in the scope.
func (s *scope) container(ctx context.Context, name string) (string, error) {
	in, err := s.Engine.ContainerInspect(ctx, name, false)
	if err == nil && !s.has(in.Config.Labels) {
		err = errdefs.ErrNotFound.WithMessage("No such container: " + name)
	}
	return in.ID, err
}

// network returns the id of a network that is in the scope; those of every engine are where they are only used.
func (s *scope) network(ctx context.Context, name string, use bool) (string, error) {
	in, err := s.Engine.NetworkInspect(ctx, name, "")
	predefined := in.Name == network.NetworkBridge || in.Name == network.NetworkNone
	if err == nil && !s.has(in.Labels) && !(use && predefined) {
		err = errdefs.ErrNotFound.WithMessage("network " + name + " not found")
	}
	return in.ID, err
}

func (s *scope) volume(ctx context.Context, name string) error {
	v, err := s.Engine.VolumeInspect(ctx, name)
	if err == nil && !s.has(v.Labels) {
		err = errdefs.ErrNotFound.WithMessage("get " + name + ": no such volume")
	}
	return err
}

// filters are filters with those of the scope.
func (s *scope) filters(f runtime.Filters) runtime.Filters {
	f = maps.Clone(f)
	if f == nil {
		f = runtime.Filters{}
	}
	f["label"] = maps.Clone(f["label"])
	if f["label"] == nil {
		f["label"] = map[string]bool{}
	}
	for key, value := range s.own {
		f["label"][key+"="+value] = true
	}
	return f
}

// labels are labels with those of the scope.
func (s *scope) labels(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, s.own)
	return labels
}

// Events are those of containers: what else has events has no labels in them.
func (s *scope) Events(ctx context.Context, opts runtime.EventsOptions) (Subscription, error) {
	opts.Filters = s.filters(opts.Filters)
	opts.Filters["type"] = map[string]bool{"container": true}
	return s.Engine.Events(ctx, opts)
}

// ContainerList lists those of the scope.
func (s *scope) ContainerList(ctx context.Context, opts runtime.ListOptions) ([]container.Summary, error) {
	opts.Filters = s.filters(opts.Filters)
	return s.Engine.ContainerList(ctx, opts)
}

// ContainerPrune removes those of the scope.
func (s *scope) ContainerPrune(ctx context.Context, f runtime.Filters) (container.PruneReport, error) {
	return s.Engine.ContainerPrune(ctx, s.filters(f))
}

// ContainerCreate makes a container that uses nothing of others.
func (s *scope) ContainerCreate(ctx context.Context, opts runtime.CreateOptions) (container.CreateResponse, error) {
	var none container.CreateResponse
	opts.Config.Labels = s.labels(opts.Config.Labels)
	h := opts.HostConfig
	if h.NetworkMode.IsHost() {
		return none, errdefs.ErrPermissionDenied.WithMessage("a container that is made from inside of another one cannot have the machine's network")
	}
	others := h.VolumesFrom
	if h.NetworkMode.IsContainer() {
		others = append(others[:len(others):len(others)], h.NetworkMode.ConnectedContainer())
	}
	for _, other := range others {
		name, _, _ := strings.Cut(other, ":")
		if _, err := s.container(ctx, name); err != nil {
			return none, err
		}
	}
	networks := map[string]bool{}
	if h.NetworkMode != "" && h.NetworkMode.IsUserDefined() {
		networks[string(h.NetworkMode)] = true
	}
	for name := range opts.Networking.EndpointsConfig {
		networks[name] = name != network.NetworkDefault
	}
	for name, asked := range networks {
		if !asked {
			continue
		}
		if _, err := s.network(ctx, name, true); err != nil {
			return none, err
		}
	}
	for _, bind := range h.Binds {
		if source, _, ok := strings.Cut(bind, ":"); ok && !strings.HasPrefix(source, "/") {
			if err := s.ensureVolume(ctx, source); err != nil {
				return none, err
			}
		}
	}
	for _, m := range h.Mounts {
		if m.Type == mount.TypeVolume && m.Source != "" {
			if err := s.ensureVolume(ctx, m.Source); err != nil {
				return none, err
			}
		}
	}
	return s.Engine.ContainerCreate(ctx, opts)
}

// ensureVolume makes a volume that a container names, unless it is there.
func (s *scope) ensureVolume(ctx context.Context, name string) error {
	if _, err := s.Engine.VolumeInspect(ctx, name); errdefs.IsNotFound(err) {
		_, err := s.VolumeCreate(ctx, volume.CreateRequest{Name: name})
		return err
	}
	return s.volume(ctx, name)
}

// NetworkList lists those of the scope.
func (s *scope) NetworkList(ctx context.Context, f runtime.Filters) ([]network.Inspect, error) {
	return s.Engine.NetworkList(ctx, s.filters(f))
}

// NetworkInspect does not tell who else is in a network.
func (s *scope) NetworkInspect(ctx context.Context, name, level string) (network.Inspect, error) {
	in, err := s.Engine.NetworkInspect(ctx, name, level)
	if !s.has(in.Labels) {
		in.Containers = map[string]network.EndpointResource{}
	}
	return in, err
}

// NetworkCreate makes a network of the scope.
func (s *scope) NetworkCreate(ctx context.Context, spec runtime.NetworkSpec) (network.CreateResponse, error) {
	spec.Labels = s.labels(spec.Labels)
	return s.Engine.NetworkCreate(ctx, spec)
}

// NetworkConnect connects a container of the scope.
func (s *scope) NetworkConnect(ctx context.Context, name, c string, settings *network.EndpointSettings) error {
	id, err := s.container(ctx, c)
	if err != nil {
		return err
	}
	return s.Engine.NetworkConnect(ctx, name, id, settings)
}

// NetworkDisconnect disconnects a container of the scope.
func (s *scope) NetworkDisconnect(ctx context.Context, name, c string, force bool) error {
	id, err := s.container(ctx, c)
	if err != nil {
		return err
	}
	return s.Engine.NetworkDisconnect(ctx, name, id, force)
}

// NetworkPrune removes those of the scope.
func (s *scope) NetworkPrune(ctx context.Context, f runtime.Filters) (network.PruneReport, error) {
	return s.Engine.NetworkPrune(ctx, s.filters(f))
}

// VolumeList lists those of the scope.
func (s *scope) VolumeList(ctx context.Context, f runtime.Filters) (volume.ListResponse, error) {
	return s.Engine.VolumeList(ctx, s.filters(f))
}

// VolumeCreate makes a volume of the scope.
func (s *scope) VolumeCreate(ctx context.Context, req volume.CreateRequest) (volume.Volume, error) {
	if _, err := s.Engine.VolumeInspect(ctx, req.Name); req.Name != "" && err == nil {
		if err := s.volume(ctx, req.Name); err != nil {
			return volume.Volume{}, errdefs.ErrConflict.WithMessage("create " + req.Name + ": the name is taken")
		}
	}
	req.Labels = s.labels(req.Labels)
	return s.Engine.VolumeCreate(ctx, req)
}

// VolumePrune removes those of the scope.
func (s *scope) VolumePrune(ctx context.Context, f runtime.Filters) (volume.PruneReport, error) {
	return s.Engine.VolumePrune(ctx, s.filters(f))
}

// ImagePrune removes those of the scope.
func (s *scope) ImagePrune(ctx context.Context, f runtime.Filters) (image.PruneReport, error) {
	return s.Engine.ImagePrune(ctx, s.filters(f))
}
