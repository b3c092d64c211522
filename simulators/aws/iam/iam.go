package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	State   state.Store
	Now     func() time.Time
}

// role is one with what belongs to it. Documents are kept as they were given.
type role struct {
	types.Role
	Inline   map[string]string // documents by name
	Attached []string          // ARNs of policies
}

// policy is one with its versions.
type policy struct {
	types.Policy
	Versions []types.PolicyVersion
	Made     int // versions, counting those that are gone
}

// IAM is the service.
type IAM struct {
	config   Config
	roles    *table.Table[role]
	policies *table.Table[policy] // by ARN
}

// Open finds the roles and policies of an earlier simulator.
func Open(config Config) (i *IAM, err error) {
	i = &IAM{config: config}
	if i.roles, err = table.Open[role](config.State, "iam/role/"); err != nil {
		return nil, err
	}
	i.policies, err = table.Open[policy](config.State, "iam/policy/")
	return i, err
}

// Service is what it can do.
func (i *IAM) Service() *wire.Service {
	return &wire.Service{
		Name: "iam", Protocol: wire.Query("https://iam.amazonaws.com/doc/2010-05-08/"),
		Operations: map[string]wire.Operation{
			"CreateRole": wire.Op(i.createRole), "GetRole": wire.Op(i.getRole), "ListRoles": wire.Op(i.listRoles), "UpdateRole": wire.Op(i.updateRole),
			"UpdateAssumeRolePolicy": wire.Op(i.updateAssumeRolePolicy), "DeleteRole": wire.Op(i.deleteRole),
			"TagRole": wire.Op(i.tagRole), "UntagRole": wire.Op(i.untagRole), "ListRoleTags": wire.Op(i.listRoleTags),
			"PutRolePolicy": wire.Op(i.putRolePolicy), "GetRolePolicy": wire.Op(i.getRolePolicy), "DeleteRolePolicy": wire.Op(i.deleteRolePolicy),
			"ListRolePolicies": wire.Op(i.listRolePolicies), "AttachRolePolicy": wire.Op(i.attachRolePolicy), "DetachRolePolicy": wire.Op(i.detachRolePolicy),
			"ListAttachedRolePolicies": wire.Op(i.listAttachedRolePolicies), "ListInstanceProfilesForRole": wire.Op(i.listInstanceProfilesForRole),
			"CreatePolicy": wire.Op(i.createPolicy), "GetPolicy": wire.Op(i.getPolicy), "DeletePolicy": wire.Op(i.deletePolicy), "ListPolicies": wire.Op(i.listPolicies),
			"CreatePolicyVersion": wire.Op(i.createPolicyVersion), "GetPolicyVersion": wire.Op(i.getPolicyVersion),
			"DeletePolicyVersion": wire.Op(i.deletePolicyVersion), "ListPolicyVersions": wire.Op(i.listPolicyVersions),
		},
	}
}

func failure(status int, code, format string, args ...any) error {
	return &wire.Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func noSuch(format string, args ...any) error {
	return failure(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func conflict(format string, args ...any) error {
	return failure(http.StatusConflict, "DeleteConflict", format, args...)
}

// newID is an id as IAM makes them: "AROA" and 17 letters and digits.
func newID(prefix string) string {
	var random [11]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + base32.StdEncoding.EncodeToString(random[:])[:17]
}

// document checks a policy's text.
func document(text *string) error {
	if all, err := statements(aws.ToString(text)); err != nil || len(all) == 0 {
		return failure(http.StatusBadRequest, "MalformedPolicyDocument", "Syntax errors in policy.")
	}
	return nil
}

// encoded is a document as answers have it.
func encoded(text string) *string {
	return aws.String(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
}

func (i *IAM) arn(kind, path, name string) *string {
	return aws.String("arn:aws:iam::" + i.config.Account + ":" + kind + path + name)
}

func pathOr(path *string) string {
	if path == nil {
		return "/"
	}
	return *path
}

// Role tells whether there is a role, by its ARN.
func (i *IAM) Role(arn string) (id, name string, ok bool) {
	r, ok := i.byARN(arn)
	return aws.ToString(r.RoleId), aws.ToString(r.RoleName), ok
}

func (i *IAM) byARN(arn string) (role, bool) {
	r, ok := i.roles.Get(arn[strings.LastIndexByte(arn, '/')+1:])
	return r, ok && aws.ToString(r.Arn) == arn
}

func (i *IAM) find(name *string) (role, error) {
	r, ok := i.roles.Get(aws.ToString(name))
	if !ok {
		return r, noSuch("The role with name %s cannot be found.", aws.ToString(name))
	}
	return r, nil
}

// shown is a role as answers have it.
func shown(r role) *types.Role {
	r.AssumeRolePolicyDocument = encoded(aws.ToString(r.AssumeRolePolicyDocument))
	return &r.Role
}

// change writes a role that there is.
func (i *IAM) change(ctx context.Context, name *string, f func(r *role) error) error {
	_, err := i.roles.Update(ctx, aws.ToString(name), func(old role, ok bool) (role, error) {
		if !ok {
			return old, noSuch("The role with name %s cannot be found.", aws.ToString(name))
		}
		old.Inline, old.Attached, old.Tags = maps.Clone(old.Inline), slices.Clone(old.Attached), slices.Clone(old.Tags)
		return old, f(&old)
	})
	return err
}

func (i *IAM) createRole(ctx context.Context, _ *wire.Call, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	if in.RoleName == nil {
		return nil, failure(http.StatusBadRequest, "ValidationError", "roleName must not be null")
	}
	if err := document(in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	hour := int32(time.Hour / time.Second)
	if in.MaxSessionDuration != nil {
		hour = *in.MaxSessionDuration
	}
	made, err := i.roles.Update(ctx, *in.RoleName, func(old role, ok bool) (role, error) {
		if ok {
			return old, failure(http.StatusConflict, "EntityAlreadyExists", "Role with name %s already exists.", *in.RoleName)
		}
		path := pathOr(in.Path)
		return role{Inline: map[string]string{}, Role: types.Role{
			RoleName: in.RoleName, RoleId: aws.String(newID("AROA")), Path: &path, Arn: i.arn("role", path, *in.RoleName), CreateDate: aws.Time(i.config.Now()),
			AssumeRolePolicyDocument: in.AssumeRolePolicyDocument, Description: in.Description, MaxSessionDuration: &hour, Tags: in.Tags}}, nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.CreateRoleOutput{Role: shown(made)}, nil
}

func (i *IAM) getRole(_ context.Context, _ *wire.Call, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, err := i.find(in.RoleName)
	if err != nil {
		return nil, err
	}
	r.RoleLastUsed = &types.RoleLastUsed{}
	return &iam.GetRoleOutput{Role: shown(r)}, nil
}

func (i *IAM) listRoles(_ context.Context, _ *wire.Call, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	list := []types.Role{}
	for _, r := range i.roles.All() {
		if strings.HasPrefix(aws.ToString(r.Path), pathOr(in.PathPrefix)) {
			list = append(list, *shown(r))
		}
	}
	page, next, err := wire.Page(list, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &iam.ListRolesOutput{Roles: page, Marker: next, IsTruncated: next != nil}, err
}

func (i *IAM) updateRole(ctx context.Context, _ *wire.Call, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	return &iam.UpdateRoleOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		if in.Description != nil {
			r.Description = in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSessionDuration = in.MaxSessionDuration
		}
		return nil
	})
}

func (i *IAM) updateAssumeRolePolicy(ctx context.Context, _ *wire.Call, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	if err := document(in.PolicyDocument); err != nil {
		return nil, err
	}
	return &iam.UpdateAssumeRolePolicyOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		r.AssumeRolePolicyDocument = in.PolicyDocument
		return nil
	})
}

func (i *IAM) deleteRole(ctx context.Context, _ *wire.Call, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	r, err := i.find(in.RoleName)
	switch {
	case err != nil:
		return nil, err
	case len(r.Attached) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	case len(r.Inline) > 0:
		return nil, conflict("Cannot delete entity, must delete policies first.")
	}
	return &iam.DeleteRoleOutput{}, i.roles.Delete(ctx, *in.RoleName)
}

func (i *IAM) tagRole(ctx context.Context, _ *wire.Call, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	return &iam.TagRoleOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		for _, t := range in.Tags {
			r.Tags = append(slices.DeleteFunc(r.Tags, func(old types.Tag) bool { return *old.Key == *t.Key }), t)
		}
		return nil
	})
}

func (i *IAM) untagRole(ctx context.Context, _ *wire.Call, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	return &iam.UntagRoleOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		r.Tags = slices.DeleteFunc(r.Tags, func(t types.Tag) bool { return slices.Contains(in.TagKeys, *t.Key) })
		return nil
	})
}

func (i *IAM) listRoleTags(_ context.Context, _ *wire.Call, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	r, err := i.find(in.RoleName)
	return &iam.ListRoleTagsOutput{Tags: append([]types.Tag{}, r.Tags...)}, err
}

func (i *IAM) putRolePolicy(ctx context.Context, _ *wire.Call, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	if err := document(in.PolicyDocument); err != nil {
		return nil, err
	}
	return &iam.PutRolePolicyOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[aws.ToString(in.PolicyName)] = *in.PolicyDocument
		return nil
	})
}

func (i *IAM) getRolePolicy(_ context.Context, _ *wire.Call, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	r, err := i.find(in.RoleName)
	if err != nil {
		return nil, err
	}
	text, ok := r.Inline[aws.ToString(in.PolicyName)]
	if !ok {
		return nil, noSuch("The role policy with name %s cannot be found.", aws.ToString(in.PolicyName))
	}
	return &iam.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: encoded(text)}, nil
}

func (i *IAM) deleteRolePolicy(ctx context.Context, _ *wire.Call, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	return &iam.DeleteRolePolicyOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		if _, ok := r.Inline[aws.ToString(in.PolicyName)]; !ok {
			return noSuch("The role policy with name %s cannot be found.", aws.ToString(in.PolicyName))
		}
		delete(r.Inline, *in.PolicyName)
		return nil
	})
}

func (i *IAM) listRolePolicies(_ context.Context, _ *wire.Call, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	r, err := i.find(in.RoleName)
	if err != nil {
		return nil, err
	}
	page, next, err := wire.Page(slices.Sorted(maps.Keys(r.Inline)), aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &iam.ListRolePoliciesOutput{PolicyNames: page, Marker: next, IsTruncated: next != nil}, err
}

func (i *IAM) attachRolePolicy(ctx context.Context, _ *wire.Call, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	if _, err := i.policy(in.PolicyArn); err != nil {
		return nil, err
	}
	return &iam.AttachRolePolicyOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		if !slices.Contains(r.Attached, arn) {
			r.Attached = append(r.Attached, arn)
		}
		return nil
	})
}

func (i *IAM) detachRolePolicy(ctx context.Context, _ *wire.Call, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	return &iam.DetachRolePolicyOutput{}, i.change(ctx, in.RoleName, func(r *role) error {
		at := slices.Index(r.Attached, aws.ToString(in.PolicyArn))
		if at < 0 {
			return noSuch("Policy %s was not found.", aws.ToString(in.PolicyArn))
		}
		r.Attached = slices.Delete(r.Attached, at, at+1)
		return nil
	})
}

func (i *IAM) listAttachedRolePolicies(_ context.Context, _ *wire.Call, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	r, err := i.find(in.RoleName)
	if err != nil {
		return nil, err
	}
	list := []types.AttachedPolicy{}
	for _, arn := range r.Attached {
		list = append(list, types.AttachedPolicy{PolicyArn: aws.String(arn), PolicyName: aws.String(arn[strings.LastIndexByte(arn, '/')+1:])})
	}
	page, next, err := wire.Page(list, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 100)
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: page, Marker: next, IsTruncated: next != nil}, err
}

// listInstanceProfilesForRole is always empty: there are no instances.
func (i *IAM) listInstanceProfilesForRole(_ context.Context, _ *wire.Call, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	_, err := i.find(in.RoleName)
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: []types.InstanceProfile{}}, err
}
