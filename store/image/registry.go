package image

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/moby/moby/api/types/registry"
	"github.com/opencontainers/go-digest"
)

// repository is a repository at an endpoint that answered, with the credentials in place.
type repository struct {
	ref      reference.Named
	endpoint endpoint
	path     string // of the repository
	client   *http.Client
	base     *http.Transport
	noAuth   bool // it asks for a password, and there is none
}

// connect tries the endpoint: GET /v2/ and, where that asks for it, the exchange of credentials for a token with the scopes; to
// pull, if there are none.
func connect(ctx context.Context, e endpoint, ref reference.Named, auth *registry.AuthConfig, scopes ...string) (*repository, error) {
	base, err := e.transport()
	if err != nil {
		return nil, err
	}
	challenge, err := ping(ctx, base, e)
	if err != nil {
		base.CloseIdleConnections()
		return nil, err
	}
	r := &repository{ref: ref, endpoint: e, path: reference.Path(ref), base: base}
	if challenge == "" {
		r.client = &http.Client{Transport: base}
		return r, nil
	}
	credentials, err := authenticator(auth)
	if err != nil {
		return nil, err
	}
	if e.mirror {
		credentials = authn.Anonymous
	}
	r.noAuth = credentials == authn.Anonymous && strings.HasPrefix(strings.ToLower(challenge), "basic")
	host, err := name.NewRegistry(e.host)
	if err != nil {
		return nil, fmt.Errorf("registry %q: %w", e.host, err)
	}
	if len(scopes) == 0 {
		scopes = []string{"repository:" + r.path + ":pull"}
	}
	rt, err := transport.NewWithContext(ctx, host, credentials, &rewriter{endpoint: e, next: base}, scopes)
	if err != nil {
		base.CloseIdleConnections()
		// dockerd logs in with its first request, whose error it is there.
		method := "Head"
		if _, canonical := ref.(reference.Canonical); canonical {
			method = "Get"
		}
		return nil, fmt.Errorf("%s %q: %w", method, e.url(r.path+"/manifests/"+tagOrDigest(ref)), loginError(err))
	}
	r.client = &http.Client{Transport: rt}
	return r, nil
}

func (r *repository) close() { r.base.CloseIdleConnections() }

// ping asks whether something answers at an endpoint, and returns its challenge; "" when it wants no credentials. Any
// other status says nothing about the repositories there.
func ping(ctx context.Context, rt http.RoundTripper, e endpoint) (challenge string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url(""), nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		return resp.Header.Get("WWW-Authenticate"), nil
	}
	return "", nil
}

func (e endpoint) url(path string) string {
	return e.scheme + "://" + e.host + e.path + "/v2/" + path
}

// rewriter leads what the login code sends to the registry's host to the endpoint's scheme and path: it guesses the
// scheme by rules of its own, and knows no path before /v2.
type rewriter struct {
	endpoint endpoint
	next     http.RoundTripper
}

func (r *rewriter) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == r.endpoint.host && strings.HasPrefix(req.URL.Path, "/v2/") {
		req = req.Clone(req.Context())
		req.URL.Scheme = r.endpoint.scheme
		req.URL.Path = r.endpoint.path + req.URL.Path
	}
	return r.next.RoundTrip(req)
}

// authenticator turns Docker's credentials into the login code's.
func authenticator(auth *registry.AuthConfig) (authn.Authenticator, error) {
	if auth == nil {
		return authn.Anonymous, nil
	}
	cfg := authn.AuthConfig{
		Username: auth.Username, Password: auth.Password,
		IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
	}
	if auth.Auth != "" && cfg.Username == "" {
		plain, err := base64.StdEncoding.DecodeString(auth.Auth)
		user, password, ok := strings.Cut(string(plain), ":")
		if err != nil || !ok {
			return nil, errors.New("credentials: auth is not the base64 of user:password")
		}
		cfg.Username, cfg.Password = user, password
	}
	if cfg == (authn.AuthConfig{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(cfg), nil
}

// maxManifest bounds manifests, as registries do.
const maxManifest = 4 << 20

// manifest gets the manifest of a tag or digest, verified where it is a digest's, and its digest and media type.
func (r *repository) manifest(ctx context.Context, tagOrDigest string) (body []byte, dgst digest.Digest, mediaType string, err error) {
	resp, err := r.do(ctx, http.MethodGet, "manifests/"+tagOrDigest)
	if err != nil {
		return nil, "", "", err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return nil, "", "", fmt.Errorf("read manifest %s: %w", tagOrDigest, err)
	}
	if len(body) > maxManifest {
		return nil, "", "", fmt.Errorf("manifest %s is larger than %d bytes", tagOrDigest, maxManifest)
	}
	dgst = digest.FromBytes(body)
	if want, err := digest.Parse(tagOrDigest); err == nil {
		if got := want.Algorithm().FromBytes(body); got != want {
			return nil, "", "", fmt.Errorf("manifest verification failed for digest %s: got %s", want, got)
		}
		dgst = want
	}
	return body, dgst, manifestType(resp.Header.Get("Content-Type"), body), nil
}

// digest asks for the digest of a tag without its manifest; "" from a registry that does not say it so.
func (r *repository) digest(ctx context.Context, tag string) (digest.Digest, error) {
	resp, err := r.do(ctx, http.MethodHead, "manifests/"+tag)
	if err != nil {
		// The answer to HEAD has no text: GET will say what is wrong. Where nothing answered, this is the error.
		var status *statusError
		if errors.As(err, &status) {
			return "", nil
		}
		return "", err
	}
	resp.Body.Close()
	d, err := digest.Parse(resp.Header.Get("Docker-Content-Digest"))
	if err != nil {
		return "", nil
	}
	return d, nil
}

func (r *repository) do(ctx context.Context, method, path string) (*http.Response, error) {
	url := r.endpoint.url(r.path + "/" + path)
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	for _, t := range manifestTypes {
		req.Header.Add("Accept", t)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := r.check(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

var errNoBasicAuth = errors.New("no basic auth credentials")

// check turns an answer that is not a success into an error.
func (r *repository) check(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	if resp.StatusCode == http.StatusUnauthorized && r.noAuth {
		method := resp.Request.Method[:1] + strings.ToLower(resp.Request.Method[1:])
		return fmt.Errorf("%s %q: %w", method, resp.Request.URL, errNoBasicAuth)
	}
	return responseError(resp)
}
