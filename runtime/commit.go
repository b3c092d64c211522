package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/distribution/reference"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/runtime/dockerfile"
	imagestore "github.com/sockerless/sockerless/store/image"
)

// CommitOptions of [Engine.ContainerCommit].
type CommitOptions struct {
	Container       string
	Repository, Tag string // the image's name; "" for none
	Comment, Author string
	Pause           bool          // the container's processes while it is read
	Changes         []string      // instructions of a Dockerfile
	Config          *types.Config // what the image has in place of the container's; nil for nothing
}

// ContainerCommit makes an image of a container's changes, and returns its id. What is mounted in the container is not in it.
// Errors: errdefs.ErrNotFound, ErrConflict, ErrInvalidArgument.
func (e *Engine) ContainerCommit(ctx context.Context, opts CommitOptions) (string, error) {
	name, err := repoTag(opts.Repository, opts.Tag)
	if err != nil {
		return "", err
	}
	c, err := e.lookup(opts.Container)
	if err != nil {
		return "", err
	}
	d, err := e.definition(c)
	if err != nil {
		return "", err
	}
	if c.isRemoving() {
		return "", conflict("You cannot commit container %s which is being removed", c.id)
	}
	config := opts.Config
	if config == nil {
		own := *d.Config
		config = &own
	}
	if err := dockerfile.Apply(config, opts.Changes, knownSignal); err != nil {
		return "", err
	}
	mergeConfig(config, imageConfig(d.Config))
	if opts.Pause && c.record().Status == types.StateRunning {
		if err := e.ContainerPause(ctx, c.id); err == nil { // it may have ended meanwhile: then nothing changes either
			defer func() {
				if err := e.ContainerUnpause(context.WithoutCancel(ctx), c.id); err != nil {
					e.log.Warn("go on after a commit", "container", c.id, "error", err)
				}
			}()
		}
	}
	img, err := e.makeImage(ctx, c, d, config, opts, name)
	if err != nil {
		return "", err
	}
	e.imageEvent(events.ActionCreate, img.ID.String(), img.ID.String(), img)
	ref := ""
	if name != nil {
		ref = reference.FamiliarString(name)
		e.imageEvent(events.ActionTag, img.ID.String(), ref, img)
	}
	e.containerEvent(c, d, events.ActionCommit, "comment", opts.Comment, "imageID", img.ID.String(), "imageRef", ref)
	return img.ID.String(), nil
}

func knownSignal(name string) error {
	_, err := parseSignal(name)
	return err
}

// repoTag is a name in two pieces, of which the first may be the whole; nil for none.
func repoTag(repository, tag string) (reference.Named, error) {
	if repository == "" {
		return nil, nil
	}
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, invalid("cannot import digest reference")
	}
	if tag != "" {
		if named, err = reference.WithTag(reference.TrimNamed(named), tag); err != nil {
			return nil, invalid("%v", err)
		}
	}
	return reference.TagNameOnly(named), nil
}

// makeImage reads the container's changes into a layer of an image.
func (e *Engine) makeImage(ctx context.Context, c *container, d *definition, config *types.Config, opts CommitOptions, name reference.Named) (*imagestore.Image, error) {
	l, err := e.files(ctx, c)
	if err != nil {
		return nil, err
	}
	changes, err := l.Delta(ctx, &agentpb.DeltaRequest{Container: c.id, Whole: true})
	if err != nil {
		return nil, fmt.Errorf("read the changes of container %s: %w", c.id, err)
	}
	defer changes.Close()
	parent := digest.Digest(c.record().ImageID)
	img, err := e.cfg.Images.Create(ctx, imagestore.Creation{Parent: parent, Tar: changes, Name: name,
		Config: func(below *imagestore.Image, diffIDs []digest.Digest, empty bool) ([]byte, error) {
			now := time.Now().UTC()
			spec := below.Spec
			spec.Created, spec.Author, spec.Config = &now, opts.Author, imageConfig(config)
			spec.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}
			spec.History = append(spec.History[:len(spec.History):len(spec.History)], ocispec.History{
				Created: &now, CreatedBy: strings.Join(d.Config.Cmd, " "), Author: opts.Author, Comment: opts.Comment, EmptyLayer: empty,
			})
			return json.Marshal(spec)
		}})
	if err != nil {
		return nil, fmt.Errorf("commit container %s: %w", c.id, err)
	}
	return img, nil
}

// imageConfig is the part of a container's configuration that an image has.
func imageConfig(c *types.Config) dockerspec.DockerOCIImageConfig {
	config := dockerspec.DockerOCIImageConfig{
		ImageConfig: ocispec.ImageConfig{
			User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Volumes: c.Volumes, WorkingDir: c.WorkingDir, Labels: c.Labels,
			StopSignal: c.StopSignal,
		},
		DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{Healthcheck: c.Healthcheck, OnBuild: c.OnBuild, Shell: c.Shell},
	}
	for port := range c.ExposedPorts {
		if config.ExposedPorts == nil {
			config.ExposedPorts = map[string]struct{}{}
		}
		config.ExposedPorts[port.String()] = struct{}{}
	}
	return config
}
