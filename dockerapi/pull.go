package dockerapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// createImage serves POST /images/create: docker pull, and docker import.
func createImage(c *call) error {
	if c.value("fromImage") != "" {
		return pullImage(c)
	}
	if c.value("fromSrc") == "" {
		return invalid("fromImage or fromSrc is missing: the name of an image to pull, or where to import one from")
	}
	return importImage(c)
}

// pullImage is POST /images/create with fromImage. What fails before the first line of progress is an error with its status,
// as dockerd has it; what fails later is a line of the stream.
func pullImage(c *call) error {
	ref, err := pullReference(c.value("fromImage"), c.value("tag"))
	if err != nil {
		return err
	}
	opts := runtime.PullOptions{Reference: ref, Auth: registryAuth(c.Header(registry.AuthHeader))}
	if c.version >= 32 {
		opts.Platform = c.value("platform")
	}
	engine := c.engine
	c.w.Stream(http.StatusOK, "application/json", func(ctx context.Context, s *transport.Stream) error {
		lines := &progressLines{to: s}
		opts.Progress = lines.write
		return lines.finish(engine.ImagePull(ctx, opts))
	})
	return nil
}

// pullReference joins what the client sent in two pieces; a tag may be a digest (moby's postImagesCreate).
func pullReference(name, tag string) (string, error) {
	// "docker pull -a" once sent a name with a colon at the end.
	ref, err := reference.ParseNormalizedNamed(strings.TrimSuffix(name, ":"))
	if err != nil {
		return "", invalid(err.Error())
	}
	if tag != "" {
		if d, digestErr := digest.Parse(tag); digestErr == nil {
			ref, err = reference.WithDigest(reference.TrimNamed(ref), d)
		} else {
			ref, err = reference.WithTag(ref, tag)
		}
		if err != nil {
			return "", invalid(err.Error())
		}
	}
	if reference.IsNameOnly(ref) {
		return "", errdefs.ErrNotImplemented.WithMessage("pulling all tags of " + reference.FamiliarName(ref) + " is not implemented: name one with tag=")
	}
	return reference.FamiliarString(ref), nil
}

// registryAuth decodes X-Registry-Auth, base64url of JSON. dockerd takes what it cannot decode for no credentials, and clients
// rely on that: some send "null", or nothing but a header.
func registryAuth(header string) *registry.AuthConfig {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(header, "="))
	if err != nil || len(raw) == 0 {
		return nil
	}
	var auth registry.AuthConfig
	if err := json.Unmarshal(raw, &auth); err != nil || auth == (registry.AuthConfig{}) {
		return nil
	}
	return &auth
}

// progressLines writes lines of progress, each with what clients before progressDetail read: a drawn bar, and the error's text.
type progressLines struct {
	to  *transport.Stream
	err error // of an earlier write: the client has gone
}

// progressLine is a line; the fields `progress` and `error` are deprecated, and still there in API 1.51.
type progressLine struct {
	jsonstream.Message
	Bar   string `json:"progress,omitempty"`
	Error string `json:"error,omitempty"`
}

func (l *progressLines) write(m jsonstream.Message) {
	line := progressLine{Message: m}
	if m.Progress != nil {
		line.Bar = progressBar(m.Progress)
	}
	l.send(line)
}

// finish ends the stream with an error in it, or as any handler would where nothing was sent yet.
func (l *progressLines) finish(err error) error {
	if err == nil || !l.to.Started() {
		return err
	}
	return l.fail(err)
}

// fail tells an error in the stream, which then ends well.
func (l *progressLines) fail(err error) error {
	l.send(progressLine{Message: jsonstream.Message{Error: &jsonstream.Error{Message: err.Error()}}, Error: err.Error()})
	return l.err
}

func (l *progressLines) send(line progressLine) {
	if l.err != nil {
		return
	}
	body, err := encode(line)
	if err == nil {
		body = append(body[:len(body)-1], "\r\n"...) // moby's streamformatter
		_, err = l.to.Write(body)
	}
	l.err = errors.Join(err, l.to.Flush())
}
