package runtime

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	types "github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/store/state"
)

func (e *Engine) volumeEvent(action events.Action, name string) {
	e.publish(events.VolumeEventType, action, name, map[string]string{"driver": volumeDriver})
}

// describe is a volume as Docker shows it.
func (s *volumes) describe(v *volume) types.Volume {
	return types.Volume{
		Name: v.Name, Driver: volumeDriver, Mountpoint: s.path(v.Name), Labels: v.Labels, Scope: "local",
		CreatedAt: v.Created.Format(time.RFC3339),
	}
}

// list returns the volumes by name.
func (s *volumes) list() []*volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.byName), func(a, b *volume) int { return strings.Compare(a.Name, b.Name) })
}

// volumeUsers lists, for each volume, the containers that have it, running or not.
func (e *Engine) volumeUsers() map[string][]string {
	users := map[string][]string{}
	for _, c := range e.all() {
		for _, name := range c.record().Volumes {
			if !slices.Contains(users[name], c.id) {
				users[name] = append(users[name], c.id)
			}
		}
	}
	return users
}

// VolumeCreate makes a volume, with a name of 64 hexadecimal digits where the request has none. One that is there already is
// returned as it is. Errors: errdefs.ErrInvalidArgument for a name, ErrNotFound for a driver, ErrNotImplemented for options of one.
func (e *Engine) VolumeCreate(ctx context.Context, req types.CreateRequest) (types.Volume, error) {
	var none types.Volume
	v := &volume{Name: req.Name, Created: time.Now().UTC()}
	if len(req.Labels) > 0 {
		v.Labels = maps.Clone(req.Labels)
	}
	if v.Name == "" {
		name, err := randomID()
		if err != nil {
			return none, err
		}
		if v.Labels == nil {
			v.Labels = map[string]string{}
		}
		v.Name, v.Labels[anonymousLabel] = name, ""
	}
	if req.Driver != "" && req.Driver != volumeDriver {
		return none, notFound("create %s: error looking up volume plugin %s: plugin %q not found", v.Name, req.Driver, req.Driver)
	}
	if len(req.DriverOpts) > 0 {
		return none, errdefs.ErrNotImplemented.WithMessage(fmt.Sprintf(
			"create %s: options of the volume driver are not supported (%s): nothing is mounted on the host for a volume",
			v.Name, strings.Join(slices.Sorted(maps.Keys(req.DriverOpts)), ", ")))
	}
	if err := checkVolumeName(v.Name); err != nil {
		return none, err
	}
	e.volumes.use.Lock()
	defer e.volumes.use.Unlock()
	if there := e.volumes.get(v.Name); there != nil {
		return e.volumes.describe(there), nil
	}
	put, err := v.put()
	if err == nil {
		err = e.cfg.State.Update(context.WithoutCancel(ctx), put) // a client that goes away leaves it made or not, and known as such
	}
	if err != nil {
		return none, fmt.Errorf("create %s: store volume: %w", v.Name, err)
	}
	e.volumes.add(v)
	if _, _, err := e.volumes.open(v.Name); err != nil { // for those who look into the mount point; the volume is there without it
		e.log.Warn("make the folder of a volume", "volume", v.Name, "error", err)
	}
	e.volumeEvent(events.ActionCreate, v.Name)
	return e.volumes.describe(v), nil
}

// VolumeInspect describes a volume. Errors: errdefs.ErrNotFound.
func (e *Engine) VolumeInspect(_ context.Context, name string) (types.Volume, error) {
	v := e.volumes.get(name)
	if v == nil {
		return types.Volume{}, notFound("get %s: no such volume", name)
	}
	return e.volumes.describe(v), nil
}

var volumeFilters = filterKeys("dangling", "name", "driver", "label")

// VolumeList lists volumes by name. Errors: errdefs.ErrInvalidArgument for a filter.
func (e *Engine) VolumeList(_ context.Context, filters Filters) (types.ListResponse, error) {
	response := types.ListResponse{Volumes: []types.Volume{}}
	if err := filters.check(volumeFilters); err != nil {
		return response, err
	}
	dangling, err := filters.boolean("dangling", false)
	if err != nil {
		return response, err
	}
	var users map[string][]string
	if filters.has("dangling") {
		users = e.volumeUsers()
	}
	for _, v := range e.volumes.list() {
		if filters.has("dangling") && dangling != (len(users[v.Name]) == 0) || filters.has("driver") && !filters["driver"][volumeDriver] ||
			!filters.match("name", v.Name) || !filters.labels("label", v.Labels) {
			continue
		}
		response.Volumes = append(response.Volumes, e.volumes.describe(v))
	}
	return response, nil
}

// VolumeRemove removes a volume with its files. With force, one that is not there is no error. Errors: errdefs.ErrNotFound,
// ErrConflict while a container has it, running or not.
func (e *Engine) VolumeRemove(_ context.Context, name string, force bool) error {
	aside, err := func() (string, error) {
		e.volumes.use.Lock()
		defer e.volumes.use.Unlock()
		v := e.volumes.get(name)
		switch users := e.volumeUsers()[name]; {
		case v == nil && force:
			return "", nil
		case v == nil:
			return "", notFound("get %s: no such volume", name)
		case len(users) > 0:
			return "", conflict("remove %s: volume is in use - [%s]", name, strings.Join(users, ", "))
		}
		return e.dropVolume(v)
	}()
	if err != nil || aside == "" {
		return err
	}
	e.discard(aside)
	return nil
}

// dropVolume takes a volume that nothing uses out of the records, and returns where its files wait for [Engine.discard]: that
// may take long, and must not keep others from volumes. volumes.use is held. A client that goes away does not stop it.
func (e *Engine) dropVolume(v *volume) (aside string, err error) {
	if aside, err = e.volumes.setAside(v); err != nil {
		return "", err
	}
	if err := e.cfg.State.Update(context.WithoutCancel(e.ctx), state.Delete(volumeKey+v.Name)); err != nil {
		if back := e.volumes.settle(aside); back != nil {
			e.log.Warn("put back the files of a volume", "volume", v.Name, "error", back)
		}
		return "", fmt.Errorf("remove %s: store removal: %w", v.Name, err)
	}
	e.volumes.drop(v.Name)
	e.volumeEvent(events.ActionDestroy, v.Name)
	return aside, nil
}

// discard removes files that were set aside. What is left of them goes at the next start.
func (e *Engine) discard(aside string) {
	if err := os.RemoveAll(aside); err != nil {
		e.log.Warn("remove files of a volume", "folder", filepath.Base(aside), "error", err)
	}
}

var volumePruneFilters = filterKeys("all", "label", "label!")

// VolumePrune removes the volumes that no container has: those without a name of their own or, with the filter all, any. Errors:
// errdefs.ErrInvalidArgument for a filter.
func (e *Engine) VolumePrune(_ context.Context, filters Filters) (types.PruneReport, error) {
	var report types.PruneReport
	if err := filters.check(volumePruneFilters); err != nil {
		return report, err
	}
	all, err := filters.boolean("all", false)
	if err != nil {
		return report, err
	}
	aside := e.dropUnused(func(v *volume) bool {
		return (all || v.anonymous()) && filters.labels("label", v.Labels) && filters.noLabels("label!", v.Labels)
	})
	for _, name := range slices.Sorted(maps.Keys(aside)) {
		report.VolumesDeleted = append(report.VolumesDeleted, name)
		report.SpaceReclaimed += uint64(diskUsage(aside[name]))
		e.discard(aside[name])
	}
	e.publish(events.VolumeEventType, events.ActionPrune, "", map[string]string{"reclaimed": strconv.FormatUint(report.SpaceReclaimed, 10)})
	return report, nil
}

// dropUnused drops the volumes that no container has and for which is holds, and returns where their files are, by name.
func (e *Engine) dropUnused(is func(*volume) bool) map[string]string {
	e.volumes.use.Lock()
	defer e.volumes.use.Unlock()
	users := e.volumeUsers()
	dropped := map[string]string{}
	for _, v := range e.volumes.list() {
		if len(users[v.Name]) > 0 || !is(v) {
			continue
		}
		aside, err := e.dropVolume(v)
		if err != nil {
			e.log.Warn("prune a volume", "volume", v.Name, "error", err)
			continue
		}
		dropped[v.Name] = aside
	}
	return dropped
}
