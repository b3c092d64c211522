package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	oci "github.com/google/go-containerregistry/pkg/registry"

	"github.com/sockerless/sockerless/store/state"
)

// prefix is of the keys of manifests: prefix + path of the request.
const prefix = "registry"

// manifest is one as it is kept.
type manifest struct {
	Kind string `json:"kind"` // media type
	Body []byte `json:"body"`
}

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
	err := records.Scan(prefix, func(key string, value []byte) error {
		var m manifest
		if err := json.Unmarshal(value, &m); err != nil {
			return err
		}
		again := httptest.NewRequest(http.MethodPut, strings.TrimPrefix(key, prefix), bytes.NewReader(m.Body))
		again.Header.Set("Content-Type", m.Kind)
		answer := httptest.NewRecorder()
		r.data.ServeHTTP(answer, again)
		if answer.Code >= http.StatusBadRequest {
			return fmt.Errorf("%s: %s", key, answer.Body)
		}
		return nil
	})
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
	value, err := json.Marshal(manifest{req.Header.Get("Content-Type"), body})
	if err != nil {
		return err
	}
	return r.state.Update(ctx, state.Put(key, value))
}

// Do asks the registry as a client would, from within the simulator.
func (r *Registry) Do(req *http.Request) *http.Response {
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, req)
	return answer.Result()
}
