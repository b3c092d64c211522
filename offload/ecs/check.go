package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/sockerless/sockerless/offload"
	cloud "github.com/sockerless/sockerless/offload/aws"
)

// principal is the service that takes on the roles of tasks.
const principal = "ecs-tasks.amazonaws.com"

// Check looks at the credentials, the cluster, roles, networks and the registry.
func (d *Driver) Check(ctx context.Context) ([]offload.Finding, error) {
	who := cloud.CheckCaller(ctx, d.config)
	if who.Verdict != offload.Present {
		return []offload.Finding{who}, nil
	}
	findings := []offload.Finding{who, d.checkCluster(ctx)}
	if d.settings.ExecutionRole == "" {
		findings = append(findings, offload.Finding{What: "execution role", Verdict: offload.Absent, Detail: "ECS needs execution-role to pull from ECR: set it"})
	} else {
		findings = append(findings, cloud.CheckRole(ctx, d.config, "execution role", d.settings.ExecutionRole, principal))
	}
	if d.settings.TaskRole != "" {
		findings = append(findings, cloud.CheckRole(ctx, d.config, "task role", d.settings.TaskRole, principal))
	}
	findings = append(findings, d.checkNetwork(ctx)...)
	return append(findings, d.registry.Check(ctx)), nil
}

func (d *Driver) checkCluster(ctx context.Context) offload.Finding {
	name := "default"
	if d.settings.Cluster != "" {
		name = d.settings.Cluster
	}
	absent := func(why string) offload.Finding {
		return offload.Finding{What: "cluster", Verdict: offload.Absent, Detail: why}
	}
	out, err := d.client.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{name}})
	switch {
	case err != nil:
		return cloud.Looked("cluster", "ecs:DescribeClusters", err)
	case len(out.Clusters) == 0 || aws.ToString(out.Clusters[0].Status) != "ACTIVE":
		return absent("there is no cluster " + name + " in " + d.region + ": aws ecs create-cluster --cluster-name " + name)
	case d.settings.Spot && !slices.Contains(out.Clusters[0].CapacityProviders, spotProvider):
		return absent("spot: true needs the capacity provider " + spotProvider + " in cluster " + name + ": aws ecs put-cluster-capacity-providers")
	}
	return offload.Found("cluster", aws.ToString(out.Clusters[0].ClusterArn), nil)
}

// checkNetwork looks at each subnet, where it leads, and at each security group.
func (d *Driver) checkNetwork(ctx context.Context) []offload.Finding {
	client := ec2.NewFromConfig(d.config)
	var findings []offload.Finding
	vpc := ""
	for _, id := range d.settings.Subnets {
		what := "subnet " + id
		out, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
		if err != nil {
			findings = append(findings, cloud.Looked(what, "ec2:DescribeSubnets", err))
			continue
		}
		s := out.Subnets[0]
		if vpc == "" {
			vpc = aws.ToString(s.VpcId)
		}
		if other := aws.ToString(s.VpcId); other != vpc {
			findings = append(findings, offload.Finding{What: what, Verdict: offload.Absent, Detail: "it is in " + other + ", the first one in " + vpc + ": all have to be in one VPC"})
			continue
		}
		findings = append(findings, d.checkRoute(ctx, client, what, s))
	}
	for _, id := range d.settings.SecurityGroups {
		findings = append(findings, checkGroup(ctx, client, id, vpc))
	}
	return findings
}

// checkRoute tells how a subnet leads out of its VPC.
func (d *Driver) checkRoute(ctx context.Context, client *ec2.Client, what string, s ec2types.Subnet) offload.Finding {
	tables, err := client.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{aws.ToString(s.VpcId)}}}})
	if err != nil {
		return cloud.Looked(what, "ec2:DescribeRouteTables", err)
	}
	var table *ec2types.RouteTable
	for i, t := range tables.RouteTables {
		for _, a := range t.Associations {
			if own := aws.ToString(a.SubnetId) == aws.ToString(s.SubnetId); own || aws.ToBool(a.Main) && table == nil {
				table = &tables.RouteTables[i]
				if own {
					return d.leads(what, s, table)
				}
			}
		}
	}
	return d.leads(what, s, table)
}

func (d *Driver) leads(what string, s ec2types.Subnet, table *ec2types.RouteTable) offload.Finding {
	in := aws.ToString(s.SubnetId) + " in " + aws.ToString(s.AvailabilityZone)
	at := -1
	if table != nil {
		at = slices.IndexFunc(table.Routes, func(r ec2types.Route) bool { return aws.ToString(r.DestinationCidrBlock) == "0.0.0.0/0" })
	}
	switch {
	case at < 0:
		return offload.Finding{What: what, Verdict: offload.Unknown, Detail: in + " leads nowhere outside its VPC: ECR and agents.url have to be in it"}
	case strings.HasPrefix(aws.ToString(table.Routes[at].GatewayId), "igw-") && !d.settings.PublicIP:
		return offload.Finding{What: what, Verdict: offload.Unknown, Detail: in + " leads out by an internet gateway, for which tasks need public-ip: true; else ECR and agents.url have to be in its VPC"}
	}
	return offload.Found(what, in, nil)
}

func checkGroup(ctx context.Context, client *ec2.Client, id, vpc string) offload.Finding {
	what := "security group " + id
	out, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
	if err != nil {
		return cloud.Looked(what, "ec2:DescribeSecurityGroups", err)
	}
	g := out.SecurityGroups[0]
	switch in := aws.ToString(g.VpcId); {
	case vpc != "" && in != vpc:
		return offload.Finding{What: what, Verdict: offload.Absent, Detail: "it is in " + in + ", the subnets are in " + vpc}
	case len(g.IpPermissionsEgress) == 0:
		return offload.Finding{What: what, Verdict: offload.Absent, Detail: "it lets nothing out: tasks need ECR and agents.url"}
	}
	return offload.Found(what, aws.ToString(g.GroupName), nil)
}
