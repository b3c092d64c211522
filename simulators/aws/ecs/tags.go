package ecs

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// mostTags is how many a resource may have.
const mostTags = 50

func checkTags(tags []types.Tag) error {
	if len(tags) > mostTags {
		return invalid("Tags can not have more than %d elements.", mostTags)
	}
	for _, t := range tags {
		if key := aws.ToString(t.Key); key == "" || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return invalid("Tag key %q is invalid: it must be there, and must not begin with aws:", key)
		}
	}
	return nil
}

// with are tags with others in addition, those of the same keys replaced.
func with(tags, more []types.Tag) []types.Tag {
	var keys []string
	for _, t := range more {
		keys = append(keys, aws.ToString(t.Key))
	}
	return append(without(tags, keys), more...)
}

// without are tags without some, in a list of their own.
func without(tags []types.Tag, keys []string) []types.Tag {
	return slices.DeleteFunc(append([]types.Tag{}, tags...), func(t types.Tag) bool { return slices.Contains(keys, aws.ToString(t.Key)) })
}

// retag changes the tags of what an ARN names, and returns them.
func (e *ECS) retag(ctx context.Context, arn *string, f func(tags []types.Tag) []types.Tag) (tags []types.Tag, err error) {
	_, resource, _ := strings.Cut(aws.ToString(arn), ":ecs:")
	kind, name, _ := strings.Cut(resource[strings.LastIndex(resource[:strings.Index(resource+"/", "/")], ":")+1:], "/")
	missing := &wire.Error{Code: "ResourceNotFoundException", Message: "The specified resource " + aws.ToString(arn) + " was not found."}
	switch kind {
	case "cluster":
		_, err = e.clusters.Update(ctx, name, func(c types.Cluster, ok bool) (types.Cluster, error) {
			if !ok {
				return c, missing
			}
			c.Tags = f(c.Tags)
			tags = c.Tags
			return c, nil
		})
	case "task-definition":
		_, err = e.definitions.Update(ctx, name, func(d definition, ok bool) (definition, error) {
			if !ok {
				return d, missing
			}
			d.Tags = f(d.Tags)
			tags = d.Tags
			return d, nil
		})
	case "task":
		_, err = e.tasks.Update(ctx, path.Base(name), func(t task, ok bool) (task, error) {
			if !ok {
				return t, missing
			}
			t.Tags = f(t.Tags)
			tags = t.Tags
			return t, nil
		})
	default:
		err = invalid("The specified ARN %s is not one of a cluster, a task definition or a task.", aws.ToString(arn))
	}
	return tags, err
}

func (e *ECS) tagResource(ctx context.Context, _ *wire.Call, in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	_, err := e.retag(ctx, in.ResourceArn, func(tags []types.Tag) []types.Tag { return with(tags, in.Tags) })
	return &ecs.TagResourceOutput{}, err
}

func (e *ECS) untagResource(ctx context.Context, _ *wire.Call, in *ecs.UntagResourceInput) (*ecs.UntagResourceOutput, error) {
	_, err := e.retag(ctx, in.ResourceArn, func(tags []types.Tag) []types.Tag { return without(tags, in.TagKeys) })
	return &ecs.UntagResourceOutput{}, err
}

func (e *ECS) listTagsForResource(ctx context.Context, _ *wire.Call, in *ecs.ListTagsForResourceInput) (*ecs.ListTagsForResourceOutput, error) {
	tags, err := e.retag(ctx, in.ResourceArn, func(tags []types.Tag) []types.Tag { return append([]types.Tag{}, tags...) })
	return &ecs.ListTagsForResourceOutput{Tags: tags}, err
}
