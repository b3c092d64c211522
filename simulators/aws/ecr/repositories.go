package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

var repositoryName = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// repository finds one by its name.
func (e *ECR) repository(name *string) (repository, error) {
	r, ok := e.repositories.Get(aws.ToString(name))
	if !ok {
		return r, e.missing(name)
	}
	return r, nil
}

func (e *ECR) missing(name *string) error {
	return &wire.Error{Code: "RepositoryNotFoundException", Message: fmt.Sprintf("The repository with name '%s' does not exist %s", aws.ToString(name), e.inRegistry())}
}

// change writes a repository down as f makes it.
func (e *ECR) change(ctx context.Context, name *string, f func(r *repository)) (repository, error) {
	return e.repositories.Update(ctx, aws.ToString(name), func(r repository, ok bool) (repository, error) {
		if !ok {
			return r, e.missing(name)
		}
		f(&r)
		return r, nil
	})
}

func (e *ECR) createRepository(ctx context.Context, c *wire.Call, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	name := aws.ToString(in.RepositoryName)
	if len(name) < 2 || len(name) > 256 || !repositoryName.MatchString(name) {
		return nil, invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '%s''", repositoryName)
	}
	made, err := e.repositories.Update(ctx, name, func(r repository, ok bool) (repository, error) {
		if ok {
			return r, &wire.Error{Code: "RepositoryAlreadyExistsException", Message: fmt.Sprintf("The repository with name '%s' already exists %s", name, e.inRegistry())}
		}
		r = repository{Tags: in.Tags, Repository: types.Repository{
			CreatedAt: aws.Time(e.config.Now()), EncryptionConfiguration: in.EncryptionConfiguration, ImageScanningConfiguration: in.ImageScanningConfiguration,
			ImageTagMutability: cmp.Or(in.ImageTagMutability, types.ImageTagMutabilityMutable), ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters,
			RegistryId: aws.String(e.config.Account), RepositoryName: in.RepositoryName, RepositoryUri: aws.String(e.config.Host + "/" + name),
			RepositoryArn: aws.String(fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", c.Region, e.config.Account, name)),
		}}
		if r.EncryptionConfiguration == nil {
			r.EncryptionConfiguration = &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256}
		}
		if r.ImageScanningConfiguration == nil {
			r.ImageScanningConfiguration = &types.ImageScanningConfiguration{}
		}
		return r, nil
	})
	return &ecr.CreateRepositoryOutput{Repository: &made.Repository}, err
}

func (e *ECR) describeRepositories(_ context.Context, _ *wire.Call, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	for _, name := range in.RepositoryNames {
		if _, err := e.repository(&name); err != nil {
			return nil, err
		}
	}
	var list []types.Repository
	for _, r := range e.repositories.All() {
		if len(in.RepositoryNames) == 0 || slices.Contains(in.RepositoryNames, aws.ToString(r.RepositoryName)) {
			r.RepositoryUri = aws.String(e.config.Host + "/" + aws.ToString(r.RepositoryName)) // a simulator may be elsewhere than the one before
			list = append(list, r.Repository)
		}
	}
	page, next, err := wire.Page(list, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 1000)
	return &ecr.DescribeRepositoriesOutput{Repositories: page, NextToken: next}, err
}

func (e *ECR) deleteRepository(ctx context.Context, _ *wire.Call, in *ecr.DeleteRepositoryInput) (*ecr.DeleteRepositoryOutput, error) {
	r, list, err := e.of(ctx, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.RepositoryName)
	if len(list) > 0 && !in.Force {
		return nil, &wire.Error{Code: "RepositoryNotEmptyException", Message: fmt.Sprintf("The repository with name '%s' %s cannot be deleted because it still contains images", name, e.inRegistry())}
	}
	for _, i := range list {
		for _, reference := range append(i.tags, i.Reference) {
			if err := e.remove(ctx, name, reference); err != nil {
				return nil, err
			}
		}
	}
	for _, key := range e.blobs.Keys() {
		if strings.HasPrefix(key, name+"@") {
			if err := e.blobs.Delete(ctx, key); err != nil {
				return nil, err
			}
		}
	}
	return &ecr.DeleteRepositoryOutput{Repository: &r.Repository}, e.repositories.Delete(ctx, name)
}

func (e *ECR) putImageTagMutability(ctx context.Context, _ *wire.Call, in *ecr.PutImageTagMutabilityInput) (*ecr.PutImageTagMutabilityOutput, error) {
	r, err := e.change(ctx, in.RepositoryName, func(r *repository) {
		r.ImageTagMutability, r.ImageTagMutabilityExclusionFilters = in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters
	})
	return &ecr.PutImageTagMutabilityOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, ImageTagMutability: r.ImageTagMutability, ImageTagMutabilityExclusionFilters: r.ImageTagMutabilityExclusionFilters}, err
}

func (e *ECR) putImageScanningConfiguration(ctx context.Context, _ *wire.Call, in *ecr.PutImageScanningConfigurationInput) (*ecr.PutImageScanningConfigurationOutput, error) {
	r, err := e.change(ctx, in.RepositoryName, func(r *repository) { r.ImageScanningConfiguration = in.ImageScanningConfiguration })
	return &ecr.PutImageScanningConfigurationOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, ImageScanningConfiguration: r.ImageScanningConfiguration}, err
}

// checkPolicy refuses what is no JSON object.
func checkPolicy(name, text string) error {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return invalid("Invalid parameter at '%s' failed to satisfy constraint: 'Invalid JSON: %v'", name, err)
	}
	return nil
}

func (e *ECR) setRepositoryPolicy(ctx context.Context, _ *wire.Call, in *ecr.SetRepositoryPolicyInput) (*ecr.SetRepositoryPolicyOutput, error) {
	if err := checkPolicy("PolicyText", aws.ToString(in.PolicyText)); err != nil {
		return nil, err
	}
	r, err := e.change(ctx, in.RepositoryName, func(r *repository) { r.Policy = *in.PolicyText })
	return &ecr.SetRepositoryPolicyOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, PolicyText: in.PolicyText}, err
}

func (e *ECR) getRepositoryPolicy(_ context.Context, _ *wire.Call, in *ecr.GetRepositoryPolicyInput) (*ecr.GetRepositoryPolicyOutput, error) {
	r, err := e.withPolicy(in.RepositoryName)
	return &ecr.GetRepositoryPolicyOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, PolicyText: &r.Policy}, err
}

func (e *ECR) withPolicy(name *string) (repository, error) {
	r, err := e.repository(name)
	if err == nil && r.Policy == "" {
		err = &wire.Error{Code: "RepositoryPolicyNotFoundException", Message: fmt.Sprintf("Repository policy does not exist for the repository with name '%s' %s", aws.ToString(name), e.inRegistry())}
	}
	return r, err
}

func (e *ECR) deleteRepositoryPolicy(ctx context.Context, _ *wire.Call, in *ecr.DeleteRepositoryPolicyInput) (*ecr.DeleteRepositoryPolicyOutput, error) {
	r, err := e.withPolicy(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	_, err = e.change(ctx, in.RepositoryName, func(r *repository) { r.Policy = "" })
	return &ecr.DeleteRepositoryPolicyOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, PolicyText: &r.Policy}, err
}

func (e *ECR) putLifecyclePolicy(ctx context.Context, _ *wire.Call, in *ecr.PutLifecyclePolicyInput) (*ecr.PutLifecyclePolicyOutput, error) {
	if err := checkPolicy("LifecyclePolicyText", aws.ToString(in.LifecyclePolicyText)); err != nil {
		return nil, err
	}
	r, err := e.change(ctx, in.RepositoryName, func(r *repository) { r.Lifecycle = *in.LifecyclePolicyText })
	return &ecr.PutLifecyclePolicyOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, LifecyclePolicyText: in.LifecyclePolicyText}, err
}

func (e *ECR) withLifecycle(name *string) (repository, error) {
	r, err := e.repository(name)
	if err == nil && r.Lifecycle == "" {
		err = &wire.Error{Code: "LifecyclePolicyNotFoundException", Message: fmt.Sprintf("Lifecycle policy does not exist for the repository with name '%s' %s", aws.ToString(name), e.inRegistry())}
	}
	return r, err
}

func (e *ECR) getLifecyclePolicy(_ context.Context, _ *wire.Call, in *ecr.GetLifecyclePolicyInput) (*ecr.GetLifecyclePolicyOutput, error) {
	r, err := e.withLifecycle(in.RepositoryName)
	return &ecr.GetLifecyclePolicyOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, LifecyclePolicyText: &r.Lifecycle}, err
}

func (e *ECR) deleteLifecyclePolicy(ctx context.Context, _ *wire.Call, in *ecr.DeleteLifecyclePolicyInput) (*ecr.DeleteLifecyclePolicyOutput, error) {
	r, err := e.withLifecycle(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	_, err = e.change(ctx, in.RepositoryName, func(r *repository) { r.Lifecycle = "" })
	return &ecr.DeleteLifecyclePolicyOutput{RegistryId: r.RegistryId, RepositoryName: r.RepositoryName, LifecyclePolicyText: &r.Lifecycle}, err
}

// nameOf is the repository of an ARN.
func nameOf(arn *string) *string {
	_, name, _ := strings.Cut(aws.ToString(arn), ":repository/")
	return &name
}

func (e *ECR) listTagsForResource(_ context.Context, _ *wire.Call, in *ecr.ListTagsForResourceInput) (*ecr.ListTagsForResourceOutput, error) {
	r, err := e.repository(nameOf(in.ResourceArn))
	return &ecr.ListTagsForResourceOutput{Tags: append([]types.Tag{}, r.Tags...)}, err
}

func (e *ECR) tagResource(ctx context.Context, _ *wire.Call, in *ecr.TagResourceInput) (*ecr.TagResourceOutput, error) {
	_, err := e.change(ctx, nameOf(in.ResourceArn), func(r *repository) {
		for _, t := range in.Tags {
			r.untag(aws.ToString(t.Key))
			r.Tags = append(r.Tags, t)
		}
	})
	return &ecr.TagResourceOutput{}, err
}

func (e *ECR) untagResource(ctx context.Context, _ *wire.Call, in *ecr.UntagResourceInput) (*ecr.UntagResourceOutput, error) {
	_, err := e.change(ctx, nameOf(in.ResourceArn), func(r *repository) {
		for _, key := range in.TagKeys {
			r.untag(key)
		}
	})
	return &ecr.UntagResourceOutput{}, err
}

// untag takes a tag away. The list is a new one: that of a record is never changed in place.
func (r *repository) untag(key string) {
	r.Tags = slices.DeleteFunc(slices.Clone(r.Tags), func(t types.Tag) bool { return aws.ToString(t.Key) == key })
}
