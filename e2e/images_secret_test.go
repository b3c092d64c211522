package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// record keeps what several requests write to it.
type record struct {
	mu  sync.Mutex
	all []byte
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, p...)
	return len(p), nil
}

func (r *record) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.all)
}

// TestNoSecretLeavesInAnImage: neither the password of a registry nor the environment of the server is in an image that was made and
// saved here, nor in what was pushed.
func TestNoSecretLeavesInAnImage(t *testing.T) {
	const password, variable, own = "canary-of-the-registry", "canary-of-the-server", "canary-of-the-container"
	t.Setenv("CANARY", variable)
	s := runningServer(t)
	var pushed record
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, ok := r.BasicAuth(); !ok || user != "someone" || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Body != nil {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, &pushed), r.Body}
		}
		registryHandler.ServeHTTP(w, r)
	}))
	defer private.Close()
	host := strings.TrimPrefix(private.URL, "http://")
	s.fails(t, 1, []string{"no basic auth credentials"}, "pull", host+"/busybox")
	s.ok(t, "login", "-u", "someone", "-p", password, host)
	s.ok(t, "pull", "-q", host+"/busybox")
	s.ok(t, "run", "--name", "made", "-e", "OWN="+own, host+"/busybox", "sh", "-c", "env >/env; cat /proc/1/environ >/environ; ps >/ps")
	s.ok(t, "commit", "made", host+"/secret/made:1")
	s.ok(t, "push", "-q", host+"/secret/made:1")
	archive := filepath.Join(t.TempDir(), "made.tar")
	s.ok(t, "save", "-o", archive, host+"/secret/made:1")
	saved, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(saved, []byte(own)) {
		t.Error("not even the container's own environment is in the image: the test looks at the wrong thing")
	}
	for _, secret := range []string{password, variable} {
		if bytes.Contains(saved, []byte(secret)) {
			t.Errorf("%s is in the saved image", secret)
		}
		if bytes.Contains(pushed.bytes(), []byte(secret)) {
			t.Errorf("%s was pushed", secret)
		}
	}
	if !bytes.Contains(pushed.bytes(), []byte(`"application/vnd.docker.distribution.manifest.v2+json"`)) {
		t.Error("no manifest was pushed: the test looks at the wrong thing")
	}
}
