package ecr

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/schemas"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	Host    string // of the registry: host:port
	Data    http.Handler
	State   state.Store
	Now     func() time.Time
}

// ECR is the service.
type ECR struct {
	config       Config
	repositories *table.Table[types.Repository]
	tokens       *table.Table[time.Time] // token → its end
}

// Open finds the repositories again.
func Open(config Config) (*ECR, error) {
	r := &ECR{config: config}
	var err error
	if r.repositories, err = table.Open[types.Repository](config.State, "ecr/repository/"); err != nil {
		return nil, err
	}
	r.tokens, err = table.Open[time.Time](config.State, "ecr/token/")
	return r, err
}

// Service is what it can do.
func (r *ECR) Service() *wire.Service {
	return &wire.Service{Name: "ecr", Protocol: wire.JSON(schemas.AmazonEC2ContainerRegistry_V20150921), Operations: map[string]wire.Operation{
		"CreateRepository":      wire.Op(r.createRepository),
		"DescribeRepositories":  wire.Op(r.describeRepositories),
		"GetAuthorizationToken": wire.Op(r.getAuthorizationToken),
	}}
}

func (r *ECR) createRepository(ctx context.Context, c *wire.Call, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	name := aws.ToString(in.RepositoryName)
	made, err := r.repositories.Update(ctx, name, func(_ types.Repository, ok bool) (types.Repository, error) {
		if ok {
			return types.Repository{}, &wire.Error{Code: "RepositoryAlreadyExistsException", Message: fmt.Sprintf(
				"The repository with name '%s' already exists in the registry with id '%s'", name, r.config.Account)}
		}
		return types.Repository{
			RepositoryName: in.RepositoryName, RegistryId: aws.String(r.config.Account), CreatedAt: aws.Time(r.config.Now()),
			RepositoryArn: aws.String(fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", c.Region, r.config.Account, name)), RepositoryUri: aws.String(r.config.Host + "/" + name),
			ImageTagMutability: types.ImageTagMutabilityMutable, ImageScanningConfiguration: &types.ImageScanningConfiguration{},
		}, nil
	})
	return &ecr.CreateRepositoryOutput{Repository: &made}, err
}

func (r *ECR) describeRepositories(_ context.Context, _ *wire.Call, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	all := r.repositories.All()
	for _, name := range in.RepositoryNames {
		if _, ok := r.repositories.Get(name); !ok {
			return nil, &wire.Error{Code: "RepositoryNotFoundException", Message: fmt.Sprintf(
				"The repository with name '%s' does not exist in the registry with id '%s'", name, r.config.Account)}
		}
	}
	if len(in.RepositoryNames) > 0 {
		all = slices.DeleteFunc(all, func(known types.Repository) bool {
			return !slices.Contains(in.RepositoryNames, aws.ToString(known.RepositoryName))
		})
	}
	for i := range all {
		all[i].RepositoryUri = aws.String(r.config.Host + "/" + aws.ToString(all[i].RepositoryName)) // the simulator may be elsewhere now
	}
	page, next, err := wire.Page(all, aws.ToString(in.NextToken), int(aws.ToInt32(in.MaxResults)), 1000)
	return &ecr.DescribeRepositoriesOutput{Repositories: page, NextToken: next}, err
}

// tokenLife is how long a token for the registry lasts.
const tokenLife = 12 * time.Hour

func (r *ECR) getAuthorizationToken(ctx context.Context, _ *wire.Call, _ *ecr.GetAuthorizationTokenInput) (*ecr.GetAuthorizationTokenOutput, error) {
	token, until := rand.Text(), r.config.Now().Add(tokenLife)
	if err := r.tokens.Put(ctx, token, until); err != nil {
		return nil, err
	}
	return &ecr.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{{
		AuthorizationToken: aws.String(base64.StdEncoding.EncodeToString([]byte("AWS:" + token))), ExpiresAt: &until, ProxyEndpoint: aws.String("http://" + r.config.Host),
	}}}, nil
}

// Token is one for the simulator's own tasks.
func (r *ECR) Token(ctx context.Context) (user, password string, err error) {
	password = rand.Text()
	return "AWS", password, r.tokens.Put(ctx, password, r.config.Now().Add(tokenLife))
}

// ServeHTTP is the data plane: with a token, and for repositories that there are.
func (r *ECR) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	user, token, ok := req.BasicAuth()
	until, known := r.tokens.Get(token)
	if !ok || user != "AWS" || !known || r.config.Now().After(until) {
		w.Header().Set("WWW-Authenticate", `Basic realm="http://`+r.config.Host+`/",service="ecr.amazonaws.com"`)
		refuse(w, http.StatusUnauthorized, "DENIED", "Your authorization token has expired or is invalid. Reauthenticate and try again.")
		return
	}
	if name := repository(req.URL.Path); name != "" {
		if _, ok := r.repositories.Get(name); !ok {
			refuse(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, r.config.Account))
			return
		}
	}
	r.config.Data.ServeHTTP(w, req)
}

// repository is the name in /v2/NAME/manifests/…; "" where there is none.
func repository(path string) string {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if i := strings.Index(rest, kind); i > 0 {
			return rest[:i]
		}
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}
