package ecr

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// distributionError is an error of the registry's own protocol.
type distributionError struct {
	status        int
	code, message string
}

func (d *distributionError) write(w http.ResponseWriter) {
	body, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": d.code, "message": d.message}}}) // of strings
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(d.status)
	_, _ = w.Write(body) // the client is gone
}

// request is what a client of the registry asks about.
type request struct {
	*http.Request
	repository, kind, rest string
}

var about = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags)/(.*)$`)

// ServeHTTP is the data plane, /v2/.
func (e *ECR) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refused := e.authorize(r); refused != nil {
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="http://%s/",service="ecr.amazonaws.com"`, e.config.Host))
		}
		refused.write(w)
		return
	}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	parts := about.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		e.config.Registry.ServeHTTP(w, r)
		return
	}
	to := request{r, parts[1], parts[2], parts[3]}
	found, ok := e.repositories.Get(to.repository)
	if !ok {
		(&distributionError{http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("The repository with name '%s' does not exist %s", to.repository, e.inRegistry())}).write(w)
		return
	}
	refused, err := e.pass(w, to, found)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case refused != nil:
		refused.write(w)
	}
}

// authorize asks for a token.
func (e *ECR) authorize(r *http.Request) *distributionError {
	name, password, _ := r.BasicAuth()
	until, ok := e.until(password)
	if name != user || !ok {
		return &distributionError{http.StatusUnauthorized, "UNAUTHORIZED", "Not Authorized"}
	}
	_, expired := e.config.Faults.Hit(faults.Expire, "ecr", "registry")
	if expired || !e.config.Now().Before(until) {
		return &distributionError{http.StatusForbidden, "DENIED", "Your authorization token has expired. Reauthenticate and try again."}
	}
	return nil
}

// pass lets a request through to the registry, if the repository has what it is about.
func (e *ECR) pass(w http.ResponseWriter, r request, to repository) (*distributionError, error) {
	query := r.URL.Query()
	switch {
	case r.kind == "blobs" && r.Method == http.MethodPost && query.Get("mount") != "":
		if _, ok := e.blobs.Get(query.Get("from") + "@" + query.Get("mount")); ok {
			return nil, e.mounted(w, r, query.Get("mount"))
		}
	case r.kind == "blobs" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasPrefix(r.rest, "uploads/"):
		if _, ok := e.blobs.Get(r.repository + "@" + r.rest); !ok {
			return &distributionError{http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry"}, nil
		}
	case r.kind == "manifests" && r.Method == http.MethodPut:
		if refused, err := e.checkPut(r, to); refused != nil || err != nil {
			return refused, err
		}
	}
	if r.kind != "blobs" || query.Get("digest") == "" || r.Method == http.MethodGet {
		e.config.Registry.ServeHTTP(w, r.Request)
		return nil, nil
	}
	// That a blob is there is written before it is told.
	held := &held{header: w.Header()}
	e.config.Registry.ServeHTTP(held, r.Request)
	if held.status == http.StatusCreated {
		if err := e.blobs.Put(r.Context(), r.repository+"@"+query.Get("digest"), e.config.Now()); err != nil {
			return nil, err
		}
	}
	w.WriteHeader(max(held.status, http.StatusOK))
	_, _ = w.Write(held.body.Bytes()) // the client is gone
	return nil, nil
}

// held is an answer that is not sent yet.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

// mounted brings a blob of another repository into one.
func (e *ECR) mounted(w http.ResponseWriter, r request, blob string) error {
	if err := e.blobs.Put(r.Context(), r.repository+"@"+blob, e.config.Now()); err != nil {
		return err
	}
	w.Header().Set("Location", "/v2/"+r.repository+"/blobs/"+blob)
	w.Header().Set("Docker-Content-Digest", blob)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// parsed is what of a manifest counts here.
type parsed struct {
	MediaType string
	Config    *struct {
		MediaType, Digest string
		Size              int64
	}
	Layers []struct {
		Digest string
		Size   int64
	}
	Manifests []struct{ Digest string }
}

// checkPut refuses a manifest whose layers are not there, and one in the place of a tag that is not to be moved.
func (e *ECR) checkPut(r request, to repository) (*distributionError, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var m parsed
	if err := json.Unmarshal(body, &m); err != nil {
		return &distributionError{http.StatusBadRequest, "MANIFEST_INVALID", err.Error()}, nil
	}
	var missing []string
	for _, l := range m.Layers {
		if _, ok := e.blobs.Get(r.repository + "@" + l.Digest); !ok {
			missing = append(missing, l.Digest)
		}
	}
	if m.Config != nil {
		if _, ok := e.blobs.Get(r.repository + "@" + m.Config.Digest); !ok {
			missing = append(missing, m.Config.Digest)
		}
	}
	if len(missing) > 0 {
		return &distributionError{http.StatusNotFound, "BLOB_UNKNOWN", fmt.Sprintf("Layers with digests '%s' required for pushing image into repository with name '%s' %s do not exist", missing, r.repository, e.inRegistry())}, nil
	}
	if to.ImageTagMutability != "IMMUTABLE" || strings.Contains(r.rest, ":") {
		return nil, nil
	}
	images, err := e.images(r.Context(), r.repository)
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		if slices.Contains(i.tags, r.rest) && i.Digest() != digest.FromBytes(body).String() {
			return &distributionError{http.StatusBadRequest, "TAG_INVALID",
				fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the repository is immutable.", r.rest, aws.ToString(to.RepositoryName))}, nil
		}
	}
	return nil, nil
}

// remove deletes what is under a tag or digest of a repository.
func (e *ECR) remove(ctx context.Context, repository, reference string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, "/v2/"+repository+"/manifests/"+reference, http.NoBody)
	if err != nil {
		return err
	}
	answer := e.config.Registry.Do(r)
	if answer.StatusCode >= http.StatusBadRequest && answer.StatusCode != http.StatusNotFound {
		return fmt.Errorf("remove %s of %s: %s", reference, repository, answer.Status)
	}
	return nil
}
