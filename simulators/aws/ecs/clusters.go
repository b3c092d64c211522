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

// defaultCluster is the one that a call means which names none.
const defaultCluster = "default"

// The states of a cluster.
const (
	active   = "ACTIVE"
	inactive = "INACTIVE"
)

// clusterName is the name in a name or an ARN.
func clusterName(name *string) string {
	if aws.ToString(name) == "" {
		return defaultCluster
	}
	if strings.HasPrefix(*name, "arn:") {
		return path.Base(*name)
	}
	return *name
}

var errNoCluster = &wire.Error{Code: "ClusterNotFoundException", Message: "Cluster not found."}

// cluster finds one that is active.
func (e *ECS) cluster(name *string) (types.Cluster, error) {
	c, ok := e.clusters.Get(clusterName(name))
	if !ok || aws.ToString(c.Status) != active {
		return c, errNoCluster
	}
	return c, nil
}

// changeCluster writes an active cluster down as f makes it.
func (e *ECS) changeCluster(ctx context.Context, name *string, f func(c *types.Cluster)) (types.Cluster, error) {
	c, err := e.clusters.Update(ctx, clusterName(name), func(c types.Cluster, ok bool) (types.Cluster, error) {
		if !ok || aws.ToString(c.Status) != active {
			return c, errNoCluster
		}
		f(&c)
		return c, nil
	})
	return e.counted(c), err
}

// counted fills in how many tasks a cluster has, and makes lists that are not there empty.
func (e *ECS) counted(c types.Cluster) types.Cluster {
	for _, t := range e.tasks.All() {
		if aws.ToString(t.ClusterArn) != aws.ToString(c.ClusterArn) {
			continue
		}
		switch t.status() {
		case running:
			c.RunningTasksCount++
		case provisioning, pending, activating:
			c.PendingTasksCount++
		}
	}
	c.CapacityProviders = append([]string{}, c.CapacityProviders...)
	c.DefaultCapacityProviderStrategy = append([]types.CapacityProviderStrategyItem{}, c.DefaultCapacityProviderStrategy...)
	c.Statistics = []types.KeyValuePair{}
	return c
}

// settings are what is set, and what is not has its default.
func settings(given []types.ClusterSetting) []types.ClusterSetting {
	if len(given) > 0 {
		return given
	}
	return []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("disabled")}}
}

func (e *ECS) createCluster(ctx context.Context, c *wire.Call, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	name := clusterName(in.ClusterName)
	if err := checkProviders(in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
		return nil, err
	}
	made, err := e.clusters.Update(ctx, name, func(old types.Cluster, ok bool) (types.Cluster, error) {
		if ok && aws.ToString(old.Status) == active {
			return old, nil
		}
		return types.Cluster{
			ClusterName: aws.String(name), ClusterArn: aws.String(e.arn(c.Region, "cluster", name)), Status: aws.String(active),
			Tags: in.Tags, Settings: settings(in.Settings), Configuration: in.Configuration, CapacityProviders: in.CapacityProviders,
			DefaultCapacityProviderStrategy: in.DefaultCapacityProviderStrategy,
		}, nil
	})
	made = e.counted(made)
	return &ecs.CreateClusterOutput{Cluster: &made}, err
}

func (e *ECS) updateCluster(ctx context.Context, _ *wire.Call, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	c, err := e.changeCluster(ctx, in.Cluster, func(c *types.Cluster) {
		if in.Settings != nil {
			c.Settings = in.Settings
		}
		if in.Configuration != nil {
			c.Configuration = in.Configuration
		}
		if in.ServiceConnectDefaults != nil {
			c.ServiceConnectDefaults = &types.ClusterServiceConnectDefaults{Namespace: in.ServiceConnectDefaults.Namespace}
		}
	})
	return &ecs.UpdateClusterOutput{Cluster: &c}, err
}

func (e *ECS) updateClusterSettings(ctx context.Context, _ *wire.Call, in *ecs.UpdateClusterSettingsInput) (*ecs.UpdateClusterSettingsOutput, error) {
	c, err := e.changeCluster(ctx, in.Cluster, func(c *types.Cluster) { c.Settings = in.Settings })
	return &ecs.UpdateClusterSettingsOutput{Cluster: &c}, err
}

func (e *ECS) describeClusters(_ context.Context, c *wire.Call, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	names := in.Clusters
	if len(names) == 0 {
		names = []string{defaultCluster}
	}
	out := &ecs.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	for _, name := range names {
		found, ok := e.clusters.Get(clusterName(&name))
		if !ok {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(e.arn(c.Region, "cluster", clusterName(&name))), Reason: aws.String("MISSING")})
			continue
		}
		found = e.counted(found)
		has := func(field types.ClusterField) bool { return slices.Contains(in.Include, field) }
		if found.Tags = append([]types.Tag{}, found.Tags...); !has(types.ClusterFieldTags) {
			found.Tags = []types.Tag{}
		}
		if !has(types.ClusterFieldSettings) {
			found.Settings = []types.ClusterSetting{}
		}
		if !has(types.ClusterFieldConfigurations) {
			found.Configuration = nil
		}
		out.Clusters = append(out.Clusters, found)
	}
	return out, nil
}

func (e *ECS) listClusters(_ context.Context, _ *wire.Call, in *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
	var arns []string
	for _, c := range e.clusters.All() {
		if aws.ToString(c.Status) == active {
			arns = append(arns, aws.ToString(c.ClusterArn))
		}
	}
	page, next, err := wire.Page(arns, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 100)
	return &ecs.ListClustersOutput{ClusterArns: page, NextToken: next}, err
}

func (e *ECS) deleteCluster(ctx context.Context, _ *wire.Call, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	e.running.Lock() // so that no task comes meanwhile
	defer e.running.Unlock()
	found, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	for _, t := range e.tasks.All() {
		if aws.ToString(t.ClusterArn) == aws.ToString(found.ClusterArn) && t.status() != stopped {
			return nil, &wire.Error{Code: "ClusterContainsTasksException", Message: "The Cluster cannot be deleted while Tasks are active."}
		}
	}
	found, err = e.changeCluster(ctx, in.Cluster, func(c *types.Cluster) { c.Status = aws.String(inactive) })
	return &ecs.DeleteClusterOutput{Cluster: &found}, err
}
