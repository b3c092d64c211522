package efs

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/sockerless/sockerless/simulators/aws/ec2"
	"github.com/sockerless/sockerless/simulators/aws/wire"
)

func (e *EFS) createMountTarget(ctx context.Context, c *wire.Call, in *efs.CreateMountTargetInput) (*types.MountTargetDescription, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.system(c, in.FileSystemId)
	if err != nil {
		return nil, err
	}
	for _, t := range e.targets.All() {
		if equal(t.FileSystemId, s.FileSystemId) && equal(t.SubnetId, in.SubnetId) {
			return nil, failure(http.StatusConflict, "MountTargetConflict", "mount target already exists in this AZ")
		}
	}
	id := newID("fsmt")
	n, err := e.config.Network.Attach(ctx, ec2.Attachment{Region: c.Region, Owner: id, Subnets: []string{aws.ToString(in.SubnetId)}, Groups: in.SecurityGroups})
	if err != nil {
		return nil, failure(http.StatusBadRequest, "SubnetNotFound", "The subnet ID '%s' does not exist, or is full: %s", aws.ToString(in.SubnetId), err)
	}
	t := mountTarget{Region: c.Region, Groups: in.SecurityGroups, MountTargetDescription: types.MountTargetDescription{
		MountTargetId: &id, FileSystemId: s.FileSystemId, SubnetId: in.SubnetId, VpcId: &n.VPC, OwnerId: &e.config.Account, LifeCycleState: types.LifeCycleStateAvailable,
		IpAddress: &n.Address, NetworkInterfaceId: &n.ID}}
	return &t.MountTargetDescription, e.targets.Put(ctx, id, t)
}

func (e *EFS) target(c *wire.Call, id *string) (mountTarget, error) {
	t, ok := e.targets.Get(aws.ToString(id))
	if !ok || t.Region != c.Region {
		return t, noTarget(aws.ToString(id))
	}
	return t, nil
}

func (e *EFS) describeMountTargets(_ context.Context, c *wire.Call, in *efs.DescribeMountTargetsInput) (*efs.DescribeMountTargetsOutput, error) {
	system := in.FileSystemId
	switch {
	case in.MountTargetId != nil:
		if _, err := e.target(c, in.MountTargetId); err != nil {
			return nil, err
		}
	case in.AccessPointId != nil:
		p, err := e.point(c, in.AccessPointId)
		if err != nil {
			return nil, err
		}
		system = p.FileSystemId
	default:
		if _, err := e.system(c, in.FileSystemId); err != nil {
			return nil, err
		}
	}
	list := []types.MountTargetDescription{}
	for _, t := range e.targets.All() {
		if t.Region == c.Region && (in.MountTargetId == nil || equal(t.MountTargetId, in.MountTargetId)) && (system == nil || equal(t.FileSystemId, system)) {
			list = append(list, t.MountTargetDescription)
		}
	}
	page, next, err := wire.Page(list, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &efs.DescribeMountTargetsOutput{MountTargets: page, NextMarker: next, Marker: in.Marker}, err
}

func (e *EFS) deleteMountTarget(ctx context.Context, c *wire.Call, in *efs.DeleteMountTargetInput) (*efs.DeleteMountTargetOutput, error) {
	t, err := e.target(c, in.MountTargetId)
	if err != nil {
		return nil, err
	}
	if err := e.config.Network.Detach(ctx, c.Region, *t.MountTargetId); err != nil {
		return nil, err
	}
	return &efs.DeleteMountTargetOutput{}, e.targets.Delete(ctx, *t.MountTargetId)
}

func (e *EFS) describeMountTargetSecurityGroups(_ context.Context, c *wire.Call, in *efs.DescribeMountTargetSecurityGroupsInput) (*efs.DescribeMountTargetSecurityGroupsOutput, error) {
	t, err := e.target(c, in.MountTargetId)
	return &efs.DescribeMountTargetSecurityGroupsOutput{SecurityGroups: append([]string{}, t.Groups...)}, err
}

func (e *EFS) point(c *wire.Call, id *string) (accessPoint, error) {
	p, ok := e.points.Get(path.Base(aws.ToString(id)))
	if !ok || p.Region != c.Region {
		return p, noPoint(aws.ToString(id))
	}
	return p, nil
}

func (e *EFS) createAccessPoint(ctx context.Context, c *wire.Call, in *efs.CreateAccessPointInput) (*types.AccessPointDescription, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := e.system(c, in.FileSystemId)
	if err != nil {
		return nil, err
	}
	for _, p := range e.points.All() {
		if p.Region == c.Region && equal(p.ClientToken, in.ClientToken) {
			return nil, &wire.Error{Status: http.StatusConflict, Code: "AccessPointAlreadyExists", Message: "Access point already exists with this client token", Fields: map[string]any{"AccessPointId": *p.AccessPointId}}
		}
	}
	id := newID("fsap")
	root := in.RootDirectory
	if root == nil {
		root = &types.RootDirectory{Path: aws.String("/")}
	}
	p := accessPoint{Region: c.Region, AccessPointDescription: types.AccessPointDescription{
		AccessPointId: &id, AccessPointArn: e.arn(c.Region, "access-point", id), ClientToken: in.ClientToken, FileSystemId: s.FileSystemId, LifeCycleState: types.LifeCycleStateAvailable,
		Name: name(in.Tags), OwnerId: &e.config.Account, PosixUser: in.PosixUser, RootDirectory: root, Tags: append([]types.Tag{}, in.Tags...)}}
	return &p.AccessPointDescription, e.points.Put(ctx, id, p)
}

func (e *EFS) describeAccessPoints(_ context.Context, c *wire.Call, in *efs.DescribeAccessPointsInput) (*efs.DescribeAccessPointsOutput, error) {
	if in.AccessPointId != nil {
		if _, err := e.point(c, in.AccessPointId); err != nil {
			return nil, err
		}
	}
	list := []types.AccessPointDescription{}
	for _, p := range e.points.All() {
		if p.Region == c.Region && (in.AccessPointId == nil || *p.AccessPointId == path.Base(*in.AccessPointId)) && (in.FileSystemId == nil || equal(p.FileSystemId, in.FileSystemId)) {
			list = append(list, p.AccessPointDescription)
		}
	}
	page, next, err := wire.Page(list, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 100)
	return &efs.DescribeAccessPointsOutput{AccessPoints: page, NextToken: next}, err
}

func (e *EFS) deleteAccessPoint(ctx context.Context, c *wire.Call, in *efs.DeleteAccessPointInput) (*efs.DeleteAccessPointOutput, error) {
	p, err := e.point(c, in.AccessPointId)
	if err != nil {
		return nil, err
	}
	return &efs.DeleteAccessPointOutput{}, e.points.Delete(ctx, *p.AccessPointId)
}

// tags are those of a file system or an access point, by id or ARN.
func (e *EFS) tags(c *wire.Call, id *string) ([]types.Tag, error) {
	if strings.HasPrefix(path.Base(aws.ToString(id)), "fsap-") {
		p, err := e.point(c, id)
		return p.Tags, err
	}
	s, err := e.system(c, id)
	return s.Tags, err
}

func (e *EFS) setTags(ctx context.Context, c *wire.Call, id *string, tags []types.Tag) error {
	if strings.HasPrefix(path.Base(aws.ToString(id)), "fsap-") {
		p, err := e.point(c, id)
		if err != nil {
			return err
		}
		p.Tags, p.Name = tags, name(tags)
		return e.points.Put(ctx, *p.AccessPointId, p)
	}
	return e.change(ctx, c, id, func(s *fileSystem) { s.Tags, s.Name = tags, name(tags) })
}

func (e *EFS) listTags(_ context.Context, c *wire.Call, in *efs.ListTagsForResourceInput) (*efs.ListTagsForResourceOutput, error) {
	tags, err := e.tags(c, in.ResourceId)
	return &efs.ListTagsForResourceOutput{Tags: append([]types.Tag{}, tags...)}, err
}

func (e *EFS) tagResource(ctx context.Context, c *wire.Call, in *efs.TagResourceInput) (*efs.TagResourceOutput, error) {
	tags, err := e.tags(c, in.ResourceId)
	if err != nil {
		return nil, err
	}
	tags = slices.Clone(tags)
	for _, t := range in.Tags {
		tags = append(slices.DeleteFunc(tags, func(old types.Tag) bool { return equal(old.Key, t.Key) }), t)
	}
	return &efs.TagResourceOutput{}, e.setTags(ctx, c, in.ResourceId, tags)
}

func (e *EFS) untagResource(ctx context.Context, c *wire.Call, in *efs.UntagResourceInput) (*efs.UntagResourceOutput, error) {
	tags, err := e.tags(c, in.ResourceId)
	if err != nil {
		return nil, err
	}
	tags = slices.DeleteFunc(slices.Clone(tags), func(t types.Tag) bool { return slices.Contains(in.TagKeys, aws.ToString(t.Key)) })
	return &efs.UntagResourceOutput{}, e.setTags(ctx, c, in.ResourceId, tags)
}
