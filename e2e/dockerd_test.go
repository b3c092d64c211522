//go:build oracle

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestDockerd runs the scripts against the dockerd at SOCKERLESS_DOCKERD (unix:///…), to see that the scripts are right:
// `make oracle` starts one. An image of Debian's packages stands for sockerless/base there.
func TestDockerd(t *testing.T) {
	host := os.Getenv("SOCKERLESS_DOCKERD")
	if host == "" {
		t.Fatal("SOCKERLESS_DOCKERD is not set: `make oracle` starts a dockerd and sets it")
	}
	load := func(image string, names ...string) {
		ref, err := name.ParseReference(registryHost+"/"+image, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			tag, err := name.NewTag(n, name.Insecure)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "image.tar")
			if err := tarball.WriteToFile(file, tag, img); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("docker", "-H", host, "load", "-i", file).CombinedOutput(); err != nil {
				t.Fatalf("docker load: %v\n%s", err, out)
			}
		}
	}
	load("busybox", registryHost+"/busybox:latest")
	load("debian", registryHost+"/debian:latest", "sockerless/base:latest")
	for _, script := range sameScripts { // one after another: they share an engine
		t.Run(script, func(t *testing.T) { runScript(t, host, script) })
	}
}
