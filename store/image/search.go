package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/registry"
)

const (
	searchIndex   = "index.docker.io"
	defaultSearch = 25
	maxSearch     = 100
)

// Search asks Docker Hub, or the registry that a term begins with ("host:port/term"), for repositories by the search that
// registries had before the distribution API: few others than the Hub have it. limit 0 is 25.
func (s *Store) Search(ctx context.Context, term string, limit int, auth *registry.AuthConfig) ([]registry.SearchResult, error) {
	if strings.Contains(term, "://") {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("invalid repository name: repository name (%s) should not have a scheme", term))
	}
	if limit == 0 {
		limit = defaultSearch
	}
	if limit < 1 || limit > maxSearch {
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("limit %d is outside the range of [1, %d]", limit, maxSearch))
	}
	domain, rest, ok := strings.Cut(term, "/")
	if !ok || !strings.ContainsAny(domain, ".:") && domain != "localhost" {
		domain, rest = "docker.io", strings.TrimPrefix(term, "library/")
	}
	endpoints, err := s.registries.endpoints(domain)
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		if e.mirror {
			continue
		}
		if e.host == dockerHub {
			e.host = searchIndex
		}
		var results []registry.SearchResult
		if results, err = e.search(ctx, rest, limit, auth); err == nil || ctx.Err() != nil {
			return results, err
		}
	}
	return nil, err
}

func (e endpoint) search(ctx context.Context, term string, limit int, auth *registry.AuthConfig) ([]registry.SearchResult, error) {
	address := e.scheme + "://" + e.host + e.path + "/v1/search?q=" + url.QueryEscape(term) + "&n=" + strconv.Itoa(limit)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if auth != nil && auth.Username != "" && auth.Password != "" {
		req.SetBasicAuth(auth.Username, auth.Password)
	}
	transport, err := e.transport()
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errdefs.ErrUnknown.WithMessage(fmt.Sprintf("Unexpected status code %d: %s has no search", resp.StatusCode, e.host))
	}
	var found registry.SearchResults
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxManifest)).Decode(&found); err != nil {
		return nil, fmt.Errorf("search %s: %w", e.host, err)
	}
	return found.Results, nil
}
