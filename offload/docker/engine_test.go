//go:build oracle

package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/docker"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
)

// program is this test binary, which is the agent in the engine's containers; registryHost serves their image.
var (
	program      func(platform string) (offload.AgentProgram, error)
	registryHost string
)

const imageName = "busybox:latest"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		if err := inside.Command(context.Background(), os.Args[2:], "test", os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if os.Getenv("SOCKERLESS_DOCKERD") == "" {
		return 0, fmt.Errorf("SOCKERLESS_DOCKERD is not set: `make oracle` runs these tests on a dockerd of their own")
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	program = offload.AgentPrograms(self)
	images := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer images.Close()
	registryHost = images.Listener.Addr().String()
	if err := pushImage(registryHost + "/" + imageName); err != nil {
		return 0, fmt.Errorf("push the image: %w", err)
	}
	return m.Run(), nil
}

// pushImage makes an image of the machine's static busybox. Its /usr/local/bin/native is busybox too: a program that no
// sandbox has.
func pushImage(reference string) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("busybox is missing: `make tools` installs it (Debian's busybox-static)")
	}
	text, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	add := func(h tar.Header, content string) {
		h.Size = int64(len(content))
		if err == nil {
			err = w.WriteHeader(&h)
		}
		if err == nil {
			_, err = io.WriteString(w, content)
		}
	}
	for _, dir := range []string{"bin/", "dev/", "etc/", "proc/", "root/", "sys/", "usr/", "usr/local/", "usr/local/bin/"} {
		add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, "")
	}
	add(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, "")
	add(tar.Header{Name: "etc/passwd", Mode: 0o644}, "root:x:0:0:root:/root:/bin/sh\n")
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, string(text))
	for _, applet := range []string{"cat", "echo", "env", "false", "head", "ls", "seq", "sh", "sha256sum", "sleep", "true", "yes"} {
		add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, "")
	}
	add(tar.Header{Name: "usr/local/bin/native", Mode: 0o755}, string(text))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img)
}

// machine is the other engine, with the tasks of one instance.
type machine struct {
	t        *testing.T
	docker   *client.Client
	settings docker.Settings
	dataDir  string
	sockets  string
	instance string
	before   []string     // containers and volumes that are not of this machine
	images   *image.Store // of the server that runs now
	gate     *gate        // nil where agents are reached by the engine
}

// newMachine makes an instance of which nothing may be left at the end but what its server would find again.
func newMachine(t *testing.T, dataDir string) *machine {
	t.Helper()
	sockets, err := os.MkdirTemp("", "docker") // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	host := os.Getenv("SOCKERLESS_DOCKERD")
	engine, err := client.New(client.WithHost(host))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, docker: engine, settings: docker.Settings{Host: host}, dataDir: dataDir, sockets: sockets, instance: rand.Text()}
	m.before = m.left()
	t.Cleanup(func() {
		driver := m.driver()
		handles, err := driver.List(context.Background(), m.instance)
		if err != nil {
			t.Error(err)
		}
		for _, h := range handles {
			if err := driver.Remove(context.Background(), h); err != nil {
				t.Error(err)
			}
		}
		if left := m.left(); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if err := os.RemoveAll(sockets); err != nil {
			t.Error(err)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Save writes an image of the server that runs now.
func (m *machine) Save(ctx context.Context, id digest.Digest, w io.Writer) error {
	return m.images.Save(ctx, id, w)
}

// Image pulls the image of the tests.
func (m *machine) Image(t *testing.T, images *image.Store) string {
	t.Helper()
	img, err := images.Pull(t.Context(), image.PullOptions{Reference: registryHost + "/" + imageName})
	if err != nil {
		t.Fatal(err)
	}
	m.images = images
	return img.RepoTags[0]
}

func (m *machine) driver() offload.Driver {
	m.t.Helper()
	driver, err := docker.New(docker.Config{Settings: m.settings, Images: m, Agent: program})
	if err != nil {
		m.t.Fatal(err)
	}
	return driver
}

// Backend opens the backend.
func (m *machine) Backend(t *testing.T) runtime.Backend {
	t.Helper()
	records, err := state.Open(filepath.Join(m.dataDir, "intents"), state.Options{BallastSize: -1, MinFree: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return &backend{m.open(m.driver(), records), m, records}
}

func (m *machine) open(driver offload.Driver, records state.Store) *offload.Backend {
	config := offload.Config{
		State: records, Instance: m.instance, RuntimeDir: m.sockets,
		Log: slog.New(slog.NewTextHandler(m.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if m.gate != nil {
		config.Gate, config.GateURL, config.GateCA = m.gate.open(m.t), m.gate.url, m.gate.authority.PEM()
	}
	return offload.NewBackend("docker", driver, config)
}

// backend closes its records with itself: in a server they are the server's.
type backend struct {
	*offload.Backend
	*machine
	records state.Store
}

func (b *backend) Close() error {
	err := b.Backend.Close()
	if b.gate != nil {
		b.gate.close()
	}
	if closeErr := b.records.Close(); err == nil {
		err = closeErr
	}
	return err
}

// tasks are the containers of this instance's tasks.
func (m *machine) tasks() []string {
	m.t.Helper()
	list, err := m.docker.ContainerList(context.Background(), client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", offload.TagInstance+"="+m.instance)})
	if err != nil {
		m.t.Fatal(err)
	}
	var ids []string
	for _, c := range list.Items {
		ids = append(ids, c.ID)
	}
	return ids
}

// Crash kills all containers.
func (m *machine) Crash() {
	for _, id := range m.tasks() {
		ended := m.docker.ContainerWait(context.Background(), id, client.ContainerWaitOptions{})
		_, _ = m.docker.ContainerKill(context.Background(), id, client.ContainerKillOptions{Signal: "KILL"}) // one may have ended
		select {
		case <-ended.Result:
		case err := <-ended.Error:
			m.t.Error(err)
		}
	}
}

// left is what the engine has now, but the agent's volumes and the containers that keep them.
func (m *machine) left() []string {
	m.t.Helper()
	containers, err := m.docker.ContainerList(context.Background(), client.ContainerListOptions{All: true})
	if err != nil {
		m.t.Fatal(err)
	}
	volumes, err := m.docker.VolumeList(context.Background(), client.VolumeListOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for _, c := range containers.Items {
		names = append(names, strings.TrimPrefix(c.Names[0], "/"))
	}
	for _, v := range volumes.Items {
		names = append(names, v.Name)
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return strings.HasPrefix(name, "sockerless-agent-") || slices.Contains(m.before, name)
	})
}
