//go:build oracle && linux

package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"
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
	serveBeside(t, host)
	load("busybox", registryHost+"/busybox:latest")
	load("debian", registryHost+"/debian:latest", "sockerless/base:latest")
	for _, script := range sameScripts { // one after another: they share an engine
		t.Run(script, func(t *testing.T) { runScript(t, host, script) })
	}
}

// serveBeside serves the registry in the network namespace of that dockerd too, under the same address.
func serveBeside(t *testing.T, host string) {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(filepath.Dir(strings.TrimPrefix(host, "unix://")), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	type opened struct {
		net.Listener
		err error
	}
	listening := make(chan opened)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which is in another namespace, ends with the goroutine
		var o opened
		namespace, err := os.Open("/proc/" + strings.TrimSpace(string(pid)) + "/ns/net")
		if o.err = err; err == nil {
			defer namespace.Close()
			if o.err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); o.err == nil {
				o.Listener, o.err = net.Listen("tcp", registryHost)
			}
		}
		listening <- o
	}()
	o := <-listening
	if o.err != nil {
		t.Fatalf("listen beside dockerd: %v", o.err)
	}
	server := &http.Server{Handler: registryHandler}
	served := make(chan error, 1)
	go func() { served <- server.Serve(o.Listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}
