package runtime

import (
	"context"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/image"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	imagestore "github.com/sockerless/sockerless/store/image"
)

var imagePruneFilters = filterKeys("dangling", "label", "label!", "until")

// ImagePrune removes the images that no container has and that have no tag or, with the filter dangling=false, any. Errors:
// errdefs.ErrInvalidArgument for a filter.
func (e *Engine) ImagePrune(ctx context.Context, filters Filters) (image.PruneReport, error) {
	var report image.PruneReport
	if err := filters.check(imagePruneFilters); err != nil {
		return report, err
	}
	dangling, err := filters.boolean("dangling", true)
	if err != nil {
		return report, err
	}
	until, err := filters.until()
	if err != nil {
		return report, err
	}
	used := map[digest.Digest]bool{}
	for _, u := range e.users() {
		used[u.Image] = true
	}
	images := e.cfg.Images.List()
	sizes := chainSizes(images)
	for _, img := range images {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		labels := img.Spec.Config.Labels
		nameless := len(img.RepoTags) == 0 && len(img.RepoDigests) == 0
		if used[img.ID] || dangling && len(img.RepoTags) > 0 || img.HasChildren && (dangling || nameless) || !until.IsZero() && img.Created().After(until) ||
			!filters.labels("label", labels) || !filters.noLabels("label!", labels) {
			continue
		}
		for _, done := range e.pruneImage(ctx, img) {
			report.ImagesDeleted = append(report.ImagesDeleted, done)
			report.SpaceReclaimed += uint64(sizes[digest.Digest(done.Deleted)])
		}
	}
	e.publish(events.ImageEventType, events.ActionPrune, "", map[string]string{"reclaimed": strconv.FormatUint(report.SpaceReclaimed, 10)})
	return report, nil
}

// pruneImage removes an image by its names, so that one which gets another name or a container meanwhile stays.
func (e *Engine) pruneImage(ctx context.Context, img *imagestore.Image) []image.DeleteResponse {
	names := slices.Concat(img.RepoTags, img.RepoDigests)
	if len(names) == 0 {
		names = []string{img.ID.String()}
	}
	var all []image.DeleteResponse
	for _, name := range names {
		done, err := e.ImageRemove(ctx, name, ImageRemoveOptions{})
		if err != nil { // its last tag took the digests with it, or it is in use by now
			e.log.Debug("prune an image", "name", name, "error", err)
			continue
		}
		all = append(all, done...)
	}
	return all
}

// chainSizes are the bytes of all layers, by the chain ids under which a removal reports them.
func chainSizes(images []*imagestore.Image) map[digest.Digest]int64 {
	sizes := map[digest.Digest]int64{}
	for _, img := range images {
		for i, chain := range identity.ChainIDs(slices.Clone(img.DiffIDs())) {
			if i < len(img.LayerSizes) {
				sizes[chain] = img.LayerSizes[i]
			}
		}
	}
	return sizes
}
