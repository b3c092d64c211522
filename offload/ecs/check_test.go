//go:build linux

package ecs_test

import (
	"os"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/simulators/aws/awstest"
)

// check asks what the backend lacks; the findings are by what they are about.
func (c *cloud) check(dir string) map[string]offload.Finding {
	c.t.Helper()
	b := c.Backend(c.t).(*backend)
	s := runtimetest.Open(c.t, dir, b)
	defer s.Close()
	img, err := c.images.Resolve(source)
	if err != nil {
		c.t.Fatal(err)
	}
	found := map[string]offload.Finding{}
	b.Check(s.Ctx(), runtime.Task{Container: &agentpb.Container{Id: "check"}, Image: runtime.Image{ID: img.ID.String(), Name: source, Platform: "linux/amd64"}}, func(f offload.Finding) { found[f.What] = f })
	return found
}

// rights are those that the documentation has for the server, in this account; without are actions that are left out.
func (c *cloud) rights(without ...string) string {
	c.t.Helper()
	text, err := os.ReadFile("../../docs/backends/ecs/policy.json")
	if err != nil {
		c.t.Fatal(err)
	}
	document := strings.NewReplacer("${repository}", "arn:aws:ecr:eu-central-1:000000000000:repository/sockerless", "${execution_role}", c.settings.ExecutionRole).Replace(string(text))
	for _, action := range without {
		document = strings.ReplaceAll(document, `"`+action+`"`, `"none:Nothing"`)
	}
	return document
}

// repository makes the one for prepared images, as the documentation's module does.
func (c *cloud) repository() {
	c.t.Helper()
	if _, err := ecr.NewFromConfig(c.aws).CreateRepository(c.t.Context(), &ecr.CreateRepositoryInput{RepositoryName: awssdk.String("sockerless")}); err != nil {
		c.t.Fatal(err)
	}
}

// as gives the driver the keys of a role with a policy.
func (c *cloud) as(document string) {
	c.t.Helper()
	const name = "server"
	arn := awstest.Role(c.t, c.aws, name, "AWS", "arn:aws:iam::000000000000:root")
	if _, err := iam.NewFromConfig(c.aws).PutRolePolicy(c.t.Context(), &iam.PutRolePolicyInput{RoleName: awssdk.String(name), PolicyName: awssdk.String("p"), PolicyDocument: &document}); err != nil {
		c.t.Fatal(err)
	}
	keys, err := sts.NewFromConfig(c.aws).AssumeRole(c.t.Context(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: awssdk.String("s")})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Setenv("AWS_ACCESS_KEY_ID", *keys.Credentials.AccessKeyId)
	c.t.Setenv("AWS_SECRET_ACCESS_KEY", *keys.Credentials.SecretAccessKey)
	c.t.Setenv("AWS_SESSION_TOKEN", *keys.Credentials.SessionToken)
}

func TestCheck(t *testing.T) {
	ec2Client := func(c *cloud) *ec2.Client { return ec2.NewFromConfig(c.aws) }
	for _, test := range []struct {
		name    string
		change  func(t *testing.T, c *cloud)
		what    string // that is not as it should be; "" is nothing
		verdict offload.Verdict
		says    string
		task    offload.Verdict
	}{
		{"all is there", func(*testing.T, *cloud) {}, "", "", "", offload.Present},
		{"the secret is wrong", func(t *testing.T, c *cloud) { t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong") }, "credentials", offload.Absent, "InvalidSignatureException", offload.Unknown},
		{"the cluster", func(_ *testing.T, c *cloud) { c.settings.Cluster = "other" }, "cluster", offload.Absent, "create-cluster", offload.Unknown},
		{"spot capacity", func(_ *testing.T, c *cloud) { c.settings.Spot = true }, "cluster", offload.Absent, "FARGATE_SPOT", offload.Unknown},
		{"the setting of the execution role", func(_ *testing.T, c *cloud) { c.settings.ExecutionRole = "" }, "execution role", offload.Absent, "execution-role", offload.Unknown},
		{"the execution role", func(_ *testing.T, c *cloud) { c.settings.ExecutionRole += "2" }, "execution role", offload.Absent, "no role execution2", offload.Unknown},
		{"a role that is for functions", func(t *testing.T, c *cloud) {
			c.settings.TaskRole = awstest.Role(t, c.aws, "functions", "Service", "lambda.amazonaws.com")
		}, "task role", offload.Absent, "ecs-tasks.amazonaws.com", offload.Unknown},
		{"the subnet", func(_ *testing.T, c *cloud) { c.settings.Subnets = []string{"subnet-0123456789abcdef0"} }, "subnet subnet-0123456789abcdef0", offload.Absent, "InvalidSubnetID.NotFound", offload.Unknown},
		{"the security group", func(_ *testing.T, c *cloud) { c.settings.SecurityGroups = []string{"sg-0123456789abcdef0"} }, "security group sg-0123456789abcdef0", offload.Absent, "InvalidGroup.NotFound", offload.Unknown},
		{"a way out of the security group", func(t *testing.T, c *cloud) {
			all, err := ec2Client(c).DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
			if err != nil {
				t.Fatal(err)
			}
			c.settings.SecurityGroups = []string{*all.SecurityGroups[0].GroupId}
			if _, err := ec2Client(c).RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: all.SecurityGroups[0].GroupId,
				IpPermissions: []types.IpPermission{{IpProtocol: awssdk.String("-1"), IpRanges: []types.IpRange{{CidrIp: awssdk.String("0.0.0.0/0")}}}}}); err != nil {
				t.Fatal(err)
			}
		}, "security group", offload.Absent, "nothing out", offload.Unknown},
		{"the rights of the execution role", func(t *testing.T, c *cloud) {
			_, err := iam.NewFromConfig(c.aws).DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: awssdk.String("execution"), PolicyArn: awssdk.String(awstest.TaskPolicy)})
			if err != nil {
				t.Fatal(err)
			}
		}, "", "", "ecr:GetAuthorizationToken", offload.Absent},
		{"the image cannot be pulled", func(_ *testing.T, c *cloud) { c.faults(map[string]any{"kind": "pull"}) }, "", "", "CannotPullContainerError", offload.Absent},
		{"the right to pass the role", func(t *testing.T, c *cloud) {
			c.as(c.rights("iam:PassRole"))
		}, "", "", "iam:PassRole", offload.Absent},
		{"the right to push", func(t *testing.T, c *cloud) {
			c.as(c.rights("ecr:GetAuthorizationToken"))
		}, "registry", offload.Absent, "ecr:GetAuthorizationToken", offload.Unknown},
		{"the right to make a repository", func(t *testing.T, c *cloud) {
			if _, err := ecr.NewFromConfig(c.aws).DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: awssdk.String("sockerless")}); err != nil {
				t.Fatal(err)
			}
			c.as(c.rights())
		}, "registry", offload.Absent, "ecr:CreateRepository", offload.Unknown},
		{"the rights to look", func(t *testing.T, c *cloud) {
			c.as(c.rights("ecs:DescribeClusters", "iam:GetRole", "ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups"))
		}, "execution role", offload.Unknown, "iam:GetRole", offload.Present},
		{"nothing, with the rights of the documentation", func(t *testing.T, c *cloud) { c.as(c.rights()) }, "", "", "", offload.Present},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			c := newCloud(t, dir)
			c.settings.Subnets = c.settings.Subnets[:1]
			c.repository()
			test.change(t, c)
			found := c.check(dir)
			for what, f := range found {
				want, says := offload.Present, ""
				switch {
				case what == "task":
					want = test.task
					if want == offload.Absent && test.verdict == "" {
						says = test.says
					}
				case test.what != "" && strings.HasPrefix(what, test.what):
					want, says = test.verdict, test.says
				case f.Verdict == offload.Unknown && test.verdict == offload.Unknown: // another that may not be looked at
					want = offload.Unknown
				}
				if f.Verdict != want || !strings.Contains(f.Detail, says) {
					t.Errorf("%+v, not %s: %q", f, want, says)
				}
			}
			if _, ok := found["task"]; !ok && test.what != "credentials" {
				t.Errorf("it tells nothing of a task: %+v", found)
			}
		})
	}
}

// TestRights runs a container with the rights that the documentation says.
func TestRights(t *testing.T) {
	dir := t.TempDir()
	c := newCloud(t, dir)
	c.repository()
	c.as(c.rights())
	s := runtimetest.Open(t, dir, c.Backend(t))
	id := s.Create("", container.Config{Cmd: []string{"sh", "-c", "echo once; exit 7"}}, container.HostConfig{})
	w := s.Waiting(id, container.WaitConditionNextExit)
	if err := s.ContainerStart(s.Ctx(), id, runtime.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	if code := s.Code(w); code != 7 {
		t.Errorf("exit code %d", code)
	}
	second := s.Create("", container.Config{Cmd: []string{"sleep", "1000"}}, container.HostConfig{})
	if err := s.ContainerStart(s.Ctx(), second, runtime.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	w = s.Waiting(second, container.WaitConditionNextExit)
	if err := s.ContainerRemove(s.Ctx(), second, runtime.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	s.Code(w)
	for {
		out, err := c.client.ListTasks(t.Context(), &awsecs.ListTasksInput{})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.TaskArns) == 0 { // their end is under way until then
			return
		}
	}
}
