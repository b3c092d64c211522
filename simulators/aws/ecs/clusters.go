package ecs

import (
	"context"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// defaultCluster is the one that a call means which names none.
const defaultCluster = "default"

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

// cluster finds one that is active.
func (e *ECS) cluster(name *string) (types.Cluster, error) {
	c, ok := e.clusters.Get(clusterName(name))
	if !ok || aws.ToString(c.Status) != "ACTIVE" {
		return c, &wire.Error{Code: "ClusterNotFoundException", Message: "Cluster not found."}
	}
	return c, nil
}

func (e *ECS) createCluster(ctx context.Context, c *wire.Call, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	name := clusterName(in.ClusterName)
	made, err := e.clusters.Update(ctx, name, func(old types.Cluster, ok bool) (types.Cluster, error) {
		if ok && aws.ToString(old.Status) == "ACTIVE" {
			return old, nil
		}
		return types.Cluster{
			ClusterName: aws.String(name), ClusterArn: aws.String(e.arn(c.Region, "cluster", name)), Status: aws.String("ACTIVE"),
			Tags: in.Tags, Settings: in.Settings, Configuration: in.Configuration, CapacityProviders: in.CapacityProviders,
			DefaultCapacityProviderStrategy: in.DefaultCapacityProviderStrategy,
		}, nil
	})
	return &ecs.CreateClusterOutput{Cluster: &made}, err
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
		for _, t := range e.tasks.All() {
			if aws.ToString(t.ClusterArn) != aws.ToString(found.ClusterArn) {
				continue
			}
			switch t.status() {
			case running:
				found.RunningTasksCount++
			case provisioning, pending, activating:
				found.PendingTasksCount++
			}
		}
		out.Clusters = append(out.Clusters, found)
	}
	return out, nil
}

func (e *ECS) deleteCluster(ctx context.Context, _ *wire.Call, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	found, err := e.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	for _, t := range e.tasks.All() {
		if aws.ToString(t.ClusterArn) == aws.ToString(found.ClusterArn) && t.status() != stopped {
			return nil, &wire.Error{Code: "ClusterContainsTasksException", Message: "The Cluster cannot be deleted while Tasks are active."}
		}
	}
	found.Status = aws.String("INACTIVE")
	return &ecs.DeleteClusterOutput{Cluster: &found}, e.clusters.Put(ctx, aws.ToString(found.ClusterName), found)
}
