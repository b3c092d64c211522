package awstest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// TaskPolicy is AWS's own for the execution role of tasks.
const TaskPolicy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"

// Role makes a role that somebody takes on ("Service": "ecs-tasks.amazonaws.com") with policies of AWS, and returns its ARN.
func Role(t testing.TB, c aws.Config, name, kind, who string, policies ...string) string {
	t.Helper()
	client := iam.NewFromConfig(c)
	made, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{%q:%q},"Action":"sts:AssumeRole"}]}`, kind, who))})
	if err != nil {
		t.Fatal(err)
	}
	for _, arn := range policies {
		if _, err := client.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn}); err != nil {
			t.Fatal(err)
		}
	}
	return *made.Role.Arn
}

// ExecutionRole makes the role "execution", by which tasks are started.
func ExecutionRole(t testing.TB, c aws.Config) string {
	t.Helper()
	return Role(t, c, "execution", "Service", "ecs-tasks.amazonaws.com", TaskPolicy)
}

// Subnets are those of the default VPC, by their zones.
func Subnets(t testing.TB, c aws.Config) []string {
	t.Helper()
	out, err := ec2.NewFromConfig(c).DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}}})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out.Subnets, func(a, b types.Subnet) int {
		return slices.Compare([]byte(*a.AvailabilityZone), []byte(*b.AvailabilityZone))
	})
	var ids []string
	for _, s := range out.Subnets {
		ids = append(ids, *s.SubnetId)
	}
	return ids
}
