package runtime

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
	"weak"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"

	imagestore "github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
)

// CreateOptions of [Engine.ContainerCreate]. The engine keeps and changes what they point to.
type CreateOptions struct {
	Name       string // empty: a random one
	Platform   string // os[/arch[/variant]] that the image must have; empty: any
	Config     *types.Config
	HostConfig *types.HostConfig
	Networking *network.NetworkingConfig
}

// ContainerCreate makes a container. Errors: errdefs.ErrInvalidArgument, ErrNotFound (image), ErrConflict (name),
// ErrNotImplemented for an option that would change the result and that no backend has.
func (e *Engine) ContainerCreate(ctx context.Context, opts CreateOptions) (types.CreateResponse, error) {
	var none types.CreateResponse
	if opts.Config == nil {
		return none, invalid("config cannot be empty in order to create a container")
	}
	if opts.HostConfig == nil {
		opts.HostConfig = &types.HostConfig{}
	}
	if err := verify(opts.Config, opts.HostConfig); err != nil {
		return none, err
	}
	img, release, err := e.cfg.Images.Acquire(opts.Config.Image)
	if err != nil {
		return none, err
	}
	defer release()
	if err := checkPlatform(opts, img); err != nil {
		return none, err
	}
	mergeConfig(opts.Config, img.Spec.Config)
	if len(opts.Config.Entrypoint) == 0 && len(opts.Config.Cmd) == 0 {
		return none, invalid("no command specified")
	}
	id, err := randomID()
	if err != nil {
		return none, err
	}
	d := define(id, opts, img)
	if err := e.settleNetworks(d); err != nil {
		return none, err
	}
	e.volumes.use.RLock()
	defer e.volumes.use.RUnlock()
	created, err := e.planMounts(ctx, d)
	if err != nil {
		return none, err
	}
	name, err := e.reserve(id, opts.Name)
	if err != nil {
		return none, err
	}
	c := &container{id: id, cached: weak.Make(d)}
	c.listed.Store(e.newRow(d))
	c.current.Store(&record{
		Name: name, Created: time.Now().UTC(), Image: opts.Config.Image, ImageID: img.ID.String(), Status: types.StateCreated,
		Volumes: d.volumeNames(),
	})
	place, err := e.checkPlace(ctx, c, d)
	if err == nil {
		err = e.storeNew(ctx, c, d, created)
	}
	if err != nil {
		e.release(name, id)
		return none, err
	}
	e.mu.Lock()
	e.containers[id] = c
	e.mu.Unlock()
	for _, v := range created {
		e.volumes.add(v)
		e.volumeEvent(events.ActionCreate, v.Name)
	}
	e.containerEvent(c, d, events.ActionCreate)
	return types.CreateResponse{ID: id, Warnings: warn(d.HostConfig, place)}, nil
}

// storeNew writes a container and the volumes that it brings, in one batch.
func (e *Engine) storeNew(ctx context.Context, c *container, d *definition, created []*volume) error {
	put, err := c.put(c.record())
	if err != nil {
		return err
	}
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	changes := []state.Change{put, state.Put(definitionKey+c.id, value)}
	for _, v := range created {
		change, err := v.put()
		if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	if err := e.cfg.State.Update(ctx, changes...); err != nil {
		return fmt.Errorf("store container: %w", err)
	}
	return nil
}

// define makes the definition, all but its mounts.
func define(id string, opts CreateOptions, img *imagestore.Image) *definition {
	c, h := opts.Config, opts.HostConfig
	hostDefaults(h)
	if c.Hostname == "" {
		c.Hostname = id[:12]
		if h.NetworkMode.IsHost() {
			if name, err := os.Hostname(); err == nil {
				c.Hostname = name
			}
		}
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	command := slices.Concat(c.Entrypoint, c.Cmd)
	d := &definition{Path: command[0], Args: command[1:], Platform: img.Spec.OS, ImagePlatform: imagePlatform(img), Config: c, HostConfig: h}
	if d.Platform == "" {
		d.Platform = "linux"
	}
	d.Networks = map[string]*network.EndpointSettings{}
	if opts.Networking != nil {
		for name, settings := range opts.Networking.EndpointsConfig {
			if settings == nil {
				settings = &network.EndpointSettings{}
			}
			if name == network.NetworkDefault { // as the docker command calls it
				name = network.NetworkBridge
			}
			d.Networks[name] = settings
		}
	}
	if mode := string(h.NetworkMode); d.Networks[mode] == nil && len(d.Networks) == 0 {
		d.Networks[mode] = &network.EndpointSettings{}
	}
	return d
}

// randomID is 64 hexadecimal digits whose first twelve are not all decimal: such an id could be taken for a number
// (moby's pkg/stringid).
func randomID() (string, error) {
	b := make([]byte, 32)
	for {
		if _, err := rand.Read(b); err != nil {
			return "", fmt.Errorf("make an id: %w", err)
		}
		id := hex.EncodeToString(b)
		if strings.Trim(id[:12], "0123456789") != "" {
			return id, nil
		}
	}
}

// containerName is dockerd's, but for names of one character, which it refuses for no reason that matters here.
var containerName = regexp.MustCompile(`^/?[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// reserve gives a container its name, which may be empty.
func (e *Engine) reserve(id, name string) (string, error) {
	if name == "" {
		return e.reserveRandom(id), nil
	}
	if !containerName.MatchString(name) {
		return "", invalid("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
	}
	name = strings.TrimPrefix(name, "/")
	e.mu.Lock()
	defer e.mu.Unlock()
	if holder, taken := e.names[name]; taken {
		return "", conflict("Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+name, holder)
	}
	e.names[name] = id
	return name, nil
}

// reserveRandom tries a few names and ends with the id itself, which is free.
func (e *Engine) reserveRandom(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := randomName()
	for range 5 {
		if _, taken := e.names[name]; !taken {
			break
		}
		name = randomName() + id[:1]
	}
	if _, taken := e.names[name]; taken {
		name = id[:12]
	}
	e.names[name] = id
	return name
}

func (e *Engine) release(name, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.names[name] == id {
		delete(e.names, name)
	}
}

// checkPlatform holds the image against the platform that was asked for.
func checkPlatform(opts CreateOptions, img *imagestore.Image) error {
	if opts.Platform == "" {
		return nil
	}
	want := strings.Split(strings.ToLower(opts.Platform), "/")
	have := []string{img.Spec.OS, img.Spec.Architecture, img.Spec.Variant}
	if have[0] == "" {
		have[0] = "linux"
	}
	if len(want) == 1 && want[0] != "linux" { // an architecture alone
		want = []string{"linux", want[0]}
	}
	for i, w := range want {
		if i < len(have) && normalArch(w) != have[i] && (i < 2 || have[i] != "") {
			return notFound("image with reference %s was found but its platform (%s) does not match the specified platform (%s)",
				opts.Config.Image, strings.TrimRight(strings.Join(have, "/"), "/"), strings.Join(want, "/"))
		}
	}
	return nil
}

// normalArch is an architecture's name in an image.
func normalArch(name string) string {
	switch name {
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return name
}

// verify checks what does not depend on the image, with dockerd's texts (moby's daemon/container.go and
// daemon_unix.go).
func verify(c *types.Config, h *types.HostConfig) error {
	if c.WorkingDir != "" && !strings.HasPrefix(c.WorkingDir, "/") {
		return invalid("the working directory '%s' is invalid, it needs to be an absolute path", c.WorkingDir)
	}
	for _, env := range c.Env {
		if env == "" || env[0] == '=' {
			return invalid("invalid environment variable: %s", env)
		}
	}
	if c.StopSignal != "" {
		if _, err := parseSignal(c.StopSignal); err != nil {
			return err
		}
	}
	if err := verifyHealth(c.Healthcheck); err != nil {
		return err
	}
	if err := types.ValidateRestartPolicy(h.RestartPolicy); err != nil {
		return invalid("%s", err)
	}
	if h.AutoRemove && !h.RestartPolicy.IsNone() {
		return invalid("can't create 'AutoRemove' container with restart policy")
	}
	if err := verifyResources(&h.Resources); err != nil {
		return err
	}
	return refuseUnsupported(c, h)
}

func verifyResources(r *types.Resources) error {
	cpus := runtime.NumCPU()
	switch {
	case r.Memory != 0 && r.Memory < 6<<20:
		return invalid("Minimum memory limit allowed is 6MB")
	case r.Memory > 0 && r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
	case r.Memory == 0 && r.MemorySwap > 0:
		return invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
	case r.MemoryReservation > 0 && r.MemoryReservation < 6<<20:
		return invalid("Minimum memory reservation allowed is 6MB")
	case r.Memory > 0 && r.MemoryReservation > 0 && r.Memory < r.MemoryReservation:
		return invalid("Minimum memory limit can not be less than memory reservation limit, see usage")
	case r.NanoCPUs > 0 && r.CPUPeriod > 0:
		return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set.")
	case r.NanoCPUs > 0 && r.CPUQuota > 0:
		return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set.")
	case r.NanoCPUs < 0 || r.NanoCPUs > int64(cpus)*1_000_000_000:
		return invalid("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus, cpus)
	case r.CPUPeriod != 0 && (r.CPUPeriod < 1000 || r.CPUPeriod > 1_000_000):
		return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case r.CPUQuota > 0 && r.CPUQuota < 1000:
		return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	}
	return nil
}

// sortedPorts lists the ports of a map in a stable order.
func sortedPorts[V any](m map[network.Port]V) []network.Port {
	return slices.SortedFunc(maps.Keys(m), func(a, b network.Port) int {
		if n := int(a.Num()) - int(b.Num()); n != 0 {
			return n
		}
		return strings.Compare(string(a.Proto()), string(b.Proto()))
	})
}
