//go:build linux

package aws_test

import (
	"fmt"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// in is for a task of a family in a subnet, with a security group.
func in(subnet, group, family string) *ecs.RunTaskInput {
	return &ecs.RunTaskInput{TaskDefinition: &family, LaunchType: types.LaunchTypeFargate, NetworkConfiguration: &types.NetworkConfiguration{
		AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}, SecurityGroups: []string{group}}}}
}

// detail is one of a task's network interface.
func detail(t types.Task, name string) string {
	for _, d := range t.Attachments[0].Details {
		if awssdk.ToString(d.Name) == name {
			return awssdk.ToString(d.Value)
		}
	}
	return ""
}

// TestSecurityGroups has one task connect to another in another subnet, as the groups of both come and go.
func TestSecurityGroups(t *testing.T) {
	k := newTasks(t)
	vpc := k.ask("ec2 create-vpc --cidr-block 10.9.0.0/16 --query Vpc.VpcId")
	near := k.ask("ec2 create-subnet --cidr-block 10.9.1.0/24 --query Subnet.SubnetId --vpc-id " + vpc)
	far := k.ask("ec2 create-subnet --cidr-block 10.9.2.0/24 --query Subnet.SubnetId --vpc-id " + vpc)
	server := k.ask("ec2 create-security-group --group-name server --description d --query GroupId --vpc-id " + vpc)
	client := k.ask("ec2 create-security-group --group-name client --description d --query GroupId --vpc-id " + vpc)

	k.register(k.definition("server", "while true; do echo hello | nc -l -p 80; done"))
	k.register(k.definition("client", `while ! said=$(nc -w 2 $TO </dev/null 2>&1); do case $said in *refused*) ;; *) echo "$said"; exit 3;; esac; done; echo "$said"`)) // refused: not yet
	at := k.run(in(near, server, "server"))
	address := detail(k.wait(at, isRunning), "privateIPv4Address")
	k.equal("address", address, "10.9.1.4")
	k.equal("interface", k.ask("ec2 describe-network-interfaces --query NetworkInterfaces[].[PrivateIpAddress,Groups[0].GroupId,Status] --filters Name=subnet-id,Values="+near), address+"\t"+server+"\tin-use")
	k.refused("DependencyViolation", "ec2 delete-subnet --subnet-id "+near)

	try := func(to string) (string, int32) {
		t.Helper()
		run := in(far, client, "client")
		run.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: awssdk.String("main"), Environment: []types.KeyValuePair{{Name: awssdk.String("TO"), Value: &to}}}}}
		arn := k.run(run)
		ended := k.wait(arn, isStopped)
		if ended.Containers[0].ExitCode == nil {
			t.Fatalf("%s", awssdk.ToString(ended.StoppedReason))
		}
		return strings.Join(k.output(arn), "\n"), *ended.Containers[0].ExitCode
	}
	expect := func(what, to string, code int32, said string) {
		t.Helper()
		if text, got := try(to); got != code || !strings.Contains(text, said) {
			t.Errorf("%s: %q, %d", what, text, got)
		}
	}
	expect("nothing lets it in", address+" 80", 3, "timed out")
	k.ask("ec2 authorize-security-group-ingress --protocol tcp --port 80 --source-group " + client + " --group-id " + server)
	expect("the group of the server lets it in", address+" 80", 0, "hello")
	expect("another port", address+" 81", 3, "timed out")
	k.ask("ec2 revoke-security-group-egress --protocol -1 --cidr 0.0.0.0/0 --group-id " + client)
	expect("its own group lets nothing out", address+" 80", 3, "timed out")
	k.ask("ec2 authorize-security-group-egress --protocol tcp --port 80 --cidr 0.0.0.0/0 --group-id " + client)
	expect("its own group lets it out", address+" 80", 0, "hello")
	expect("no route leads out", "192.0.2.1 80", 3, "timed out")

	if _, err := k.StopTask(t.Context(), &ecs.StopTaskInput{Task: &at}); err != nil {
		t.Fatal(err)
	}
	k.wait(at, isStopped)
	k.equal("what is left", k.ask("ec2 describe-network-interfaces --query length(NetworkInterfaces)"), "0")
	for _, words := range []string{"delete-security-group --group-id " + server, "delete-security-group --group-id " + client, "delete-subnet --subnet-id " + near, "delete-subnet --subnet-id " + far, "delete-vpc --vpc-id " + vpc} {
		k.ask("ec2 " + words)
	}
}

// TestRefusedTasks asks for tasks with networks and roles that are not there, or that are not theirs.
func TestRefusedTasks(t *testing.T) {
	k := newTasks(t)
	k.register(k.definition("f", "true"))
	other := k.ask("ec2 create-vpc --cidr-block 10.9.0.0/16 --query Vpc.VpcId")
	group := k.ask("ec2 create-security-group --group-name g --description d --query GroupId --vpc-id " + other)
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role := k.ask("iam create-role --role-name functions --query Role.Arn --assume-role-policy-document", trust)
	for _, c := range []struct {
		what, code, said string
		change           func(in *ecs.RunTaskInput)
	}{
		{"no subnet", "InvalidParameterException", "InvalidSubnetID.NotFound", func(in *ecs.RunTaskInput) {
			in.NetworkConfiguration.AwsvpcConfiguration.Subnets = []string{"subnet-0123456789abcdef0"}
		}},
		{"no group", "InvalidParameterException", "InvalidGroup.NotFound", func(in *ecs.RunTaskInput) {
			in.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups = []string{"sg-0123456789abcdef0"}
		}},
		{"a group of another VPC", "InvalidParameterException", "different networks", func(in *ecs.RunTaskInput) {
			in.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups = []string{group}
		}},
		{"no role", "ClientException", "unable to assume the role", func(in *ecs.RunTaskInput) {
			in.Overrides = &types.TaskOverride{ExecutionRoleArn: awssdk.String("arn:aws:iam::000000000000:role/none")}
		}},
		{"a role of functions", "ClientException", "unable to assume the role", func(in *ecs.RunTaskInput) {
			in.Overrides = &types.TaskOverride{TaskRoleArn: &role}
		}},
	} {
		run := k.request("f")
		c.change(run)
		if _, err := k.RunTask(t.Context(), run); code(err) != c.code || !strings.Contains(fmt.Sprint(err), c.said) {
			t.Errorf("%s: %v", c.what, err)
		}
	}

	k.ask("iam detach-role-policy --role-name execution --policy-arn arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")
	k.ask("iam put-role-policy --role-name execution --policy-name logs --policy-document", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"*"}}`)
	if ended := k.wait(k.run(k.request("f")), isStopped); ended.StopCode != types.TaskStopCodeTaskFailedToStart || !strings.Contains(awssdk.ToString(ended.StoppedReason), "not authorized to perform: ecr:GetAuthorizationToken") {
		t.Errorf("%s: %s", ended.StopCode, awssdk.ToString(ended.StoppedReason))
	}
}
