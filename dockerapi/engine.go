package dockerapi

import (
	"context"
	"io"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/runtime"
)

// Engine is what the endpoints ask for. [FromRuntime] makes one of the real engine; see there for what the methods do.
type Engine interface {
	systemEngine
	imageEngine
	containerEngine
	streamEngine
	fileEngine
	execEngine
	volumeEngine
	networkEngine
}

type systemEngine interface {
	Version(ctx context.Context) system.VersionResponse
	Info(ctx context.Context) (system.Info, error)
	Auth(ctx context.Context, auth registry.AuthConfig) (registry.AuthResponse, error)
	Events(ctx context.Context, opts runtime.EventsOptions) (Subscription, error)
	DiskUsage(ctx context.Context, opts runtime.DiskUsageOptions) (runtime.DiskUsage, error)
}

type imageEngine interface {
	ImagePull(ctx context.Context, opts runtime.PullOptions) error
	ImagePush(ctx context.Context, opts runtime.PushOptions) error
	ImageSave(ctx context.Context, w io.Writer, names []string, platform string) error
	ImageLoad(ctx context.Context, archive io.Reader, platform string) (Loading, error)
	ImageImport(ctx context.Context, opts runtime.ImportOptions) error
	ImageSearch(ctx context.Context, opts runtime.SearchOptions) ([]registry.SearchResult, error)
	DistributionInspect(ctx context.Context, ref string, auth *registry.AuthConfig) (registry.DistributionInspect, error)
	ImageList(ctx context.Context, opts runtime.ImageListOptions) ([]image.Summary, error)
	ImageInspect(ctx context.Context, ref, platform string) (runtime.ImageInspection, error)
	ImageHistory(ctx context.Context, ref, platform string) ([]image.HistoryResponseItem, error)
	ImageTag(ctx context.Context, ref, repo, tag string) error
	ImageRemove(ctx context.Context, ref string, opts runtime.ImageRemoveOptions) ([]image.DeleteResponse, error)
	ImagePrune(ctx context.Context, filters runtime.Filters) (image.PruneReport, error)
}

type containerEngine interface {
	ContainerCreate(ctx context.Context, opts runtime.CreateOptions) (container.CreateResponse, error)
	ContainerList(ctx context.Context, opts runtime.ListOptions) ([]container.Summary, error)
	ContainerInspect(ctx context.Context, name string, size bool) (container.InspectResponse, error)
	ContainerStart(ctx context.Context, name string, opts runtime.StartOptions) error
	ContainerStop(ctx context.Context, name string, opts runtime.StopOptions) error
	ContainerRestart(ctx context.Context, name string, opts runtime.StopOptions) error
	ContainerKill(ctx context.Context, name, signal string) error
	ContainerPause(ctx context.Context, name string) error
	ContainerUnpause(ctx context.Context, name string) error
	ContainerResize(ctx context.Context, name string, rows, columns uint32) error
	ContainerRename(ctx context.Context, name, newName string) error
	ContainerRemove(ctx context.Context, name string, opts runtime.RemoveOptions) error
	ContainerPrune(ctx context.Context, filters runtime.Filters) (container.PruneReport, error)
	ContainerTop(ctx context.Context, name, args string) (container.TopResponse, error)
	ContainerCommit(ctx context.Context, opts runtime.CommitOptions) (id string, err error)
	ContainerUpdate(ctx context.Context, name string, update container.UpdateConfig) (container.UpdateResponse, error)
}

type streamEngine interface {
	ContainerWait(ctx context.Context, name, condition string) (Waiter, error)
	ContainerAttach(ctx context.Context, name string, opts runtime.AttachOptions) (Attachment, error)
	ContainerLogs(ctx context.Context, name string, opts runtime.LogsOptions) (Logs, error)
	ContainerStats(ctx context.Context, name string, opts runtime.StatsOptions) (Stats, error)
}

type fileEngine interface {
	ContainerChanges(ctx context.Context, name string) ([]container.FilesystemChange, error)
	ContainerStatPath(ctx context.Context, name, path string) (container.PathStat, error)
	ContainerArchiveGet(ctx context.Context, name, path string) (io.ReadCloser, container.PathStat, error)
	ContainerArchivePut(ctx context.Context, name, path string, opts runtime.ArchivePutOptions, tar io.Reader) error
	ContainerExport(ctx context.Context, name string) (io.ReadCloser, error)
}

type execEngine interface {
	ExecCreate(ctx context.Context, name string, req container.ExecCreateRequest) (id string, err error)
	ExecInspect(ctx context.Context, id string) (container.ExecInspectResponse, error)
	ExecStart(ctx context.Context, id string, opts runtime.ExecStartOptions) (Attachment, error)
	ExecResize(ctx context.Context, id string, rows, columns uint32) error
}

type volumeEngine interface {
	VolumeList(ctx context.Context, filters runtime.Filters) (volume.ListResponse, error)
	VolumeCreate(ctx context.Context, req volume.CreateRequest) (volume.Volume, error)
	VolumeInspect(ctx context.Context, name string) (volume.Volume, error)
	VolumeRemove(ctx context.Context, name string, force bool) error
	VolumePrune(ctx context.Context, filters runtime.Filters) (volume.PruneReport, error)
}

type networkEngine interface {
	NetworkList(ctx context.Context, filters runtime.Filters) ([]network.Inspect, error)
	NetworkInspect(ctx context.Context, name, scope string) (network.Inspect, error)
	NetworkCreate(ctx context.Context, spec runtime.NetworkSpec) (network.CreateResponse, error)
	NetworkConnect(ctx context.Context, name, container string, settings *network.EndpointSettings) error
	NetworkDisconnect(ctx context.Context, name, container string, force bool) error
	NetworkRemove(ctx context.Context, name string) error
	NetworkPrune(ctx context.Context, filters runtime.Filters) (network.PruneReport, error)
}

// Subscription is a [runtime.Subscription].
type Subscription interface {
	Next(ctx context.Context) (events.Message, error)
	Close()
}

// Loading is a [runtime.Loading].
type Loading interface {
	Run(ctx context.Context, quiet bool, progress func(jsonstream.Message)) error
	Close() error
}

// Waiter is a [runtime.Waiter].
type Waiter interface {
	Result(ctx context.Context) (container.WaitResponse, error)
}

// Attachment is a [runtime.Attachment].
type Attachment interface {
	TTY() bool
	Run(ctx context.Context, stdin io.Reader, out func(stream byte, p []byte) error) error
	Close()
}

// Logs is a [runtime.Logs].
type Logs interface {
	TTY() bool
	Each(ctx context.Context, f func(stream byte, line []byte) error) error
}

// Stats is a [runtime.Stats].
type Stats interface {
	Next(ctx context.Context) (container.StatsResponse, error)
}

// FromRuntime lets the endpoints talk to the real engine.
func FromRuntime(e *runtime.Engine) Engine { return runtimeEngine{e} }

// runtimeEngine returns interfaces where the engine returns its own types; no nil pointer may become an interface.
type runtimeEngine struct{ *runtime.Engine }

func (e runtimeEngine) Events(ctx context.Context, opts runtime.EventsOptions) (Subscription, error) {
	s, err := e.Engine.Events(ctx, opts)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (e runtimeEngine) ImageLoad(ctx context.Context, archive io.Reader, platform string) (Loading, error) {
	l, err := e.Engine.ImageLoad(ctx, archive, platform)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (e runtimeEngine) ContainerWait(ctx context.Context, name, condition string) (Waiter, error) {
	w, err := e.Engine.ContainerWait(ctx, name, condition)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (e runtimeEngine) ContainerAttach(ctx context.Context, name string, opts runtime.AttachOptions) (Attachment, error) {
	a, err := e.Engine.ContainerAttach(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (e runtimeEngine) ContainerLogs(ctx context.Context, name string, opts runtime.LogsOptions) (Logs, error) {
	l, err := e.Engine.ContainerLogs(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (e runtimeEngine) ContainerStats(ctx context.Context, name string, opts runtime.StatsOptions) (Stats, error) {
	s, err := e.Engine.ContainerStats(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (e runtimeEngine) ExecStart(ctx context.Context, id string, opts runtime.ExecStartOptions) (Attachment, error) {
	a, err := e.Engine.ExecStart(ctx, id, opts)
	if err != nil || a == nil { // detached
		return nil, err
	}
	return a, nil
}
