package ecr

import (
	"crypto/rand"
	"fmt"
	"time"

	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecr/schemas"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
	"github.com/sockerless/sockerless/simulators/internal/registry"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account  string
	Host     string // of the registry, as clients name it
	State    state.Store
	Registry *registry.Registry
	Faults   *faults.Set
	Now      func() time.Time
}

// repository is one with all that is set for it, by its name.
type repository struct {
	types.Repository
	Tags      []types.Tag
	Policy    string // JSON; "" is none
	Lifecycle string
}

// ECR is the service, and the handler of its registry's data plane.
type ECR struct {
	config       Config
	secret       []byte // by which tokens are known again
	repositories *table.Table[repository]
	blobs        *table.Table[time.Time] // when one came to a repository: by "name@digest"
}

const secretKey = "ecr/secret"

// Open finds the repositories of an earlier simulator.
func Open(ctx context.Context, config Config) (*ECR, error) {
	e := &ECR{config: config}
	var err error
	if e.repositories, err = table.Open[repository](config.State, "ecr/repository/"); err != nil {
		return nil, err
	}
	if e.blobs, err = table.Open[time.Time](config.State, "ecr/blob/"); err != nil {
		return nil, err
	}
	e.secret, err = config.State.Get(secretKey)
	if errdefs.IsNotFound(err) {
		e.secret = []byte(rand.Text())
		err = config.State.Update(ctx, state.Put(secretKey, e.secret))
	}
	return e, err
}

// Service is what it can do.
func (e *ECR) Service() *wire.Service {
	return &wire.Service{
		Name: "ecr", Protocol: wire.JSON(schemas.AmazonEC2ContainerRegistry_V20150921),
		Operations: map[string]wire.Operation{
			"BatchDeleteImage":              wire.Op(e.batchDeleteImage),
			"BatchGetImage":                 wire.Op(e.batchGetImage),
			"CreateRepository":              wire.Op(e.createRepository),
			"DeleteLifecyclePolicy":         wire.Op(e.deleteLifecyclePolicy),
			"DeleteRepository":              wire.Op(e.deleteRepository),
			"DeleteRepositoryPolicy":        wire.Op(e.deleteRepositoryPolicy),
			"DescribeImages":                wire.Op(e.describeImages),
			"DescribeRepositories":          wire.Op(e.describeRepositories),
			"GetAuthorizationToken":         wire.Op(e.getAuthorizationToken),
			"GetLifecyclePolicy":            wire.Op(e.getLifecyclePolicy),
			"GetRepositoryPolicy":           wire.Op(e.getRepositoryPolicy),
			"ListImages":                    wire.Op(e.listImages),
			"ListTagsForResource":           wire.Op(e.listTagsForResource),
			"PutImageScanningConfiguration": wire.Op(e.putImageScanningConfiguration),
			"PutImageTagMutability":         wire.Op(e.putImageTagMutability),
			"PutLifecyclePolicy":            wire.Op(e.putLifecyclePolicy),
			"SetRepositoryPolicy":           wire.Op(e.setRepositoryPolicy),
			"TagResource":                   wire.Op(e.tagResource),
			"UntagResource":                 wire.Op(e.untagResource),
		},
	}
}

func invalid(format string, args ...any) error {
	return &wire.Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}

// inRegistry ends the messages of errors about what is missing.
func (e *ECR) inRegistry() string {
	return fmt.Sprintf("in the registry with id '%s'", e.config.Account)
}
