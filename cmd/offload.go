package cmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/docker"
	"github.com/sockerless/sockerless/offload/local"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
	"github.com/sockerless/sockerless/store/unpacked"
)

// offloadConfig is what the backends are made of.
type offloadConfig struct {
	dataDir, runtimeDir, instance, executable string

	source  *offload.Source
	state   state.Store // nil, as images, for a client that only asks what would be
	images  *image.Store
	support func() native.Support
	gate    *gate // nil where no agent can dial back
	log     *slog.Logger
}

// nativeConfig is how this program is the first stage of a native container.
func nativeConfig(executable string) native.Config {
	return native.Config{Executable: executable, Arguments: []string{"native-init"}}
}

// probe finds out what native containers can have on this machine, which takes as long as a start of one: nobody waits for it but
// who asks. stop waits for its end.
func probe(ctx context.Context, executable, dir string, log *slog.Logger) (support func() native.Support, stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan native.Support, 1)
	go func() { // ends with ctx
		s := native.Probe(ctx, nativeConfig(executable), dir)
		if s.Unavailable != "" && ctx.Err() == nil {
			log.Warn("a backend is not available", "backend", offload.Local, "reason", s.Unavailable)
		}
		found <- s
	}()
	support = sync.OnceValue(func() native.Support { return <-found })
	return support, func() error {
		cancel()
		support()
		return nil
	}
}

// open makes the backends that the policy names, and the one on this machine, which needs none. closeDrivers is for when they are
// closed.
func (c offloadConfig) open(ctx context.Context) (scheduler *offload.Scheduler, closeDrivers func() error) {
	policy, err := c.source.Policy()
	if err != nil {
		c.log.Error("the policy is wrong: native programs are refused until it is right", "error", err)
	}
	configs := []offload.BackendConfig{{Name: offload.Local, Type: offload.Local}}
	if policy != nil {
		for _, b := range policy.Backends {
			if b.Name == offload.Local {
				configs = configs[1:] // it is where the policy wants it
			}
			configs = append(configs, b)
		}
	}
	var backends []runtime.Backend
	var closers []io.Closer
	unavailable, here := map[string]string{}, map[string]bool{}
	for _, b := range configs {
		driver, err := c.driver(ctx, b)
		if err != nil {
			unavailable[b.Name] = err.Error()
			c.log.Warn("a backend is not available", "backend", b.Name, "reason", err)
			continue
		}
		if closer, ok := driver.(io.Closer); ok {
			closers = append(closers, closer)
		}
		here[b.Name] = b.Type == offload.Local
		config := offload.Config{
			State: c.state, Instance: c.instance, RuntimeDir: c.runtimeDir, Price: b.Price, VolumeSize: b.Volumes, Lease: lease, Log: c.log}
		if c.gate != nil {
			config.Gate, config.GateURL, config.GateCA = c.gate, c.gate.url, c.gate.authority
		}
		backends = append(backends, offload.NewBackend(b.Name, driver, config))
	}
	scheduler = offload.NewScheduler(offload.SchedulerConfig{
		Source: c.source, Backends: backends, Log: c.log, Unavailable: func(name string) string {
			if here[name] {
				return c.support().Unavailable
			}
			return unavailable[name]
		}})
	return scheduler, func() error {
		var errs []error
		for _, d := range closers {
			errs = append(errs, d.Close())
		}
		return errors.Join(errs...)
	}
}

// status says, for docker info, what native containers have on this machine.
func status(s native.Support) [][2]string {
	if s.Unavailable != "" {
		return [][2]string{{"Native containers", "not available: " + s.Unavailable}}
	}
	as, root, network := "as root", "overlayfs", "available"
	if s.Rootless {
		as = "as an ordinary user, with one user in a container"
	}
	if s.NoOverlay != "" {
		root = "copied, since overlayfs is not available: " + s.NoOverlay
	}
	if s.NoTun != "" {
		network = "not available: " + s.NoTun
	}
	list := [][2]string{
		{"Native containers", as}, {"Native root file systems", root}, {"Native limits", s.Limiting()}, {"Native networks", network}}
	if s.NoSeccomp != "" {
		list = append(list, [2]string{"Native seccomp", "not available: " + s.NoSeccomp})
	}
	return list
}

// driver makes the driver of a backend.
func (c offloadConfig) driver(ctx context.Context, b offload.BackendConfig) (offload.Driver, error) {
	agents := offload.AgentPrograms(c.executable)
	switch b.Type {
	case offload.Local:
		if err := b.Decode(&struct{}{}); err != nil {
			return nil, err
		}
		images, err := c.unpacked()
		if err != nil {
			return nil, err
		}
		return local.New(local.Config{
			Native: nativeConfig(c.executable), Support: c.support, Images: images, Containers: filepath.Join(c.dataDir, "containers"),
			RuntimeDir: c.runtimeDir, Agent: agents}), nil
	case "docker":
		var settings docker.Settings
		if err := b.Decode(&settings); err != nil {
			return nil, err
		}
		return docker.New(docker.Config{Settings: settings, Images: c.images, Agent: agents})
	case "ecs":
		var settings plugin.ECS
		if err := b.Decode(&settings); err != nil {
			return nil, err
		}
		return c.cloud(ctx, b, settings)
	case "lambda":
		var settings plugin.Lambda
		if err := b.Decode(&settings); err != nil {
			return nil, err
		}
		return c.cloud(ctx, b, settings)
	}
	return nil, fmt.Errorf("%s:%d: there is no backend of type %q: there are local, docker, ecs and lambda", b.File, b.Line, b.Type)
}

// cloud starts the driver of a cloud, in the program that has its SDK.
func (c offloadConfig) cloud(ctx context.Context, b offload.BackendConfig, settings any) (offload.Driver, error) {
	if err := os.MkdirAll(c.runtimeDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of its sockets: %w", err)
	}
	sum := sha256.Sum256([]byte(b.Name))
	name := "d-" + hex.EncodeToString(sum[:6])
	if c.images == nil { // the server's has the name
		name += fmt.Sprintf("-%d", os.Getpid())
	}
	config := plugin.Config{
		Program: []string{filepath.Join(filepath.Dir(c.executable), cloudProgram), "driver"}, Type: b.Type, Settings: settings,
		Sockets: filepath.Join(c.runtimeDir, name), Images: c.images, Agents: map[string]string{}, Log: c.log}
	for _, architecture := range []string{"amd64", "arm64"} {
		if agent, err := offload.AgentPrograms(c.executable)("linux/" + architecture); err == nil && len(agent.Arguments) == 0 { // else it is said for whom it is needed
			config.Agents[architecture] = agent.Path
		}
	}
	return plugin.New(ctx, config)
}

// unpacked is the store of unpacked images, without those that are gone. A client of the server must not touch it: nil.
func (c offloadConfig) unpacked() (local.Images, error) {
	if c.images == nil {
		return nil, nil
	}
	store, err := unpacked.Open(filepath.Join(c.dataDir, "unpacked"))
	if err != nil {
		return nil, err
	}
	return store, store.Sweep(c.images.Stacks())
}

// policyPause is between two looks at whether the policy has changed.
const policyPause = 2 * time.Second

// watchPolicy reads the policy again when its file changes, and upon SIGHUP. stop waits for the end of that.
func watchPolicy(ctx context.Context, source *offload.Source, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var watching sync.WaitGroup
	watching.Go(func() { source.Watch(ctx, policyPause, offload.SystemClock{}) })
	watching.Go(func() {
		for {
			select {
			case <-hangup:
				if err := source.Reload(); err != nil {
					log.Error("the policy is wrong, the last good one goes on", "error", err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		cancel()
		watching.Wait()
	}
}
