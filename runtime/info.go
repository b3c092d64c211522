package runtime

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"time"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
)

// The versions of the API that the engine's answers are made for.
const (
	APIVersion    = "1.51"
	MinAPIVersion = "1.24"
)

// Version describes the server.
func (e *Engine) Version(context.Context) system.VersionResponse {
	kernel := kernelVersion()
	v := system.VersionResponse{
		Version: e.cfg.Version, APIVersion: APIVersion, MinAPIVersion: MinAPIVersion, GitCommit: e.cfg.GitCommit,
		GoVersion: runtime.Version(), Os: "linux", Arch: runtime.GOARCH, KernelVersion: kernel, BuildTime: e.cfg.BuildTime,
	}
	v.Components = []system.ComponentVersion{{Name: "Engine", Version: e.cfg.Version, Details: map[string]string{
		"ApiVersion": APIVersion, "Arch": runtime.GOARCH, "BuildTime": e.cfg.BuildTime, "Experimental": "false", "GitCommit": e.cfg.GitCommit,
		"GoVersion": runtime.Version(), "KernelVersion": kernel, "MinAPIVersion": MinAPIVersion, "Os": "linux",
	}}}
	return v
}

// Info describes the engine and the machine. What the sandbox does not have is false or empty.
func (e *Engine) Info(context.Context) (system.Info, error) {
	info := system.Info{
		ID: e.cfg.InstanceID, Images: len(e.cfg.Images.List()), Driver: driverName,
		DriverStatus: [][2]string{{"Backend", e.cfg.Backend.Name()}},
		Plugins: system.PluginsInfo{
			Volume: []string{volumeDriver}, Network: []string{"bridge", "host", "null"}, Log: []string{"json-file", "local", "none"}},
		MemoryLimit: true, PidsLimit: true, CPUCfsPeriod: true, CPUCfsQuota: true,
		NFd: openFiles(), NGoroutines: runtime.NumGoroutine(), SystemTime: time.Now().Format(time.RFC3339Nano),
		LoggingDriver: "json-file", CgroupDriver: "none", NEventsListener: e.events.listeners(),
		KernelVersion: kernelVersion(), OperatingSystem: operatingSystem(), OSVersion: osRelease()["VERSION_ID"], OSType: "linux", Architecture: machine(),
		IndexServerAddress: "https://index.docker.io/v1/", NCPU: runtime.NumCPU(), MemTotal: totalMemory(), DockerRootDir: e.cfg.DataDir,
		HTTPProxy: os.Getenv("HTTP_PROXY"), HTTPSProxy: os.Getenv("HTTPS_PROXY"), NoProxy: os.Getenv("NO_PROXY"),
		Labels: []string{}, ServerVersion: e.cfg.Version,
		Runtimes:       map[string]system.RuntimeWithStatus{runtimeName: {Runtime: system.Runtime{Path: runtimeName}}},
		DefaultRuntime: runtimeName, LiveRestoreEnabled: true,
		Swarm:           swarm.Info{LocalNodeState: swarm.LocalNodeStateInactive},
		SecurityOptions: []string{"name=rootless"}, CDISpecDirs: []string{},
		RegistryConfig: &registry.ServiceConfig{
			InsecureRegistryCIDRs: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("127.0.0.0/8")},
			IndexConfigs:          map[string]*registry.IndexInfo{"docker.io": {Name: "docker.io", Mirrors: []string{}, Secure: true, Official: true}},
		},
	}
	if e.cfg.Status != nil {
		info.DriverStatus = append(info.DriverStatus, e.cfg.Status()...)
	}
	if name, err := os.Hostname(); err == nil {
		info.Name = name
	}
	for _, c := range e.all() {
		info.Containers++
		switch c.record().Status {
		case types.StateRunning, types.StateRestarting:
			info.ContainersRunning++
		case types.StatePaused:
			info.ContainersPaused++
		default:
			info.ContainersStopped++
		}
	}
	return info, nil
}

// listeners counts the open subscriptions.
func (j *journal) listeners() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.readers
}

// machine is the processor as uname names it.
func machine() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

func operatingSystem() string {
	if name := osRelease()["PRETTY_NAME"]; name != "" {
		return name
	}
	return runtime.GOOS
}
