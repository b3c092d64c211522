package ecr

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/registry"
)

// image is one of a repository with its tags.
type image struct {
	registry.Manifest
	tags []string
}

// images are those of a repository, in the order of their digests.
func (e *ECR) images(_ context.Context, name string) ([]image, error) {
	all, err := e.config.Registry.Manifests(name)
	if err != nil {
		return nil, err
	}
	var list []image
	for _, m := range all {
		if strings.Contains(m.Reference, ":") {
			list = append(list, image{Manifest: m})
		}
	}
	for _, m := range all {
		for i := range list {
			if m.Reference != list[i].Reference && m.Digest() == list[i].Reference {
				list[i].tags = append(list[i].tags, m.Reference)
			}
		}
	}
	return list, nil
}

// named finds the image of an identifier.
func named(list []image, id types.ImageIdentifier) (image, types.ImageFailureCode) {
	digest, tag := aws.ToString(id.ImageDigest), aws.ToString(id.ImageTag)
	if digest == "" && tag == "" {
		return image{}, types.ImageFailureCodeMissingDigestAndTag
	}
	for _, i := range list {
		switch {
		case digest != "" && i.Reference != digest, digest == "" && !slices.Contains(i.tags, tag):
			continue
		case tag != "" && !slices.Contains(i.tags, tag):
			return image{}, types.ImageFailureCodeImageTagDoesNotMatchDigest
		}
		return i, ""
	}
	return image{}, types.ImageFailureCodeImageNotFound
}

// failure is of an identifier that names nothing.
func failure(id types.ImageIdentifier, code types.ImageFailureCode) types.ImageFailure {
	text := "Requested image not found"
	switch code {
	case types.ImageFailureCodeMissingDigestAndTag:
		text = "Invalid request parameters: both tag and digest cannot be null"
	case types.ImageFailureCodeImageTagDoesNotMatchDigest:
		text = "The image tag does not match the image digest"
	case types.ImageFailureCodeImageReferencedByManifestList:
		text = "Requested image referenced by manifest list"
	}
	return types.ImageFailure{FailureCode: code, FailureReason: aws.String(text), ImageId: &id}
}

// of finds a repository and its images.
func (e *ECR) of(ctx context.Context, name *string) (repository, []image, error) {
	r, err := e.repository(name)
	if err != nil {
		return r, nil, err
	}
	list, err := e.images(ctx, aws.ToString(name))
	return r, list, err
}

// keeps tells whether a filter of tagged or untagged images lets one through.
func keeps(status types.TagStatus, tagged bool) bool {
	return status == "" || status == types.TagStatusAny || tagged == (status == types.TagStatusTagged)
}

func (e *ECR) describeImages(ctx context.Context, _ *wire.Call, in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	_, list, err := e.of(ctx, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(in.ImageIds) > 0 {
		var chosen []image
		for _, id := range in.ImageIds {
			found, code := named(list, id)
			if code != "" {
				return nil, &wire.Error{Code: "ImageNotFoundException", Message: fmt.Sprintf("The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' %s",
					orNull(id.ImageDigest), orNull(id.ImageTag), aws.ToString(in.RepositoryName), e.inRegistry())}
			}
			chosen = append(chosen, found)
		}
		list = chosen
	}
	var details []types.ImageDetail
	for _, i := range list {
		if in.Filter != nil && !keeps(in.Filter.TagStatus, len(i.tags) > 0) {
			continue
		}
		var m parsed
		if err := json.Unmarshal(i.Body, &m); err != nil {
			return nil, err
		}
		d := types.ImageDetail{
			ImageDigest: aws.String(i.Reference), ImageTags: i.tags, RegistryId: aws.String(e.config.Account), RepositoryName: in.RepositoryName,
			ImagePushedAt: aws.Time(i.Pushed), ImageManifestMediaType: aws.String(i.Kind),
		}
		if m.Config != nil {
			size := m.Config.Size
			for _, l := range m.Layers {
				size += l.Size
			}
			d.ArtifactMediaType, d.ImageSizeInBytes = aws.String(m.Config.MediaType), aws.Int64(size)
		}
		details = append(details, d)
	}
	page, next, err := wire.Page(details, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 1000)
	return &ecr.DescribeImagesOutput{ImageDetails: page, NextToken: next}, err
}

func orNull(text *string) string {
	if text == nil {
		return "null"
	}
	return *text
}

func (e *ECR) listImages(ctx context.Context, _ *wire.Call, in *ecr.ListImagesInput) (*ecr.ListImagesOutput, error) {
	_, list, err := e.of(ctx, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	var ids []types.ImageIdentifier
	for _, i := range list {
		if in.Filter != nil && !keeps(in.Filter.TagStatus, len(i.tags) > 0) {
			continue
		}
		if len(i.tags) == 0 {
			ids = append(ids, types.ImageIdentifier{ImageDigest: aws.String(i.Reference)})
		}
		for _, tag := range i.tags {
			ids = append(ids, types.ImageIdentifier{ImageDigest: aws.String(i.Reference), ImageTag: aws.String(tag)})
		}
	}
	page, next, err := wire.Page(ids, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 1000)
	return &ecr.ListImagesOutput{ImageIds: page, NextToken: next}, err
}

// mostIDs is how many images one call may name.
const mostIDs = 100

func (e *ECR) batchGetImage(ctx context.Context, _ *wire.Call, in *ecr.BatchGetImageInput) (*ecr.BatchGetImageOutput, error) {
	_, list, err := e.of(ctx, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(in.ImageIds) == 0 || len(in.ImageIds) > mostIDs {
		return nil, invalid("Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length between 1 and %d'", mostIDs)
	}
	out := &ecr.BatchGetImageOutput{Images: []types.Image{}, Failures: []types.ImageFailure{}}
	for _, id := range in.ImageIds {
		i, code := named(list, id)
		if code == "" && len(in.AcceptedMediaTypes) > 0 && !slices.Contains(in.AcceptedMediaTypes, i.Kind) {
			code = types.ImageFailureCodeImageNotFound
		}
		if code != "" {
			out.Failures = append(out.Failures, failure(id, code))
			continue
		}
		out.Images = append(out.Images, types.Image{
			ImageId: &types.ImageIdentifier{ImageDigest: aws.String(i.Reference), ImageTag: id.ImageTag}, ImageManifest: aws.String(string(i.Body)),
			ImageManifestMediaType: aws.String(i.Kind), RegistryId: aws.String(e.config.Account), RepositoryName: in.RepositoryName,
		})
	}
	return out, nil
}

// batchDeleteImage takes a tag away, and the image with its last tag; by its digest an image goes with all its tags.
func (e *ECR) batchDeleteImage(ctx context.Context, _ *wire.Call, in *ecr.BatchDeleteImageInput) (*ecr.BatchDeleteImageOutput, error) {
	if len(in.ImageIds) == 0 || len(in.ImageIds) > mostIDs {
		return nil, invalid("Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length between 1 and %d'", mostIDs)
	}
	out := &ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{}, Failures: []types.ImageFailure{}}
	for _, id := range in.ImageIds {
		_, list, err := e.of(ctx, in.RepositoryName)
		if err != nil {
			return nil, err
		}
		i, code := named(list, id)
		if code == "" && (id.ImageTag == nil || len(i.tags) == 1) && listed(list, i.Reference) {
			code = types.ImageFailureCodeImageReferencedByManifestList
		}
		if code != "" {
			out.Failures = append(out.Failures, failure(id, code))
			continue
		}
		gone := i.tags
		if id.ImageTag != nil {
			gone = []string{*id.ImageTag}
		}
		for _, tag := range gone {
			if err := e.remove(ctx, aws.ToString(in.RepositoryName), tag); err != nil {
				return nil, err
			}
			out.ImageIds = append(out.ImageIds, types.ImageIdentifier{ImageDigest: aws.String(i.Reference), ImageTag: aws.String(tag)})
		}
		if len(gone) < len(i.tags) {
			continue
		}
		if err := e.remove(ctx, aws.ToString(in.RepositoryName), i.Reference); err != nil {
			return nil, err
		}
		if len(gone) == 0 {
			out.ImageIds = append(out.ImageIds, types.ImageIdentifier{ImageDigest: aws.String(i.Reference)})
		}
	}
	return out, nil
}

// listed tells whether a list of images has one.
func listed(list []image, digest string) bool {
	return slices.ContainsFunc(list, func(i image) bool {
		var m parsed
		return json.Unmarshal(i.Body, &m) == nil && slices.ContainsFunc(m.Manifests, func(d struct{ Digest string }) bool { return d.Digest == digest })
	})
}
