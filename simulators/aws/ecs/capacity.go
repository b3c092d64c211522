package ecs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

const (
	fargate = "FARGATE"
	spot    = "FARGATE_SPOT"
)

var providers = []string{fargate, spot}

func checkProviders(names []string, strategy []types.CapacityProviderStrategyItem) error {
	for _, name := range names {
		if !slices.Contains(providers, name) {
			return invalid("The specified capacity provider %s was not found.", name)
		}
	}
	for _, item := range strategy {
		if !slices.Contains(names, aws.ToString(item.CapacityProvider)) {
			return invalid("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster: %s", aws.ToString(item.CapacityProvider))
		}
	}
	return nil
}

// places are the capacity providers of the tasks of a request, one a task; "" is the launch type FARGATE.
func places(in *ecs.RunTaskInput, cluster types.Cluster, count int) ([]string, error) {
	strategy := in.CapacityProviderStrategy
	switch {
	case in.LaunchType != "" && len(strategy) > 0:
		return nil, invalid("You must specify either launchType or capacityProviderStrategy, not both.")
	case in.LaunchType == types.LaunchTypeFargate:
		return make([]string, count), nil
	case in.LaunchType == "" && len(strategy) == 0:
		strategy = cluster.DefaultCapacityProviderStrategy
	}
	if in.LaunchType != "" || len(strategy) == 0 {
		return nil, invalid("No Container Instances were found in your cluster.")
	}
	if err := checkProviders(cluster.CapacityProviders, strategy); err != nil {
		return nil, err
	}
	// First the bases, then by weight.
	var list []string
	for _, item := range strategy {
		for range min(int(item.Base), count-len(list)) {
			list = append(list, aws.ToString(item.CapacityProvider))
		}
	}
	weighted := slices.DeleteFunc(slices.Clone(strategy), func(i types.CapacityProviderStrategyItem) bool { return i.Weight == 0 })
	given := make([]float64, len(weighted))
	for len(list) < count {
		if len(weighted) == 0 {
			return nil, invalid("The specified capacity provider strategy must have at least one capacity provider with a weight greater than zero.")
		}
		next := 0
		for i := range weighted {
			if (given[i]+1)/float64(weighted[i].Weight) < (given[next]+1)/float64(weighted[next].Weight) {
				next = i
			}
		}
		given[next]++
		list = append(list, aws.ToString(weighted[next].CapacityProvider))
	}
	return list, nil
}

func (e *ECS) putClusterCapacityProviders(ctx context.Context, _ *wire.Call, in *ecs.PutClusterCapacityProvidersInput) (*ecs.PutClusterCapacityProvidersOutput, error) {
	if err := checkProviders(in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
		return nil, err
	}
	c, err := e.changeCluster(ctx, in.Cluster, func(c *types.Cluster) {
		c.CapacityProviders, c.DefaultCapacityProviderStrategy = in.CapacityProviders, in.DefaultCapacityProviderStrategy
	})
	return &ecs.PutClusterCapacityProvidersOutput{Cluster: &c}, err
}

func (e *ECS) describeCapacityProviders(_ context.Context, c *wire.Call, in *ecs.DescribeCapacityProvidersInput) (*ecs.DescribeCapacityProvidersOutput, error) {
	out := &ecs.DescribeCapacityProvidersOutput{CapacityProviders: []types.CapacityProvider{}, Failures: []types.Failure{}}
	names := in.CapacityProviders
	if len(names) == 0 {
		names = providers
	}
	for _, name := range names {
		arn := aws.String(e.arn(c.Region, "capacity-provider", name))
		if !slices.Contains(providers, name) {
			out.Failures = append(out.Failures, types.Failure{Arn: arn, Reason: aws.String("MISSING")})
			continue
		}
		out.CapacityProviders = append(out.CapacityProviders, types.CapacityProvider{CapacityProviderArn: arn, Name: aws.String(name), Status: types.CapacityProviderStatusActive, Tags: []types.Tag{}})
	}
	page, next, err := wire.Page(out.CapacityProviders, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 10)
	out.CapacityProviders, out.NextToken = page, next
	return out, err
}
