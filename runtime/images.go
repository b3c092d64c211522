package runtime

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/storage"
	"github.com/opencontainers/go-digest"

	imagestore "github.com/sockerless/sockerless/store/image"
)

// PullOptions of [Engine.ImagePull].
type PullOptions struct {
	Reference string // name[:tag|@digest]
	Platform  string // os[/arch[/variant]]; empty is this machine's
	Auth      *registry.AuthConfig
	// Progress is called for each line of docker pull, one at a time. Errors are returned, not sent here.
	Progress func(jsonstream.Message)
}

// ImagePull fetches an image from its registry. Errors have dockerd's texts and classes.
func (e *Engine) ImagePull(ctx context.Context, opts PullOptions) error {
	img, err := e.cfg.Images.Pull(ctx, imagestore.PullOptions{
		Reference: opts.Reference, Platform: opts.Platform, Auth: opts.Auth, Progress: messages(opts.Progress),
	})
	if err != nil {
		return err
	}
	if named, err := reference.ParseNormalizedNamed(opts.Reference); err == nil {
		e.imageEvent(events.ActionPull, reference.FamiliarString(reference.TagNameOnly(named)), reference.FamiliarName(named), img)
	}
	return nil
}

func (e *Engine) imageEvent(action events.Action, id, name string, img *imagestore.Image) {
	attributes := map[string]string{}
	if img != nil {
		maps.Copy(attributes, img.Spec.Config.Labels)
	}
	attributes["name"] = name
	e.publish(events.ImageEventType, action, id, attributes)
}

// users lists the containers as far as they keep images.
func (e *Engine) users() []imagestore.User {
	var users []imagestore.User
	for _, c := range e.all() {
		r := c.record()
		users = append(users, imagestore.User{ContainerID: c.id, Image: digest.Digest(r.ImageID), Running: r.active()})
	}
	return users
}

// collectImages forgets images that were removed while containers had them.
func (e *Engine) collectImages() {
	if err := e.cfg.Images.Collect(e.ctx, e.users); err != nil && e.ctx.Err() == nil {
		e.log.Warn("collect images", "error", err)
	}
}

// ImageListOptions of [Engine.ImageList].
type ImageListOptions struct {
	All, SharedSize, Digests bool
	Filters                  Filters
}

var imageFilters = filterKeys("dangling", "label", "label!", "before", "since", "until", "reference")

// ImageList lists images, the newest first. Errors: errdefs.ErrInvalidArgument for a filter, ErrNotFound for an image
// that a filter names.
func (e *Engine) ImageList(_ context.Context, opts ImageListOptions) ([]image.Summary, error) {
	f := opts.Filters
	if err := f.check(imageFilters); err != nil {
		return nil, err
	}
	dangling, err := f.boolean("dangling", false)
	if err != nil {
		return nil, err
	}
	before, since, err := e.createdBetween(f)
	if err != nil {
		return nil, err
	}
	for v := range f["reference"] {
		if _, err := path.Match(v, ""); err != nil {
			return nil, invalid("invalid filter 'reference=%s': %s", v, err)
		}
	}
	count := map[digest.Digest]int64{}
	for _, u := range e.users() {
		count[u.Image]++
	}
	images := e.cfg.Images.List()
	shared := sharedLayers(images)
	list := []image.Summary{}
	for _, img := range images {
		created := img.Created()
		nameless := len(img.RepoTags) == 0 && len(img.RepoDigests) == 0
		switch {
		case dangling && (len(img.RepoTags) > 0 || img.HasChildren), f.has("dangling") && !dangling && nameless,
			nameless && img.HasChildren && !opts.All, // a step on the way to another image
			!before.IsZero() && !created.Before(before), !since.IsZero() && !created.After(since),
			!f.labels("label", img.Spec.Config.Labels), !f.noLabels("label!", img.Spec.Config.Labels):
			continue
		}
		tags, digests := img.RepoTags, img.RepoDigests
		if f.has("reference") {
			tags, digests = f.references(tags), f.references(digests)
			if len(tags) == 0 && len(digests) == 0 {
				continue
			}
		}
		summary := image.Summary{
			ID: img.ID.String(), Created: created.Unix(), Labels: img.Spec.Config.Labels, RepoTags: tags, RepoDigests: digests,
			Containers: count[img.ID], SharedSize: -1, Size: img.Size,
		}
		if opts.SharedSize {
			summary.SharedSize = 0
			for i, id := range img.DiffIDs() {
				if shared[id] > 1 && i < len(img.LayerSizes) {
					summary.SharedSize += img.LayerSizes[i]
				}
			}
		}
		list = append(list, summary)
	}
	return list, nil
}

// createdBetween are the times that images must be created before and after, as the filters before, until and since say; zero
// for any.
func (e *Engine) createdBetween(f Filters) (before, since time.Time, err error) {
	if before, err = f.until(); err != nil {
		return before, since, err
	}
	for v := range f["before"] {
		img, err := e.cfg.Images.Resolve(v)
		if err != nil {
			return before, since, err
		}
		if t := img.Created(); before.IsZero() || t.Before(before) {
			before = t
		}
	}
	for v := range f["since"] {
		img, err := e.cfg.Images.Resolve(v)
		if err != nil {
			return before, since, err
		}
		if t := img.Created(); t.After(since) {
			since = t
		}
	}
	return before, since, nil
}

func sharedLayers(images []*imagestore.Image) map[digest.Digest]int {
	count := map[digest.Digest]int{}
	for _, img := range images {
		for _, id := range img.DiffIDs() {
			count[id]++
		}
	}
	return count
}

// references picks the names that one of the patterns of the filter matches, with or without their tag.
func (f Filters) references(names []string) []string {
	picked := []string{}
	for _, name := range names {
		bare := withoutTag(strings.Split(name, "@")[0])
		if f.any("reference", func(pattern string) bool {
			for _, s := range []string{name, bare} {
				if ok, err := path.Match(pattern, s); err == nil && ok {
					return true
				}
			}
			return false
		}) {
			picked = append(picked, name)
		}
	}
	return picked
}

// ancestors is the set of images that the values of the filter name, with those that are made on top of them.
func (e *Engine) ancestors(values map[string]bool) map[string]bool {
	set := map[string]bool{}
	images := e.cfg.Images.List()
	for v := range values {
		base, err := e.cfg.Images.Resolve(v)
		if err != nil {
			e.log.Warn("filter ancestor: no such image", "image", v)
			continue
		}
		below := base.DiffIDs()
		for _, img := range images {
			if own := img.DiffIDs(); img.ID == base.ID || len(own) > len(below) && len(below) > 0 && slices.Equal(own[:len(below)], below) {
				set[img.ID.String()] = true
			}
		}
		set[base.ID.String()] = true
	}
	return set
}

// ImageInspection is an image as API versions up to 1.51 show it.
type ImageInspection struct {
	image.InspectResponse
	Parent        string
	DockerVersion string
}

// ImageInspect describes an image, which must be for the platform, os[/arch[/variant]]; "" is any. Errors: errdefs.ErrNotFound.
func (e *Engine) ImageInspect(_ context.Context, ref, platform string) (ImageInspection, error) {
	img, err := e.cfg.Images.ResolveFor(ref, platform)
	if err != nil {
		return ImageInspection{}, err
	}
	spec := &img.Spec
	config := spec.Config
	comment := img.Comment
	if n := len(spec.History); comment == "" && n > 0 { // images of today have it in their history only
		comment = spec.History[n-1].Comment
	}
	in := ImageInspection{Parent: img.Parent.String(), DockerVersion: img.Version, InspectResponse: image.InspectResponse{
		ID: img.ID.String(), RepoTags: img.RepoTags, RepoDigests: img.RepoDigests, Comment: comment, Author: spec.Author,
		Architecture: spec.Architecture, Variant: spec.Variant, Os: spec.OS, OsVersion: spec.OSVersion, Size: img.Size, Config: &config,
		Metadata:    image.Metadata{LastTagTime: img.LastTagged},
		GraphDriver: &storage.DriverData{Name: driverName, Data: map[string]string{}},
		RootFS:      image.RootFS{Type: "layers"},
	}}
	if t := img.Created(); !t.IsZero() {
		in.Created = t.Format(time.RFC3339Nano)
	}
	for _, id := range img.DiffIDs() {
		in.RootFS.Layers = append(in.RootFS.Layers, id.String())
	}
	return in, nil
}

// ImageHistory lists the steps in which an image was made, the newest first; the image must be for the platform. Errors:
// errdefs.ErrNotFound.
func (e *Engine) ImageHistory(_ context.Context, ref, platform string) ([]image.HistoryResponseItem, error) {
	img, err := e.cfg.Images.ResolveFor(ref, platform)
	if err != nil {
		return nil, err
	}
	list := []image.HistoryResponseItem{}
	for _, h := range img.History() {
		item := image.HistoryResponseItem{ID: "<missing>", CreatedBy: h.CreatedBy, Comment: h.Comment, Size: h.Size}
		if !h.Created.IsZero() {
			item.Created = h.Created.Unix()
		}
		list = append(list, item)
	}
	for i := range list { // the images that it was made on top of here are known
		list[i].ID = img.ID.String()
		if len(img.RepoTags) > 0 {
			list[i].Tags = img.RepoTags
		}
		if img.Parent == "" {
			break
		}
		if img, err = e.cfg.Images.Resolve(img.Parent.String()); err != nil {
			break
		}
	}
	return list, nil
}

// ImageTag gives an image another name. Errors: errdefs.ErrNotFound, errdefs.ErrInvalidArgument.
func (e *Engine) ImageTag(ctx context.Context, ref, repo, tag string) error {
	img, err := e.cfg.Images.Tag(ctx, ref, repo, tag)
	if err != nil {
		return err
	}
	name := repo
	if named, err := reference.ParseNormalizedNamed(repo); err == nil {
		if tag != "" {
			if tagged, err := reference.WithTag(reference.TrimNamed(named), tag); err == nil {
				named = tagged
			}
		}
		name = reference.FamiliarString(reference.TagNameOnly(named))
	}
	e.imageEvent(events.ActionTag, img.ID.String(), name, img)
	return nil
}

// ImageRemoveOptions of [Engine.ImageRemove].
type ImageRemoveOptions struct {
	Force    bool
	NoPrune  bool   // keep the nameless images that it was made on top of
	Platform string // os[/arch[/variant]] that the image must be for; "" is any
}

// ImageRemove removes a name of an image, and with its last name the image. Errors: errdefs.ErrNotFound, ErrConflict if
// a container has it.
func (e *Engine) ImageRemove(ctx context.Context, ref string, opts ImageRemoveOptions) ([]image.DeleteResponse, error) {
	img, err := e.cfg.Images.ResolveFor(ref, opts.Platform)
	if err != nil {
		return nil, err
	}
	done, err := e.cfg.Images.Delete(ctx, ref, imagestore.DeleteOptions{Force: opts.Force, KeepParents: opts.NoPrune, Containers: e.users})
	if err != nil {
		return nil, err
	}
	list := make([]image.DeleteResponse, 0, len(done))
	for _, d := range done {
		list = append(list, image.DeleteResponse{Untagged: d.Untagged, Deleted: d.Deleted.String()})
		switch {
		case d.Untagged != "":
			if d.Image != "" {
				e.imageEvent(events.ActionUnTag, d.Image.String(), d.Image.String(), img)
			}
		case d.Image != "":
			e.imageEvent(events.ActionDelete, d.Image.String(), d.Image.String(), nil) // its labels are gone with it
		}
	}
	return list, nil
}
