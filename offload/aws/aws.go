package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/offload/prepare"
	"github.com/sockerless/sockerless/runtime"
)

// Load finds region and credentials as the SDK does. Calls are not tried again by the SDK: an [offload.Backend] does that, which
// knows what has been asked for.
func Load(ctx context.Context, region, profile, endpoint string) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} })}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if endpoint != "" {
		options = append(options, config.WithBaseEndpoint(endpoint))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err == nil && c.Region == "" {
		err = errdefs.ErrInvalidArgument.WithMessage("no region is known: set region in the backend's settings, or AWS_REGION")
	}
	return c, err
}

// Classify gives an error of a service its class.
func Classify(what string, err error) error {
	if err == nil {
		return nil
	}
	wrap := func(class error, hint string) error {
		if hint != "" {
			hint = ": " + hint
		}
		return &failure{text: fmt.Sprintf("%s: %s%s", what, text(err), hint), class: class, cause: err}
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return offload.Transient(wrap(errdefs.ErrUnavailable, ""), 0) // no answer
	}
	var answer *smithyhttp.ResponseError
	status := 0
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	message := strings.ToLower(api.ErrorMessage())
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "Throttl"), code == "TooManyRequestsException", strings.Contains(message, "rate exceeded"),
		strings.Contains(message, "too many concurrent attempts"), status == http.StatusTooManyRequests:
		return offload.Transient(wrap(errdefs.ErrUnavailable, ""), 0)
	case strings.Contains(code, "Expired"):
		return offload.Transient(wrap(errdefs.ErrUnauthenticated, "the credentials have expired, and are read again"), 0)
	case status >= http.StatusInternalServerError:
		return offload.Transient(wrap(errdefs.ErrUnavailable, ""), 0)
	case strings.HasPrefix(code, "AccessDenied"), code == "UnrecognizedClientException", code == "InvalidSignatureException":
		return wrap(errdefs.ErrFailedPrecondition, "see which rights the backend needs in docs/backends")
	case strings.HasSuffix(code, "NotFoundException"):
		return wrap(errdefs.ErrFailedPrecondition, "")
	}
	return wrap(errdefs.ErrInvalidArgument, "")
}

func text(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}

// failure is an error of a service with its class.
type failure struct {
	text         string
	class, cause error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return []error{f.class, f.cause} }

// Registry is a repository in ECR for prepared images.
type Registry struct {
	client *ecr.Client
	name   string
	host   *plugin.Host

	preparer prepare.Preparer
	mu       sync.Mutex
	uri      string // of the repository
	auth     authn.Authenticator
	until    time.Time // of auth
}

// NewRegistry names a repository, which is made at the first image if it is missing.
func NewRegistry(c aws.Config, name string, host *plugin.Host) *Registry {
	if name == "" {
		name = "sockerless"
	}
	return &Registry{client: ecr.NewFromConfig(c), name: name, host: host}
}

// Image is the reference of a prepared image, which is sent if the repository does not have it.
func (r *Registry) Image(ctx context.Context, image runtime.Image) (string, error) {
	uri, auth, err := r.open(ctx)
	if err != nil {
		return "", err
	}
	agent, err := r.host.Agent(architecture(image.Platform))
	if err != nil {
		return "", err
	}
	reference, err := r.preparer.Push(ctx, uri, auth, prepare.Source{Image: image, Agent: agent, Archive: func(ctx context.Context) (io.ReadCloser, error) {
		return r.host.Image(ctx, image.ID)
	}})
	if err != nil && ctx.Err() == nil {
		return "", offload.Transient(fmt.Errorf("prepare image %s in ECR: %w", image.Name, err), 0)
	}
	return reference, err
}

// architecture is that of "linux/arm64/v8"; this is linux/amd64 where nothing is said.
func architecture(platform string) string {
	if parts := strings.Split(platform, "/"); len(parts) > 1 {
		return parts[1]
	}
	return "amd64"
}

// Forget looks for prepared images again: somebody may have removed them.
func (r *Registry) Forget() { r.preparer.Forget() }

// renewed is how long before its end a token is replaced.
const renewed = 5 * time.Minute

// open finds the repository and a token for it.
func (r *Registry) open(ctx context.Context) (uri string, auth authn.Authenticator, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.uri == "" {
		if r.uri, err = r.repository(ctx); err != nil {
			return "", nil, err
		}
	}
	if r.auth == nil || time.Until(r.until) < renewed {
		if err := r.login(ctx); err != nil {
			return "", nil, err
		}
	}
	return r.uri, r.auth, nil
}

// Check finds the repository, or makes it, and logs in.
func (r *Registry) Check(ctx context.Context) offload.Finding {
	uri, _, err := r.open(ctx)
	return offload.Found("registry", uri, err)
}

func (r *Registry) repository(ctx context.Context) (string, error) {
	known, err := r.client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{r.name}})
	var none *types.RepositoryNotFoundException
	switch {
	case err == nil && len(known.Repositories) > 0:
		return aws.ToString(known.Repositories[0].RepositoryUri), nil
	case !errors.As(err, &none):
		return "", Classify("find the repository "+r.name+" in ECR", err)
	}
	made, err := r.client.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String(r.name)})
	var exists *types.RepositoryAlreadyExistsException
	if errors.As(err, &exists) {
		return r.repository(ctx)
	}
	if err != nil {
		return "", Classify("make the repository "+r.name+" in ECR", err)
	}
	return aws.ToString(made.Repository.RepositoryUri), nil
}

func (r *Registry) login(ctx context.Context) error {
	out, err := r.client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return Classify("log in to ECR", err)
	}
	if len(out.AuthorizationData) == 0 {
		return offload.Transient(errdefs.ErrUnavailable.WithMessage("log in to ECR: it gave no token"), 0)
	}
	data := out.AuthorizationData[0]
	pair, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
	if err != nil {
		return fmt.Errorf("log in to ECR: read its token: %w", err)
	}
	user, password, _ := strings.Cut(string(pair), ":")
	r.auth, r.until = authn.FromConfig(authn.AuthConfig{Username: user, Password: password}), aws.ToTime(data.ExpiresAt)
	return nil
}

// Platform is one that tasks run on.
type Platform struct{ Name, Page string } // "Fargate", and its page in docs/backends: "ecs"

// Never is the error of what a platform does not have, or does not give to a task of ours.
func (p Platform) Never(what string) error {
	return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("%s is not to be had on %s: see docs/backends/%s.md", what, p.Name, p.Page))
}

// Possible refuses what none of the platforms has: nothing is left out in silence.
func (p Platform) Possible(t runtime.Task) error {
	s := t.Security
	switch {
	case s.Privileged:
		return p.Never("--privileged")
	case len(s.CapAdd) > 0:
		return p.Never("--cap-add")
	case len(s.CapDrop) > 0:
		return p.Never("--cap-drop")
	case s.NoNewPrivileges, s.Unconfined, s.SeccompProfile != "":
		return p.Never("--security-opt")
	case len(s.Ulimits) > 0:
		return p.Never("--ulimit")
	case t.HostNetwork:
		return p.Never("--network host")
	}
	return nil
}

// Name is the last part of an ARN.
func Name(arn string) string { return path.Base(arn) }
