package runtime

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/registry"
)

// authTimeout is for all requests of one check.
const authTimeout = 30 * time.Second

// Auth checks credentials with a registry, as docker login asks for it. Errors: errdefs.ErrUnauthenticated where it
// refuses them.
func (e *Engine) Auth(ctx context.Context, auth registry.AuthConfig) (registry.AuthResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	host := auth.ServerAddress
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	if host == "" || host == "index.docker.io" || host == "docker.io" {
		host = "registry-1.docker.io"
	}
	var err error
	for _, scheme := range schemes(host) {
		if err = login(ctx, scheme+"://"+host+"/v2/", auth); err == nil {
			return registry.AuthResponse{Status: "Login Succeeded"}, nil
		}
		if errdefs.IsUnauthorized(err) {
			break
		}
	}
	return registry.AuthResponse{}, err
}

// schemes are tried in turn: a registry on this machine may speak plain HTTP, as dockerd allows.
func schemes(host string) []string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if ip := net.ParseIP(name); name == "localhost" || ip != nil && ip.IsLoopback() {
		return []string{"https", "http"}
	}
	return []string{"https"}
}

// login asks with the credentials, in the way that the registry's challenge says.
func login(ctx context.Context, endpoint string, auth registry.AuthConfig) error {
	resp, err := request(ctx, endpoint, func(*http.Request) {})
	if err != nil {
		return err
	}
	basic := func(r *http.Request) { r.SetBasicAuth(auth.Username, auth.Password) }
	if resp.StatusCode == http.StatusUnauthorized {
		challenge := resp.Header.Get("WWW-Authenticate")
		if scheme, parameters, _ := strings.Cut(challenge, " "); strings.EqualFold(scheme, "bearer") {
			target, err := tokenURL(parameters, auth.Username)
			if err != nil {
				return err
			}
			endpoint = target
		}
		if resp, err = request(ctx, endpoint, basic); err != nil {
			return err
		}
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return errdefs.ErrUnauthenticated.WithMessage(fmt.Sprintf("Get %q: unauthorized: %s", endpoint, "incorrect username or password"))
	case resp.StatusCode >= 300:
		return errdefs.ErrUnknown.WithMessage(fmt.Sprintf("login attempt to %s failed with status: %s", endpoint, resp.Status))
	}
	return nil
}

// request does a GET, and reads and closes the body so that the connection is not left behind.
func request(ctx context.Context, endpoint string, prepare func(*http.Request)) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, err
	}
	prepare(r)
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp, err
}

var challengeParameter = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// tokenURL is where a token is asked for.
func tokenURL(parameters, account string) (string, error) {
	values := map[string]string{}
	for _, m := range challengeParameter.FindAllStringSubmatch(parameters, -1) {
		values[m[1]] = m[2]
	}
	u, err := url.Parse(values["realm"])
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("login: the registry's challenge has no realm: %s", parameters)
	}
	q := u.Query()
	q.Set("service", values["service"])
	q.Set("account", account)
	q.Set("offline_token", "true")
	u.RawQuery = q.Encode()
	return u.String(), nil
}
