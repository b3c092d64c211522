package runtime

import (
	"context"
	"strconv"

	"github.com/moby/moby/api/types/registry"
)

// SearchOptions of [Engine.ImageSearch].
type SearchOptions struct {
	Term    string
	Limit   int // 0 is 25
	Filters Filters
	Auth    *registry.AuthConfig
}

var searchFilters = filterKeys("is-automated", "is-official", "stars")

// ImageSearch asks Docker Hub, or the registry that the term begins with, for repositories. Errors: errdefs.ErrInvalidArgument;
// those of the registry as they are.
func (e *Engine) ImageSearch(ctx context.Context, opts SearchOptions) ([]registry.SearchResult, error) {
	if err := opts.Filters.check(searchFilters); err != nil {
		return nil, err
	}
	automated, err := opts.Filters.boolean("is-automated", false)
	if err != nil {
		return nil, err
	}
	official, err := opts.Filters.boolean("is-official", false)
	if err != nil {
		return nil, err
	}
	stars := 0
	for v := range opts.Filters["stars"] {
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, invalid("invalid filter 'stars=%s': %v", v, err)
		}
		stars = max(stars, n)
	}
	results := []registry.SearchResult{}
	if automated { // there are none any more
		return results, nil
	}
	found, err := e.cfg.Images.Search(ctx, opts.Term, opts.Limit, opts.Auth)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		if opts.Filters.has("is-official") && r.IsOfficial != official || r.StarCount < stars {
			continue
		}
		results = append(results, registry.SearchResult{Name: r.Name, Description: r.Description, IsOfficial: r.IsOfficial, StarCount: r.StarCount})
	}
	return results, nil
}
