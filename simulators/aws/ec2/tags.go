package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// prefixes are the types of what has tags, by the beginning of ids.
var prefixes = map[string]types.ResourceType{
	"vpc": types.ResourceTypeVpc, "subnet": types.ResourceTypeSubnet, "sg": types.ResourceTypeSecurityGroup, "sgr": types.ResourceTypeSecurityGroupRule,
	"rtb": types.ResourceTypeRouteTable, "igw": types.ResourceTypeInternetGateway, "nat": types.ResourceTypeNatgateway, "eipalloc": types.ResourceTypeElasticIp,
	"eni": types.ResourceTypeNetworkInterface, "acl": types.ResourceTypeNetworkAcl,
}

func typeOf(id string) types.ResourceType {
	prefix, _, _ := strings.Cut(id, "-")
	return prefixes[prefix]
}

// exists is an error for an id that is none of the region.
func (e *EC2) exists(region, id string) (err error) {
	switch typeOf(id) {
	case types.ResourceTypeVpc:
		_, err = e.vpcs.find(region, &id)
	case types.ResourceTypeSubnet:
		_, err = e.subnets.find(region, &id)
	case types.ResourceTypeSecurityGroup:
		_, err = e.groups.find(region, &id)
	case types.ResourceTypeSecurityGroupRule:
		_, err = e.rules.find(region, &id)
	case types.ResourceTypeRouteTable:
		_, err = e.tables.find(region, &id)
	case types.ResourceTypeInternetGateway:
		_, err = e.gateways.find(region, &id)
	case types.ResourceTypeNatgateway:
		_, err = e.nats.find(region, &id)
	case types.ResourceTypeElasticIp:
		_, err = e.addresses.find(region, &id)
	case types.ResourceTypeNetworkInterface:
		_, err = e.interfaces.find(region, &id)
	case types.ResourceTypeNetworkAcl:
		_, err = e.acls.find(region, &id)
	default:
		err = failure("InvalidID", "The ID '%s' is not valid", id)
	}
	return err
}

func (e *EC2) tagsOf(id string) []types.Tag {
	tags, _ := e.tags.Get(id)
	list := []types.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

func (e *EC2) tag(ctx context.Context, id string, tags []types.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	_, err := e.tags.Update(ctx, id, func(old map[string]string, _ bool) (map[string]string, error) {
		next := maps.Clone(old)
		if next == nil {
			next = map[string]string{}
		}
		for _, t := range tags {
			next[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		if len(next) > 50 {
			return nil, failure("TagLimitExceeded", "You have reached the maximum number of tags")
		}
		return next, nil
	})
	return err
}

// specified gives something new the tags that it was asked for with.
func (e *EC2) specified(ctx context.Context, id string, specifications []types.TagSpecification) error {
	for _, s := range specifications {
		if s.ResourceType != typeOf(id) {
			return failure("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
		}
		if err := e.tag(ctx, id, s.Tags); err != nil {
			return err
		}
	}
	return nil
}

func (e *EC2) createTags(ctx context.Context, c *wire.Call, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	for _, id := range in.Resources {
		if err := e.exists(c.Region, id); err != nil {
			return nil, err
		}
	}
	for _, id := range in.Resources {
		if err := e.tag(ctx, id, in.Tags); err != nil {
			return nil, err
		}
	}
	return &ec2.CreateTagsOutput{}, nil
}

func (e *EC2) deleteTags(ctx context.Context, c *wire.Call, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	for _, id := range in.Resources {
		if err := e.exists(c.Region, id); err != nil {
			return nil, err
		}
		_, err := e.tags.Update(ctx, id, func(old map[string]string, _ bool) (map[string]string, error) {
			next := maps.Clone(old)
			for _, t := range in.Tags {
				if t.Value == nil || *t.Value == next[aws.ToString(t.Key)] {
					delete(next, aws.ToString(t.Key))
				}
			}
			if len(in.Tags) == 0 {
				clear(next)
			}
			return next, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return &ec2.DeleteTagsOutput{}, nil
}

func (e *EC2) describeTags(_ context.Context, c *wire.Call, in *ec2.DescribeTagsInput) (*ec2.DescribeTagsOutput, error) {
	var all []types.TagDescription
	for _, id := range e.tags.Keys() {
		if e.exists(c.Region, id) != nil {
			continue
		}
		for _, t := range e.tagsOf(id) {
			all = append(all, types.TagDescription{ResourceId: aws.String(id), ResourceType: typeOf(id), Key: t.Key, Value: t.Value})
		}
	}
	tags, next, err := answer(all, question{nil, in.Filters, in.NextToken, in.MaxResults})
	return &ec2.DescribeTagsOutput{Tags: tags, NextToken: next}, err
}
