//go:build linux

package aws_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sockerless/sockerless/simulators/aws/awstest"
)

// ask runs a command of the client that succeeds, given as words, with its answer as text.
func (c *cloud) ask(words string, more ...string) string {
	c.t.Helper()
	args := append(strings.Fields(words), more...)
	return strings.TrimSuffix(c.cli().Run(c.t, append(args, "--output", "text")...), "\n")
}

// refused runs a command that fails with an error of the service.
func (c *cloud) refused(code, words string, more ...string) {
	c.t.Helper()
	if out := c.cli().Refused(c.t, append(strings.Fields(words), more...)...); !strings.Contains(out, "("+code+")") {
		c.t.Errorf("aws %s: %s, want %s", words, out, code)
	}
}

func (c *cloud) equal(what, got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestNetworkCLI builds a network as a Terraform module does, looks at all of it, and takes it down.
func TestNetworkCLI(t *testing.T) {
	c := newCloud(t)
	c.equal("zones", c.ask("ec2 describe-availability-zones --query AvailabilityZones[].ZoneName"), "eu-central-1a\teu-central-1b\teu-central-1c")
	c.equal("the default VPC", c.ask("ec2 describe-vpcs --filters Name=isDefault,Values=true --query Vpcs[].CidrBlock"), "172.31.0.0/16")
	c.equal("its subnets", c.ask("ec2 describe-subnets --filters Name=default-for-az,Values=true --query sort(Subnets[].CidrBlock)"), "172.31.0.0/20\t172.31.16.0/20\t172.31.32.0/20")
	vpc := c.ask("ec2 create-vpc --cidr-block 10.9.0.0/16 --tag-specifications ResourceType=vpc,Tags=[{Key=Name,Value=own}] --query Vpc.VpcId")
	c.equal("by tag", c.ask("ec2 describe-vpcs --filters Name=tag:Name,Values=ow* --query Vpcs[].VpcId"), vpc)
	c.ask("ec2 modify-vpc-attribute --enable-dns-hostnames --vpc-id " + vpc)
	c.equal("attribute", c.ask("ec2 describe-vpc-attribute --attribute enableDnsHostnames --query EnableDnsHostnames.Value --vpc-id "+vpc), "True")
	subnet := c.ask("ec2 create-subnet --cidr-block 10.9.1.0/24 --availability-zone eu-central-1b --query Subnet.SubnetId --vpc-id " + vpc)
	c.refused("InvalidSubnet.Conflict", "ec2 create-subnet --cidr-block 10.9.1.0/25 --vpc-id "+vpc)
	free := "ec2 describe-subnets --query Subnets[].AvailableIpAddressCount --subnet-ids " + subnet
	c.equal("free", c.ask(free), "251")
	c.ask("ec2 modify-subnet-attribute --map-public-ip-on-launch --subnet-id " + subnet)
	c.equal("public", c.ask("ec2 describe-subnets --query Subnets[].MapPublicIpOnLaunch --subnet-ids "+subnet), "True")

	gateway := c.ask("ec2 create-internet-gateway --query InternetGateway.InternetGatewayId")
	c.ask("ec2 attach-internet-gateway --internet-gateway-id " + gateway + " --vpc-id " + vpc)
	c.equal("attached", c.ask("ec2 describe-internet-gateways --query InternetGateways[].InternetGatewayId --filters Name=attachment.vpc-id,Values="+vpc), gateway)
	table := c.ask("ec2 create-route-table --query RouteTable.RouteTableId --vpc-id " + vpc)
	c.ask("ec2 create-route --destination-cidr-block 0.0.0.0/0 --gateway-id " + gateway + " --route-table-id " + table)
	association := c.ask("ec2 associate-route-table --query AssociationId --subnet-id " + subnet + " --route-table-id " + table)
	c.equal("route", c.ask("ec2 describe-route-tables --query RouteTables[].Routes[].[DestinationCidrBlock,GatewayId] --filters Name=association.subnet-id,Values="+subnet), "10.9.0.0/16\tlocal\n0.0.0.0/0\t"+gateway)
	address := c.ask("ec2 allocate-address --query AllocationId")
	nat := c.ask("ec2 create-nat-gateway --query NatGateway.NatGatewayId --allocation-id " + address + " --subnet-id " + subnet)
	c.equal("of the NAT gateway", c.ask("ec2 describe-nat-gateways --query NatGateways[].[State,NatGatewayAddresses[0].AllocationId] --filter Name=subnet-id,Values="+subnet), "available\t"+address)
	c.equal("free", c.ask(free), "250")
	c.refused("InvalidIPAddress.InUse", "ec2 release-address --allocation-id "+address)

	group := c.ask("ec2 create-security-group --group-name web --description text --query GroupId --vpc-id " + vpc)
	rule := c.ask("ec2 authorize-security-group-ingress --protocol tcp --port 80 --cidr 10.0.0.0/8 --query SecurityGroupRules[].SecurityGroupRuleId --group-id " + group)
	c.refused("InvalidPermission.Duplicate", "ec2 authorize-security-group-ingress --protocol tcp --port 80 --cidr 10.0.0.0/8 --group-id "+group)
	c.ask("ec2 authorize-security-group-ingress --protocol tcp --port 443 --source-group " + group + " --group-id " + group)
	c.equal("permissions", c.ask("ec2 describe-security-groups --query SecurityGroups[].IpPermissions[].[FromPort,IpRanges[0].CidrIp,UserIdGroupPairs[0].GroupId]|sort_by(@,&[0]) --group-ids "+group), "80\t10.0.0.0/8\tNone\n443\tNone\t"+group)
	c.ask("ec2 revoke-security-group-ingress --group-id " + group + " --security-group-rule-ids " + rule)
	c.equal("rules", c.ask("ec2 describe-security-group-rules --query sort(SecurityGroupRules[].[to_string(FromPort)][]) --filters Name=group-id,Values="+group), "-1\t443")
	card := c.ask("ec2 create-network-interface --query NetworkInterface.NetworkInterfaceId --subnet-id " + subnet + " --groups " + group)
	c.equal("interface", c.ask("ec2 describe-network-interfaces --query NetworkInterfaces[].[SubnetId,PrivateIpAddress] --filters Name=group-id,Values="+group), subnet+"\t10.9.1.5")
	c.refused("DependencyViolation", "ec2 delete-security-group --group-id "+group)
	c.refused("DryRunOperation", "ec2 delete-network-interface --dry-run --network-interface-id "+card)
	c.ask("ec2 create-tags --tags Key=a,Value=b --resources " + subnet + " " + group)
	c.equal("tags", c.ask("ec2 describe-tags --query sort(Tags[].ResourceType) --filters Name=key,Values=a"), "security-group\tsubnet")
	c.equal("ACL", c.ask("ec2 describe-network-acls --query NetworkAcls[].[IsDefault,Associations[0].SubnetId] --filters Name=vpc-id,Values="+vpc), "True\t"+subnet)
	c.refused("InvalidParameterValue", "ec2 describe-vpcs --filters Name=nothing,Values=a")
	c.refused("InvalidAction", "ec2 describe-hosts")

	c.close()
	c.open()
	c.refused("DependencyViolation", "ec2 delete-vpc --vpc-id "+vpc)
	for _, words := range []string{
		"delete-network-interface --network-interface-id " + card, "delete-security-group --group-id " + group, "delete-nat-gateway --nat-gateway-id " + nat,
		"release-address --allocation-id " + address, "disassociate-route-table --association-id " + association, "delete-route-table --route-table-id " + table,
		"delete-subnet --subnet-id " + subnet, "detach-internet-gateway --internet-gateway-id " + gateway + " --vpc-id " + vpc,
		"delete-internet-gateway --internet-gateway-id " + gateway, "delete-vpc --vpc-id " + vpc,
	} {
		c.ask("ec2 " + words)
	}
	c.refused("InvalidVpcID.NotFound", "ec2 describe-vpcs --vpc-ids "+vpc)
	c.equal("what is left", c.ask("ec2 describe-security-groups --query length(SecurityGroups)"), "1")
}

// TestRoles writes roles and policies and reads them back; a key of a role counts with its token until it expires.
func TestRoles(t *testing.T) {
	c := newCloud(t)
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role := c.ask("iam create-role --role-name r --query Role.Arn --assume-role-policy-document", trust)
	c.equal("role", role, "arn:aws:iam::000000000000:role/r")
	c.equal("trust", compact(t, c.cli().Run(t, "iam", "get-role", "--role-name", "r", "--query", "Role.AssumeRolePolicyDocument")), trust)
	c.refused("EntityAlreadyExists", "iam create-role --role-name r --assume-role-policy-document "+trust)
	policy := c.ask("iam create-policy --policy-name p --query Policy.Arn --policy-document", trust)
	c.ask("iam attach-role-policy --role-name r --policy-arn " + policy)
	c.ask("iam put-role-policy --role-name r --policy-name inline --policy-document", trust)
	c.equal("attached", c.ask("iam list-attached-role-policies --role-name r --query AttachedPolicies[].PolicyName"), "p")
	c.equal("inline", c.ask("iam list-role-policies --role-name r --query PolicyNames"), "inline")
	c.equal("inline", compact(t, c.cli().Run(t, "iam", "get-role-policy", "--role-name", "r", "--policy-name", "inline", "--query", "PolicyDocument")), trust)
	c.equal("profiles", c.ask("iam list-instance-profiles-for-role --role-name r --query length(InstanceProfiles)"), "0")
	c.equal("second version", c.ask("iam create-policy-version --set-as-default --query PolicyVersion.VersionId --policy-arn "+policy+" --policy-document", trust), "v2")
	c.equal("versions", c.ask("iam list-policy-versions --query Versions[].VersionId --policy-arn "+policy), "v2\tv1")
	c.refused("DeleteConflict", "iam delete-role --role-name r")

	c.refused("AccessDenied", "sts assume-role --role-session-name session --role-arn "+role) // it is for tasks
	c.refused("AccessDenied", "sts assume-role --role-session-name session --role-arn arn:aws:iam::000000000000:role/none")
	c.ask("iam detach-role-policy --role-name r --policy-arn " + policy)
	c.ask("iam delete-role-policy --role-name r --policy-name inline")
	c.ask("iam delete-role --role-name r")
	c.refused("NoSuchEntity", "iam get-role --role-name r")
}

// compact is JSON without spaces, in the order that it was written in.
func compact(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestKeys takes on a role: its keys count with their token until they expire, for what its policies allow, and go on doing so after a restart.
func TestKeys(t *testing.T) {
	c := newCloud(t)
	role := awstest.Role(t, c.client("secret"), "r", "AWS", "arn:aws:iam::000000000000:root")
	execution := awstest.ExecutionRole(t, c.client("secret"))
	c.ask("iam put-role-policy --role-name r --policy-name p --policy-document", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["ecs:RegisterTaskDefinition","ecs:List*"],"Resource":"*"},{"Effect":"Deny","Action":"ecs:ListTasks","Resource":"*"}]}`)
	var answer struct{ Credentials awssdk.Credentials }
	c.cli().JSON(t, &answer, "sts", "assume-role", "--role-arn", role, "--role-session-name", "session")
	k := answer.Credentials
	as := func(token string) awssdk.Config {
		cfg := c.client("secret")
		cfg.Credentials, cfg.RetryMaxAttempts = credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, token), 1
		return cfg
	}
	who := func(token string) (string, error) {
		out, err := sts.NewFromConfig(as(token)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", err
		}
		return awssdk.ToString(out.Arn), nil
	}
	for range 2 {
		if arn, err := who(k.SessionToken); err != nil || arn != "arn:aws:sts::000000000000:assumed-role/r/session" {
			t.Errorf("%s, %v", arn, err)
		}
		c.close()
		c.open()
	}
	for _, token := range []string{"", "wrong"} {
		if arn, err := who(token); err == nil {
			t.Errorf("the token %q counts for %s", token, arn)
		}
	}
	client := ecs.NewFromConfig(as(k.SessionToken))
	if _, err := client.ListClusters(t.Context(), &ecs.ListClustersInput{}); err != nil {
		t.Error(err)
	}
	if _, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{}); code(err) != "AccessDeniedException" {
		t.Errorf("what is denied: %v", err)
	}
	if _, err := client.CreateCluster(t.Context(), &ecs.CreateClusterInput{}); code(err) != "AccessDeniedException" {
		t.Errorf("what nothing allows: %v", err)
	}
	if _, err := ec2.NewFromConfig(as(k.SessionToken)).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); code(err) != "UnauthorizedOperation" {
		t.Errorf("another service: %v", err)
	}
	definition := &ecs.RegisterTaskDefinitionInput{
		Family: awssdk.String("f"), Cpu: awssdk.String("256"), Memory: awssdk.String("512"), NetworkMode: types.NetworkModeAwsvpc, ExecutionRoleArn: &execution,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ContainerDefinitions: []types.ContainerDefinition{{Name: awssdk.String("c"), Image: awssdk.String("i")}}}
	if _, err := client.RegisterTaskDefinition(t.Context(), definition); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "iam:PassRole") {
		t.Errorf("to give a role away: %v", err)
	}
	c.ask("iam put-role-policy --role-name r --policy-name pass --policy-document", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/exec*"}}`)
	if _, err := client.RegisterTaskDefinition(t.Context(), definition); err != nil {
		t.Errorf("to give a role away: %v", err)
	}

	c.late.Store(int64(2 * time.Hour))
	if arn, err := who(k.SessionToken); code(err) != "ExpiredTokenException" {
		t.Errorf("after its time the key counts for %s: %v", arn, err)
	}
}
