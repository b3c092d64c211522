package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	oci "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/store/state"
)

// prefix is of the keys of manifests: prefix + path of the request.
const prefix = "registry"

// Manifest is one as it is kept: under its digest, and under each tag.
type Manifest struct {
	Reference string    `json:"-"`    // tag or digest
	Kind      string    `json:"kind"` // media type
	Body      []byte    `json:"body"`
	Pushed    time.Time `json:"pushed"`
}

// Digest is the manifest's own.
func (m Manifest) Digest() string { return digest.FromBytes(m.Body).String() }

// Registry serves /v2/.
type Registry struct {
	data  http.Handler
	state state.Store
}

// Open finds the images again that were pushed before. dir is for blobs.
func Open(dir string, records state.Store) (*Registry, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the registry's folder: %w", err)
	}
	r := &Registry{state: records, data: oci.New(oci.WithBlobHandler(oci.NewDiskBlobHandler(dir)), oci.Logger(log.New(io.Discard, "", 0)))}
	var all []Manifest
	err := records.Scan(prefix, func(key string, value []byte) error {
		m := Manifest{Reference: strings.TrimPrefix(key, prefix)}
		err := json.Unmarshal(value, &m)
		all = append(all, m)
		return err
	})
	// An index comes after what it lists.
	slices.SortStableFunc(all, func(a, b Manifest) int { return a.Pushed.Compare(b.Pushed) })
	for _, m := range all {
		again := httptest.NewRequest(http.MethodPut, m.Reference, bytes.NewReader(m.Body))
		again.Header.Set("Content-Type", m.Kind)
		answer := httptest.NewRecorder()
		r.data.ServeHTTP(answer, again)
		if answer.Code >= http.StatusBadRequest {
			err = errors.Join(err, fmt.Errorf("%s: %s", m.Reference, answer.Body))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find the images of the registry again: %w", err)
	}
	return r, nil
}

// ServeHTTP keeps what changes a manifest before it answers.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	change := req.Method == http.MethodPut || req.Method == http.MethodDelete
	if !change || !strings.Contains(req.URL.Path, "/manifests/") {
		r.data.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the client is gone
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	r.data.ServeHTTP(answer, req)
	if answer.Code < http.StatusBadRequest {
		if err := r.keep(req.Context(), req, body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client is gone
}

func (r *Registry) keep(ctx context.Context, req *http.Request, body []byte) error {
	key := prefix + req.URL.Path
	if req.Method == http.MethodDelete {
		return r.state.Update(ctx, state.Delete(key))
	}
	m := Manifest{Kind: req.Header.Get("Content-Type"), Body: body, Pushed: time.Now()}
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	changes := []state.Change{state.Put(key, value)}
	own := prefix + path.Join(path.Dir(req.URL.Path), m.Digest())
	if _, err := r.state.Get(own); errdefs.IsNotFound(err) {
		changes = append(changes, state.Put(own, value))
	} else if err != nil {
		return err
	}
	return r.state.Update(ctx, changes...)
}

// Manifests are those of a repository, each by its digest and by each of its tags.
func (r *Registry) Manifests(repository string) ([]Manifest, error) {
	under := prefix + "/v2/" + repository + "/manifests/"
	var list []Manifest
	err := r.state.Scan(under, func(key string, value []byte) error {
		m := Manifest{Reference: strings.TrimPrefix(key, under)}
		err := json.Unmarshal(value, &m)
		list = append(list, m)
		return err
	})
	return list, err
}

// Do asks the registry as a client would, from within the simulator.
func (r *Registry) Do(req *http.Request) *http.Response {
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, req)
	return answer.Result()
}
