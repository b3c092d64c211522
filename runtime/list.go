package runtime

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/docker/go-units"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// ListOptions of [Engine.ContainerList].
type ListOptions struct {
	All, Size bool
	Limit     int // the newest of all; 0 or less: no limit
	Filters   Filters
}

// listFilters are the filters of docker ps (moby's daemon/list.go).
var listFilters = filterKeys("ancestor", "before", "exited", "id", "isolation", "label", "name", "status", "health", "since", "volume",
	"network", "is-task", "publish", "expose")

// ContainerList lists containers, the newest first. Errors: errdefs.ErrInvalidArgument for a filter, ErrNotFound for a
// container that a filter names.
func (e *Engine) ContainerList(ctx context.Context, opts ListOptions) ([]types.Summary, error) {
	q, err := e.query(opts)
	if err != nil {
		return nil, err
	}
	list := []types.Summary{}
	images := map[string]string{}
	for _, c := range e.all() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r := c.record()
		if !q.short(c, r) {
			continue
		}
		w, err := e.row(c)
		if err != nil {
			continue // it has just been removed
		}
		if !q.long(w) {
			continue
		}
		list = append(list, e.summary(c, r, w, opts.Size, images))
		if opts.Limit > 0 && len(list) == opts.Limit {
			break
		}
	}
	return list, nil
}

// query is a list's options, read.
type query struct {
	engine    *Engine
	opts      ListOptions
	f         Filters
	all       bool
	exited    map[int]bool
	ancestors map[string]bool // image ids
	before    time.Time
	since     time.Time
	none      bool // nothing can match
	id, name  func(sources ...string) bool
	publish   []network.PortRange
	expose    []network.PortRange
}

func (e *Engine) query(opts ListOptions) (*query, error) {
	f := opts.Filters
	if err := f.check(listFilters); err != nil {
		return nil, err
	}
	q := &query{engine: e, opts: opts, f: f, all: opts.All || opts.Limit > 0, id: f.matcher("id"), name: f.matcher("name")}
	for v := range f["exited"] {
		code, err := strconv.Atoi(v)
		if err != nil {
			return nil, invalid("invalid filter 'exited=%s'", v)
		}
		if q.exited == nil {
			q.exited = map[int]bool{}
		}
		q.exited[code] = true
	}
	for v := range f["status"] {
		if err := types.ValidateContainerState(types.ContainerState(v)); err != nil {
			return nil, invalid("invalid filter 'status=%s': %s", v, err)
		}
		q.all = true
	}
	for v := range f["health"] {
		if err := types.ValidateHealthStatus(types.HealthStatus(v)); err != nil {
			return nil, invalid("invalid filter 'health=%s': %s", v, err)
		}
	}
	isTask, err := f.boolean("is-task", false)
	if err != nil {
		return nil, err
	}
	q.none = isTask || f.has("isolation") && !f["isolation"]["default"]
	// before and since count stopped containers too, as does exited.
	q.all = q.all || f.has("before") || f.has("since") || f.has("exited")
	for key, t := range map[string]*time.Time{"before": &q.before, "since": &q.since} {
		for v := range f[key] {
			c, err := e.lookup(v)
			if err != nil {
				return nil, err
			}
			*t = c.record().Created
		}
	}
	if f.has("ancestor") {
		q.ancestors = e.ancestors(f["ancestor"])
	}
	if q.publish, err = f.ports("publish"); err != nil {
		return nil, err
	}
	q.expose, err = f.ports("expose")
	return q, err
}

func (f Filters) ports(key string) ([]network.PortRange, error) {
	var ranges []network.PortRange
	for v := range f[key] {
		r, err := network.ParsePortRange(v)
		if err != nil {
			return nil, invalid("invalid filter '%s=%s': %s", key, v, err)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// short decides by the record.
func (q *query) short(c *container, r *record) bool {
	f := q.f
	switch {
	case q.none, !q.all && !r.active():
		return false
	case f.has("status") && !f["status"][string(c.status())]:
		return false
	case q.exited != nil && (r.active() || r.Status == types.StateCreated || !q.exited[r.ExitCode]):
		return false
	case !q.before.IsZero() && !r.Created.Before(q.before), !q.since.IsZero() && !r.Created.After(q.since):
		return false
	case q.ancestors != nil && !q.ancestors[r.ImageID]:
		return false
	case f.has("health") && !f["health"][string(c.healthStatus())]:
		return false
	}
	return q.id(c.id) && q.name(r.Name, "/"+r.Name)
}

// long decides by what is known of the definition.
func (q *query) long(w *row) bool {
	f := q.f
	if !f.labels("label", w.labels) {
		return false
	}
	if f.has("volume") && !slices.ContainsFunc(w.mounts, func(m mountPoint) bool {
		return f["volume"][m.Name] && m.Name != "" || f["volume"][m.Target] || f["volume"][m.Source] && m.Source != ""
	}) {
		return false
	}
	if f.has("network") && !f.any("network", func(v string) bool { return w.networks[v] != nil }) {
		return false
	}
	if len(q.publish) > 0 && !slices.ContainsFunc(w.published, func(p network.Port) bool { return inRanges(p, q.publish) }) {
		return false
	}
	return len(q.expose) == 0 || slices.ContainsFunc(w.exposed, func(p network.Port) bool { return inRanges(p, q.expose) })
}

func inRanges(p network.Port, ranges []network.PortRange) bool {
	return slices.ContainsFunc(ranges, func(r network.PortRange) bool {
		return p.Proto() == r.Proto() && p.Num() >= r.Start() && p.Num() <= r.End()
	})
}

// summary is a container's row in docker ps. images remembers what names stand for.
func (e *Engine) summary(c *container, r *record, w *row, size bool, images map[string]string) types.Summary {
	s := types.Summary{
		ID: c.id, Names: []string{"/" + r.Name}, Image: e.imageName(r, images), ImageID: r.ImageID, Command: w.command,
		Created: r.Created.Unix(), Ports: e.portList(c, r, w.exposed), Labels: w.labels, State: c.status(), Status: c.statusLine(r, time.Now()),
		Mounts: e.mountPoints(w.mounts), NetworkSettings: &types.NetworkSettingsSummary{Networks: e.settings(c, r, w.networks)},
	}
	s.HostConfig.NetworkMode = w.networkMode
	s.HostConfig.Annotations = w.annotations
	if h := c.healthSummary(); h != nil {
		s.Health = h
	}
	if size {
		s.SizeRw, s.SizeRootFs = e.sizes(c)
	}
	return s
}

// imageName is the name that the container was created with while it still stands for the same image, else the id.
func (e *Engine) imageName(r *record, images map[string]string) string {
	id, known := images[r.Image]
	if !known {
		if img, err := e.cfg.Images.Resolve(r.Image); err == nil {
			id = img.ID.String()
		}
		images[r.Image] = id
	}
	if id == r.ImageID {
		return r.Image
	}
	return r.ImageID
}

// status is a container's state, with the removal that is not stored.
func (c *container) status() types.ContainerState {
	r := c.record()
	if !r.active() && c.isRemoving() {
		return types.StateRemoving
	}
	return r.Status
}

// statusLine is the state in words (moby's container/state.go).
func (c *container) statusLine(r *record, now time.Time) string {
	switch c.status() {
	case types.StateCreated:
		return "Created"
	case types.StateRemoving:
		return "Removal In Progress"
	case types.StateRestarting:
		return fmt.Sprintf("Restarting (%d) %s ago", r.ExitCode, units.HumanDuration(now.Sub(r.FinishedAt)))
	case types.StatePaused:
		return fmt.Sprintf("Up %s (Paused)", units.HumanDuration(now.Sub(r.StartedAt)))
	case types.StateRunning:
		line := "Up " + units.HumanDuration(now.Sub(r.StartedAt))
		switch h := c.healthStatus(); h {
		case types.NoHealthcheck:
		case types.Starting:
			line += " (health: starting)"
		default:
			line += " (" + string(h) + ")"
		}
		return line
	}
	if r.FinishedAt.IsZero() {
		return ""
	}
	return fmt.Sprintf("Exited (%d) %s ago", r.ExitCode, units.HumanDuration(now.Sub(r.FinishedAt)))
}
