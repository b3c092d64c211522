package dockerapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// pushImage serves POST /images/{name}/push; without a tag all tags are meant.
func pushImage(c *call) error {
	ref, err := reference.ParseNormalizedNamed(c.name)
	if err == nil {
		if _, digested := ref.(reference.Digested); digested && c.value("tag") != "" {
			return invalid("cannot import digest reference")
		}
		if tag := c.value("tag"); tag != "" {
			ref, err = reference.WithTag(reference.TrimNamed(ref), tag)
		}
	}
	if err != nil {
		return invalid(err.Error())
	}
	platform, err := c.platform(46)
	if err != nil {
		return err
	}
	opts := runtime.PushOptions{Reference: ref.String(), Platform: platform, Auth: registryAuth(c.Header(registry.AuthHeader))}
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		lines := &progressLines{to: s}
		opts.Progress = lines.write
		return lines.finish(c.engine.ImagePush(ctx, opts))
	})
	return nil
}

// platform is the query's platform, JSON of OCI's, as os/arch[/variant]; "" for none, and from clients before the version that
// brought it.
func (c *call) platform(since version) (string, error) {
	all := c.Query()["platform"]
	if c.version < since || len(all) == 0 || all[0] == "" {
		return "", nil
	}
	if len(all) > 1 {
		return "", invalid("multiple platform parameters not supported")
	}
	return decodePlatform(all[0])
}

func decodePlatform(text string) (string, error) {
	var p ocispec.Platform
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", invalid("failed to parse platform: " + err.Error())
	}
	switch more := p.Variant != "" || p.OSVersion != "" || len(p.OSFeatures) > 0; {
	case p.OS == "" && p.Architecture == "" && more:
		return "", invalid("optional platform fields provided, but OS and Architecture are missing")
	case p.OS == "" || p.Architecture == "":
		return "", invalid("both OS and Architecture must be provided")
	}
	text = p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text, nil
}

// inspectDistribution serves GET /distribution/{name}/json.
func inspectDistribution(c *call) error {
	found, err := c.engine.DistributionInspect(c.Context(), c.name, registryAuth(c.Header(registry.AuthHeader)))
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, found)
}

// searchImages serves GET /images/search.
func searchImages(c *call) error {
	opts := runtime.SearchOptions{Term: c.value("term"), Auth: registryAuth(c.Header(registry.AuthHeader))}
	if text := c.value("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err == nil && n < 0 {
			err = errors.New("it is negative")
		}
		if err != nil {
			return invalid("invalid limit specified: " + err.Error())
		}
		opts.Limit = n
	}
	var err error
	if opts.Filters, err = runtime.ParseFilters(c.value("filters")); err != nil {
		return err
	}
	results, err := c.engine.ImageSearch(c.Context(), opts)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, results)
}
