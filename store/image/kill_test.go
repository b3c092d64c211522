package image

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

const (
	pullerDir = "IMAGE_TEST_PULLER_DIR"
	pullerRef = "IMAGE_TEST_PULLER_REF"
)

// TestKilledPuller is not a test of its own: it is the process that TestKill kills in the middle of a pull.
func TestKilledPuller(t *testing.T) {
	dir := os.Getenv(pullerDir)
	if dir == "" {
		return
	}
	s := newStore(t, dir, nil)
	_, err := s.Pull(context.Background(), PullOptions{Reference: os.Getenv(pullerRef), Progress: func(p Progress) {
		fmt.Println(p.ID, p.Status)
	}})
	t.Fatalf("the pull ended: %v", err)
}

func TestKill(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	low, high := tarOf(t, "low", noise(50_000)), tarOf(t, "high", noise(800_000))
	_, m := reg.push(t, "app", "latest", testImage{layers: [][]byte{low, high}})
	ref, big := reg.at("app:latest"), m.Layers[1].Digest.String()
	reg.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, big) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(m.Layers[1].Size))
		w.Write(gzipped(high)[:500_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledPuller$")
	cmd.Env = append(os.Environ(), pullerDir+"="+dir, pullerRef+"="+ref)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun := m.Layers[1].Digest.Encoded()[:12] + " Downloading"
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == begun {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the puller was not killed")
	}

	reg.disturb(nil)
	reg.seen("")
	s := newStore(t, dir, nil)
	if _, err := s.Resolve(ref); !errdefs.IsNotFound(err) {
		t.Errorf("a half pulled image is there: %v", err)
	}
	img := s.mustPull(t, ref)
	dirs, err := s.Layers(img.ID)
	if err != nil || !slices.Equal(readLayer(t, dirs[1]), high) {
		t.Errorf("the layer differs (%v)", err)
	}
	// How much the killed process had written is its own affair; that this is used is not.
	got := reg.seen(big)
	if len(got) != 1 {
		t.Fatalf("requests for the layer: %q", got)
	}
	kept := "GET /v2/app/blobs/" + big + " bytes="
	if !strings.HasPrefix(got[0], kept) {
		t.Errorf("the pull began again: %q", got)
	}
}
