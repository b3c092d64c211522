package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// makeGroup makes a security group, which lets everything out; one that is "default" lets its own members in.
func (e *EC2) makeGroup(ctx context.Context, region, vpc, name, description string) (types.SecurityGroup, error) {
	id := newID("sg")
	g := types.SecurityGroup{GroupId: &id, GroupName: &name, Description: &description, OwnerId: &e.config.Account, VpcId: &vpc, SecurityGroupArn: e.arn(region, "security-group", id)}
	if err := e.groups.put(ctx, region, id, g); err != nil {
		return g, err
	}
	all := types.IpPermission{IpProtocol: aws.String("-1")}
	out := all
	out.IpRanges = []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}
	if _, err := e.addRules(ctx, region, g, true, []types.IpPermission{out}, nil); err != nil || name != "default" {
		return g, err
	}
	all.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &id}}
	_, err := e.addRules(ctx, region, g, false, []types.IpPermission{all}, nil)
	return g, err
}

func (e *EC2) createSecurityGroup(ctx context.Context, c *wire.Call, in *ec2.CreateSecurityGroupInput) (*ec2.CreateSecurityGroupOutput, error) {
	switch {
	case in.GroupName == nil:
		return nil, missing("GroupName")
	case in.Description == nil:
		return nil, missing("GroupDescription")
	}
	if in.VpcId == nil {
		for _, v := range e.vpcs.of(c.Region, func(v vpc) bool { return aws.ToBool(v.IsDefault) }) {
			in.VpcId = v.VpcId
		}
	}
	v, err := e.vpcs.find(c.Region, in.VpcId)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(*in.GroupName, "sg-") {
		return nil, failure("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", *in.GroupName)
	}
	if len(e.groups.of(c.Region, func(g types.SecurityGroup) bool { return *g.VpcId == *v.VpcId && *g.GroupName == *in.GroupName })) > 0 {
		return nil, failure("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", *in.GroupName, *v.VpcId)
	}
	g, err := e.makeGroup(ctx, c.Region, *v.VpcId, *in.GroupName, *in.Description)
	if err != nil {
		return nil, err
	}
	if err := e.specified(ctx, *g.GroupId, in.TagSpecifications); err != nil {
		return nil, err
	}
	return &ec2.CreateSecurityGroupOutput{GroupId: g.GroupId, SecurityGroupArn: g.SecurityGroupArn, Tags: e.tagsOf(*g.GroupId)}, nil
}

func (e *EC2) deleteSecurityGroup(ctx context.Context, c *wire.Call, in *ec2.DeleteSecurityGroupInput) (*ec2.DeleteSecurityGroupOutput, error) {
	g, err := e.group(c.Region, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if *g.GroupName == "default" {
		return nil, failure("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", *g.GroupId)
	}
	users := e.interfaces.of(c.Region, func(n networkInterface) bool { return slices.Contains(n.groupIDs(), *g.GroupId) })
	references := e.rules.of(c.Region, func(r types.SecurityGroupRule) bool { return *r.GroupId != *g.GroupId && referenced(r) == *g.GroupId })
	if len(users) > 0 || len(references) > 0 {
		return nil, inUse("resource %s has a dependent object", *g.GroupId)
	}
	return &ec2.DeleteSecurityGroupOutput{GroupId: g.GroupId, Return: aws.Bool(true)}, e.removeGroup(ctx, c.Region, *g.GroupId)
}

// removeGroup removes a group with its rules.
func (e *EC2) removeGroup(ctx context.Context, region, id string) error {
	for _, r := range e.rulesOf(region, id) {
		if err := e.forget(ctx, e.rules.Delete, *r.SecurityGroupRuleId); err != nil {
			return err
		}
	}
	return e.forget(ctx, e.groups.Delete, id)
}

// group is one by its id, or by its name in the default VPC.
func (e *EC2) group(region string, id, name *string) (types.SecurityGroup, error) {
	if id != nil || name == nil {
		g, err := e.groups.find(region, id)
		if err != nil {
			err = failure(e.groups.notFound, "The security group '%s' does not exist", aws.ToString(id))
		}
		return g, err
	}
	for _, v := range e.vpcs.of(region, func(v vpc) bool { return aws.ToBool(v.IsDefault) }) {
		for _, g := range e.groups.of(region, func(g types.SecurityGroup) bool { return *g.VpcId == *v.VpcId && *g.GroupName == *name }) {
			return g, nil
		}
	}
	return types.SecurityGroup{}, failure(e.groups.notFound, "The security group '%s' does not exist in default VPC", *name)
}

func (e *EC2) rulesOf(region, group string) []types.SecurityGroupRule {
	return e.rules.of(region, func(r types.SecurityGroupRule) bool { return *r.GroupId == group })
}

// referenced is the group that a rule is about, if it is about one.
func referenced(r types.SecurityGroupRule) string {
	if r.ReferencedGroupInfo == nil {
		return ""
	}
	return aws.ToString(r.ReferencedGroupInfo.GroupId)
}

// showGroup gathers a group's rules: one permission for each protocol and range of ports.
func (e *EC2) showGroup(region string) func(types.SecurityGroup) types.SecurityGroup {
	return func(g types.SecurityGroup) types.SecurityGroup {
		g.IpPermissions, g.IpPermissionsEgress = []types.IpPermission{}, []types.IpPermission{}
		for _, r := range e.rulesOf(region, *g.GroupId) {
			list := &g.IpPermissions
			if *r.IsEgress {
				list = &g.IpPermissionsEgress
			}
			at := slices.IndexFunc(*list, func(p types.IpPermission) bool {
				return *p.IpProtocol == *r.IpProtocol && equal(p.FromPort, portOf(r, r.FromPort)) && equal(p.ToPort, portOf(r, r.ToPort))
			})
			if at < 0 {
				at = len(*list)
				*list = append(*list, types.IpPermission{IpProtocol: r.IpProtocol, FromPort: portOf(r, r.FromPort), ToPort: portOf(r, r.ToPort),
					IpRanges: []types.IpRange{}, Ipv6Ranges: []types.Ipv6Range{}, PrefixListIds: []types.PrefixListId{}, UserIdGroupPairs: []types.UserIdGroupPair{}})
			}
			p := &(*list)[at]
			switch {
			case r.CidrIpv4 != nil:
				p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: r.CidrIpv4, Description: r.Description})
			case r.CidrIpv6 != nil:
				p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: r.CidrIpv6, Description: r.Description})
			default:
				p.UserIdGroupPairs = append(p.UserIdGroupPairs, types.UserIdGroupPair{GroupId: r.ReferencedGroupInfo.GroupId, UserId: &e.config.Account, Description: r.Description})
			}
		}
		return g
	}
}

// portOf is a port of a permission, which one for all protocols does not have.
func portOf(r types.SecurityGroupRule, port *int32) *int32 {
	if *r.IpProtocol == "-1" {
		return nil
	}
	return port
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

func (e *EC2) describeSecurityGroups(_ context.Context, c *wire.Call, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	ids := slices.Clone(in.GroupIds)
	for _, id := range ids {
		if _, err := e.group(c.Region, &id, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range in.GroupNames {
		g, err := e.group(c.Region, nil, &name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, *g.GroupId)
	}
	list, next, err := describe(e, &e.groups, c, question{ids, in.Filters, in.NextToken, in.MaxResults}, e.showGroup(c.Region))
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: list, NextToken: next}, err
}

func (e *EC2) describeSecurityGroupRules(_ context.Context, c *wire.Call, in *ec2.DescribeSecurityGroupRulesInput) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	list, next, err := describe(e, &e.rules, c, question{in.SecurityGroupRuleIds, in.Filters, in.NextToken, in.MaxResults}, same)
	return &ec2.DescribeSecurityGroupRulesOutput{SecurityGroupRules: list, NextToken: next}, err
}

// split makes a rule of each source or destination of permissions.
func (e *EC2) split(region string, g types.SecurityGroup, egress bool, permissions []types.IpPermission) ([]types.SecurityGroupRule, error) {
	var rules []types.SecurityGroupRule
	for _, p := range permissions {
		protocol, ok := protocols[strings.ToLower(aws.ToString(p.IpProtocol))]
		if !ok {
			return nil, failure("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", aws.ToString(p.IpProtocol))
		}
		from, to := p.FromPort, p.ToPort
		switch {
		case protocol == "-1":
			from, to = aws.Int32(-1), aws.Int32(-1)
		case from == nil || to == nil:
			return nil, failure("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		case *from > *to && protocol != "icmp" || *from < -1 || *to > 65535:
			return nil, failure("InvalidParameterValue", "Invalid value '%d' to '%d' for portRange.", *from, *to)
		}
		rule := func(description *string) types.SecurityGroupRule {
			id := newID("sgr")
			return types.SecurityGroupRule{SecurityGroupRuleId: &id, SecurityGroupRuleArn: e.arn(region, "security-group-rule", id), GroupId: g.GroupId,
				GroupOwnerId: &e.config.Account, IsEgress: &egress, IpProtocol: &protocol, FromPort: from, ToPort: to, Description: description}
		}
		for _, cidr := range p.IpRanges {
			prefix, err := netip.ParsePrefix(aws.ToString(cidr.CidrIp))
			if err != nil || !prefix.Addr().Is4() {
				return nil, failure("InvalidParameterValue", "CIDR block %s is malformed", aws.ToString(cidr.CidrIp))
			}
			r := rule(cidr.Description)
			r.CidrIpv4 = aws.String(prefix.Masked().String())
			rules = append(rules, r)
		}
		for _, cidr := range p.Ipv6Ranges {
			prefix, err := netip.ParsePrefix(aws.ToString(cidr.CidrIpv6))
			if err != nil || !prefix.Addr().Is6() {
				return nil, failure("InvalidParameterValue", "CIDR block %s is malformed", aws.ToString(cidr.CidrIpv6))
			}
			r := rule(cidr.Description)
			r.CidrIpv6 = aws.String(prefix.Masked().String())
			rules = append(rules, r)
		}
		for _, pair := range p.UserIdGroupPairs {
			other, err := e.group(region, pair.GroupId, pair.GroupName)
			if err != nil {
				return nil, err
			}
			r := rule(pair.Description)
			r.ReferencedGroupInfo = &types.ReferencedSecurityGroup{GroupId: other.GroupId, UserId: &e.config.Account}
			rules = append(rules, r)
		}
		for _, list := range p.PrefixListIds {
			return nil, failure("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", aws.ToString(list.PrefixListId))
		}
	}
	if len(rules) == 0 {
		return nil, missing("ipPermissions")
	}
	return rules, nil
}

// protocols are the names of protocols as rules keep them.
var protocols = map[string]string{"-1": "-1", "all": "-1", "tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp", "icmpv6": "icmpv6", "58": "icmpv6"}

// sameRule tells whether two rules let the same through.
func sameRule(a, b types.SecurityGroupRule) bool {
	return *a.IsEgress == *b.IsEgress && *a.IpProtocol == *b.IpProtocol && equal(a.FromPort, b.FromPort) && equal(a.ToPort, b.ToPort) &&
		equal(a.CidrIpv4, b.CidrIpv4) && equal(a.CidrIpv6, b.CidrIpv6) && referenced(a) == referenced(b)
}

func (e *EC2) addRules(ctx context.Context, region string, g types.SecurityGroup, egress bool, permissions []types.IpPermission, tags []types.TagSpecification) ([]types.SecurityGroupRule, error) {
	rules, err := e.split(region, g, egress, permissions)
	if err != nil {
		return nil, err
	}
	there := e.rulesOf(region, *g.GroupId)
	for _, r := range rules {
		if slices.ContainsFunc(there, func(old types.SecurityGroupRule) bool { return sameRule(r, old) }) {
			return nil, failure("InvalidPermission.Duplicate", "the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already exists",
				aws.ToString(r.CidrIpv4)+aws.ToString(r.CidrIpv6)+referenced(r), strings.ToUpper(*r.IpProtocol), *r.FromPort, *r.ToPort)
		}
		there = append(there, r)
	}
	for i, r := range rules {
		if err := e.rules.put(ctx, region, *r.SecurityGroupRuleId, r); err != nil {
			return nil, err
		}
		if err := e.specified(ctx, *r.SecurityGroupRuleId, tags); err != nil {
			return nil, err
		}
		rules[i].Tags = e.tagsOf(*r.SecurityGroupRuleId)
	}
	return rules, nil
}

// short is the permission of a request that names one source in its own members.
func short(protocol *string, from, to *int32, cidr *string) []types.IpPermission {
	if protocol == nil && cidr == nil {
		return nil
	}
	return []types.IpPermission{{IpProtocol: protocol, FromPort: from, ToPort: to, IpRanges: []types.IpRange{{CidrIp: cidr}}}}
}

func (e *EC2) authorizeIngress(ctx context.Context, c *wire.Call, in *ec2.AuthorizeSecurityGroupIngressInput) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	g, err := e.group(c.Region, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	rules, err := e.addRules(ctx, c.Region, g, false, append(in.IpPermissions, short(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp)...), in.TagSpecifications)
	return &ec2.AuthorizeSecurityGroupIngressOutput{Return: aws.Bool(true), SecurityGroupRules: rules}, err
}

func (e *EC2) authorizeEgress(ctx context.Context, c *wire.Call, in *ec2.AuthorizeSecurityGroupEgressInput) (*ec2.AuthorizeSecurityGroupEgressOutput, error) {
	g, err := e.group(c.Region, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	rules, err := e.addRules(ctx, c.Region, g, true, append(in.IpPermissions, short(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp)...), in.TagSpecifications)
	return &ec2.AuthorizeSecurityGroupEgressOutput{Return: aws.Bool(true), SecurityGroupRules: rules}, err
}

func (e *EC2) removeRules(ctx context.Context, region string, g types.SecurityGroup, egress bool, ids []string, permissions []types.IpPermission) ([]types.RevokedSecurityGroupRule, error) {
	var gone []types.SecurityGroupRule
	for _, id := range ids {
		r, err := e.rules.find(region, &id)
		if err != nil || *r.GroupId != *g.GroupId || *r.IsEgress != egress {
			return nil, failure(e.rules.notFound, "The security group rule ID '%s' does not exist", id)
		}
		gone = append(gone, r)
	}
	if len(ids) == 0 {
		wanted, err := e.split(region, g, egress, permissions)
		if err != nil {
			return nil, err
		}
		there := e.rulesOf(region, *g.GroupId)
		for _, w := range wanted {
			at := slices.IndexFunc(there, func(r types.SecurityGroupRule) bool { return sameRule(w, r) })
			if at < 0 {
				return nil, failure("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			gone = append(gone, there[at])
		}
	}
	var revoked []types.RevokedSecurityGroupRule
	for _, r := range gone {
		if err := e.forget(ctx, e.rules.Delete, *r.SecurityGroupRuleId); err != nil {
			return nil, err
		}
		v := types.RevokedSecurityGroupRule{CidrIpv4: r.CidrIpv4, CidrIpv6: r.CidrIpv6, Description: r.Description, FromPort: r.FromPort, ToPort: r.ToPort, GroupId: r.GroupId,
			IpProtocol: r.IpProtocol, IsEgress: r.IsEgress, SecurityGroupRuleId: r.SecurityGroupRuleId}
		if group := referenced(r); group != "" {
			v.ReferencedGroupId = &group
		}
		revoked = append(revoked, v)
	}
	return revoked, nil
}

func (e *EC2) revokeIngress(ctx context.Context, c *wire.Call, in *ec2.RevokeSecurityGroupIngressInput) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	g, err := e.group(c.Region, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	revoked, err := e.removeRules(ctx, c.Region, g, false, in.SecurityGroupRuleIds, append(in.IpPermissions, short(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp)...))
	return &ec2.RevokeSecurityGroupIngressOutput{Return: aws.Bool(true), RevokedSecurityGroupRules: revoked}, err
}

func (e *EC2) revokeEgress(ctx context.Context, c *wire.Call, in *ec2.RevokeSecurityGroupEgressInput) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	g, err := e.group(c.Region, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	revoked, err := e.removeRules(ctx, c.Region, g, true, in.SecurityGroupRuleIds, append(in.IpPermissions, short(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp)...))
	return &ec2.RevokeSecurityGroupEgressOutput{Return: aws.Bool(true), RevokedSecurityGroupRules: revoked}, err
}
