package iam

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// managed is the beginning of the ARNs of AWS's own policies. The simulator knows their names only: it has not their documents.
const managed = "arn:aws:iam::aws:policy/"

// mostVersions is how many versions a policy may have.
const mostVersions = 5

// policy finds one of the account, or names one of AWS.
func (i *IAM) policy(arn *string) (policy, error) {
	name := aws.ToString(arn)
	if p, ok := i.policies.Get(name); ok {
		p.AttachmentCount = aws.Int32(i.attachments(name))
		return p, nil
	}
	if path, ok := strings.CutPrefix(name, managed); ok && path != "" {
		return policy{Policy: types.Policy{Arn: arn, PolicyName: aws.String(path[strings.LastIndexByte(path, '/')+1:]), Path: aws.String("/" + path[:strings.LastIndexByte(path, '/')+1]),
			DefaultVersionId: aws.String("v1"), IsAttachable: true, AttachmentCount: aws.Int32(i.attachments(name))}}, nil
	}
	return policy{}, noSuch("Policy %s does not exist or is not attachable.", name)
}

func (i *IAM) attachments(arn string) (n int32) {
	for _, r := range i.roles.All() {
		if slices.Contains(r.Attached, arn) {
			n++
		}
	}
	return n
}

func (i *IAM) createPolicy(ctx context.Context, _ *wire.Call, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	if err := document(in.PolicyDocument); err != nil {
		return nil, err
	}
	path, now := pathOr(in.Path), i.config.Now()
	arn := i.arn("policy", path, aws.ToString(in.PolicyName))
	made, err := i.policies.Update(ctx, *arn, func(old policy, ok bool) (policy, error) {
		if ok {
			return old, failure(http.StatusConflict, "EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", aws.ToString(in.PolicyName))
		}
		return policy{Made: 1, Versions: []types.PolicyVersion{{VersionId: aws.String("v1"), IsDefaultVersion: true, Document: in.PolicyDocument, CreateDate: &now}}, Policy: types.Policy{
			Arn: arn, PolicyName: in.PolicyName, PolicyId: aws.String(newID("ANPA")), Path: &path, Description: in.Description, DefaultVersionId: aws.String("v1"), IsAttachable: true,
			AttachmentCount: aws.Int32(0), PermissionsBoundaryUsageCount: aws.Int32(0), CreateDate: &now, UpdateDate: &now, Tags: in.Tags}}, nil
	})
	return &iam.CreatePolicyOutput{Policy: &made.Policy}, err
}

func (i *IAM) getPolicy(_ context.Context, _ *wire.Call, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	p, err := i.policy(in.PolicyArn)
	return &iam.GetPolicyOutput{Policy: &p.Policy}, err
}

func (i *IAM) listPolicies(_ context.Context, _ *wire.Call, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	if in.Scope == types.PolicyScopeTypeAws {
		return nil, failure(http.StatusBadRequest, "InvalidInput", "the simulator has no list of AWS's own policies")
	}
	list := []types.Policy{}
	for _, p := range i.policies.All() {
		p.AttachmentCount = aws.Int32(i.attachments(*p.Arn))
		if !in.OnlyAttached || *p.AttachmentCount > 0 {
			list = append(list, p.Policy)
		}
	}
	page, next, err := wire.Page(list, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &iam.ListPoliciesOutput{Policies: page, Marker: next, IsTruncated: next != nil}, err
}

func (i *IAM) deletePolicy(ctx context.Context, _ *wire.Call, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	p, err := i.own(in.PolicyArn)
	switch {
	case err != nil:
		return nil, err
	case i.attachments(*p.Arn) > 0:
		return nil, conflict("Cannot delete a policy attached to entities.")
	case len(p.Versions) > 1:
		return nil, conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	return &iam.DeletePolicyOutput{}, i.policies.Delete(ctx, *p.Arn)
}

// own is a policy of the account.
func (i *IAM) own(arn *string) (policy, error) {
	p, ok := i.policies.Get(aws.ToString(arn))
	if !ok {
		return p, noSuch("Policy %s was not found.", aws.ToString(arn))
	}
	return p, nil
}

func (i *IAM) createPolicyVersion(ctx context.Context, _ *wire.Call, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	if err := document(in.PolicyDocument); err != nil {
		return nil, err
	}
	if _, err := i.own(in.PolicyArn); err != nil {
		return nil, err
	}
	var v types.PolicyVersion
	_, err := i.policies.Update(ctx, *in.PolicyArn, func(p policy, _ bool) (policy, error) {
		if len(p.Versions) >= mostVersions {
			return p, failure(http.StatusConflict, "LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", mostVersions)
		}
		p.Made++
		p.Versions = slices.Clone(p.Versions)
		v = types.PolicyVersion{VersionId: aws.String(fmt.Sprintf("v%d", p.Made)), IsDefaultVersion: in.SetAsDefault, Document: in.PolicyDocument, CreateDate: aws.Time(i.config.Now())}
		if in.SetAsDefault {
			for at := range p.Versions {
				p.Versions[at].IsDefaultVersion = false
			}
			p.DefaultVersionId = v.VersionId
		}
		p.UpdateDate = v.CreateDate
		p.Versions = append(p.Versions, v)
		return p, nil
	})
	v.Document = nil
	return &iam.CreatePolicyVersionOutput{PolicyVersion: &v}, err
}

// version finds where a version of a policy is.
func (i *IAM) version(arn, id *string) (policy, int, error) {
	p, err := i.own(arn)
	if err != nil {
		return p, 0, err
	}
	at := slices.IndexFunc(p.Versions, func(v types.PolicyVersion) bool { return *v.VersionId == aws.ToString(id) })
	if at < 0 {
		return p, at, noSuch("Policy %s version %s does not exist or is not attachable.", *arn, aws.ToString(id))
	}
	return p, at, nil
}

func (i *IAM) getPolicyVersion(_ context.Context, _ *wire.Call, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	p, at, err := i.version(in.PolicyArn, in.VersionId)
	if err != nil {
		return nil, err
	}
	v := p.Versions[at]
	v.Document = encoded(*v.Document)
	return &iam.GetPolicyVersionOutput{PolicyVersion: &v}, nil
}

func (i *IAM) deletePolicyVersion(ctx context.Context, _ *wire.Call, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	p, at, err := i.version(in.PolicyArn, in.VersionId)
	if err != nil {
		return nil, err
	}
	if p.Versions[at].IsDefaultVersion {
		return nil, conflict("Cannot delete the default version of a policy.")
	}
	p.Versions = slices.Delete(slices.Clone(p.Versions), at, at+1)
	return &iam.DeletePolicyVersionOutput{}, i.policies.Put(ctx, *p.Arn, p)
}

func (i *IAM) listPolicyVersions(_ context.Context, _ *wire.Call, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	p, err := i.own(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	list := slices.Clone(p.Versions)
	slices.Reverse(list) // the newest first
	for at := range list {
		list[at].Document = nil
	}
	page, next, err := wire.Page(list, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &iam.ListPolicyVersionsOutput{Versions: page, Marker: next, IsTruncated: next != nil}, err
}
