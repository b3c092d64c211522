package iam

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// statement is one of a policy.
type statement struct {
	Effect    string
	Principal principal
	Action    list
	NotAction list
	Resource  list
}

// list is a string or some of them.
type list []string

func (l *list) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// principal is who a statement is about, by kind: "AWS", "Service". Everybody is "*" of kind "AWS".
type principal map[string]list

func (p *principal) UnmarshalJSON(text []byte) error {
	var everybody string
	if json.Unmarshal(text, &everybody) == nil {
		*p = principal{"AWS": {everybody}}
		return nil
	}
	return json.Unmarshal(text, (*map[string]list)(p))
}

// statements are those of a document.
func statements(text string) ([]statement, error) {
	var read struct{ Statement some }
	err := json.Unmarshal([]byte(text), &read)
	return read.Statement, err
}

// some is a statement, or a list of them.
type some []statement

func (s *some) UnmarshalJSON(text []byte) error {
	var one statement
	if json.Unmarshal(text, &one) == nil {
		*s = some{one}
		return nil
	}
	return json.Unmarshal(text, (*[]statement)(s))
}

// any tells whether a pattern of a list matches: "ecs:*", "arn:aws:iam::1:role/a-*".
func (l list) any(value string) bool {
	flat := strings.NewReplacer("/", "\x00") // a star goes over what a path is cut at
	return slices.ContainsFunc(l, func(pattern string) bool {
		ok, _ := path.Match(strings.ToLower(flat.Replace(pattern)), strings.ToLower(flat.Replace(value)))
		return ok
	})
}

// Trusts tells whether a role may be taken on: by a service ("ecs-tasks.amazonaws.com"), or by a caller of the account, by ARN.
func (i *IAM) Trusts(role, who string) bool {
	r, ok := i.byARN(role)
	if !ok {
		return false
	}
	all, _ := statements(aws.ToString(r.AssumeRolePolicyDocument)) // it was checked
	return slices.ContainsFunc(all, func(s statement) bool {
		account := i.config.Account
		members := append(slices.Clone(s.Principal["Service"]), s.Principal["AWS"]...)
		return s.Effect == "Allow" && s.Action.any("sts:AssumeRole") && slices.ContainsFunc(members, func(m string) bool {
			return m == who || strings.HasPrefix(who, "arn:") && (m == "*" || m == account || m == "arn:aws:iam::"+account+":root")
		})
	})
}

// Allows tells whether the policies of a role allow an action, on some resource at least.
func (i *IAM) Allows(role, action string) bool { return i.allows(role, action, nil) }

// MayPass tells whether a caller may hand a role to a service: a user may, and who has a role that allows it.
func (i *IAM) MayPass(caller, passed string) bool {
	return caller == "" || i.allows(caller, "iam:PassRole", &passed)
}

func (i *IAM) allows(role, action string, resource *string) bool {
	r, ok := i.byARN(role)
	allowed := false
	for _, text := range i.documents(r) {
		all, _ := statements(text) // it was checked
		for _, s := range all {
			about := s.Action.any(action) || s.NotAction != nil && !s.NotAction.any(action)
			if !about || resource != nil && !s.Resource.any(*resource) {
				continue
			}
			if s.Effect == "Deny" && (resource != nil || s.Resource.any("*")) {
				return false
			}
			allowed = allowed || s.Effect == "Allow"
		}
	}
	return ok && allowed
}

// documents are the texts of a role's policies.
func (i *IAM) documents(r role) []string {
	var texts []string
	for _, text := range r.Inline {
		texts = append(texts, text)
	}
	for _, arn := range r.Attached {
		if text, ok := known[arn]; ok {
			texts = append(texts, text)
		}
		p, _ := i.policies.Get(arn)
		for _, v := range p.Versions {
			if v.IsDefaultVersion {
				texts = append(texts, aws.ToString(v.Document))
			}
		}
	}
	return texts
}

// known are AWS's own policies of which the simulator has the documents.
var known = map[string]string{
	managed + "AdministratorAccess": `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	managed + "service-role/AmazonECSTaskExecutionRolePolicy": `{"Statement":[{"Effect":"Allow","Action":["ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability",
		"ecr:GetDownloadUrlForLayer","ecr:BatchGetImage","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,
	managed + "service-role/AWSLambdaBasicExecutionRole": `{"Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,
	managed + "service-role/AWSLambdaVPCAccessExecutionRole": `{"Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents",
		"ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"Resource":"*"}]}`,
}
