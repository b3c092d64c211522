//go:build linux

package backendtest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/opencontainers/go-digest"

	"github.com/sockerless/sockerless/agent/reach"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/aws"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/state"
)

// program is the agent, and source where the server pulls the image of the tests from; both are made once.
var program, source string

// Main is the TestMain of a driver: the test binary is the driver's program too, and the first stage of a simulator's containers.
func Main(m *testing.M, driver func(ctx context.Context, s plugin.Start, h *plugin.Host) (offload.Driver, error)) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "native-init":
		os.Exit(native.Init())
	case len(os.Args) > 1 && os.Args[1] == "driver":
		if err := plugin.Serve(context.Background(), os.Stdin, driver); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := testMain(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func testMain(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "sockerless-agent")
	build := exec.Command("go", "build", "-o", program, "github.com/sockerless/sockerless/agent/sockerless-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	images := http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	go func() { _ = images.Serve(l) }() // ends with Close
	defer images.Close()
	source = l.Addr().String() + "/busybox:latest"
	if err := pushBusybox(source); err != nil {
		return 0, err
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// pushBusybox makes an image of the machine's static busybox.
func pushBusybox(reference string) error {
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
	for _, dir := range []string{"bin/", "dev/", "etc/", "proc/", "root/", "sys/"} {
		add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, "")
	}
	add(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, "")
	add(tar.Header{Name: "etc/passwd", Mode: 0o644}, "root:x:0:0:root:/root:/bin/sh\n")
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, string(text))
	for _, applet := range []string{"cat", "echo", "env", "false", "head", "ls", "seq", "sh", "sha256sum", "sleep", "true", "yes"} {
		add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, "")
	}
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
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return err
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img)
}

// Cloud is a simulator with the tasks of one instance, and the address where their agents find the server.
type Cloud struct {
	AWS       awssdk.Config // of a user
	t         testing.TB
	dataDir   string
	sockets   string
	kind      string
	settings  any // of the backend
	simulator *aws.Simulator
	images    *image.Store // of the server that runs now
	url       string
	authority *reach.Authority
	gate      atomic.Pointer[reach.Gate]
}

// New starts a simulator for a backend of a kind, "ecs", with the settings that it is to have, for a user of the simulator.
func New(t testing.TB, dataDir, kind string, settings func(user awssdk.Config) any) *Cloud {
	t.Helper()
	sockets, err := os.MkdirTemp("", kind) // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	c := &Cloud{t: t, dataDir: dataDir, sockets: sockets, kind: kind}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.simulator, err = aws.Open(t.Context(), aws.Config{
		DataDir: filepath.Join(dataDir, "aws"), RuntimeDir: filepath.Join(sockets, "r"), Native: native.Config{Executable: self, Arguments: []string{"native-init"}},
		Agent: func(string) (offload.AgentProgram, error) { return offload.AgentProgram{Path: program}, nil },
		Keys:  map[string]string{"AKTEST": "secret"}, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Crash()
		if err := c.simulator.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(sockets); err != nil {
			t.Error(err)
		}
	})
	c.serveGate()
	c.AWS, err = config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"), config.WithBaseEndpoint(c.endpoint()),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKTEST", "secret", "")))
	if err != nil {
		t.Fatal(err)
	}
	c.settings = settings(c.AWS)
	return c
}

func (c *Cloud) endpoint() string { return "http://" + c.simulator.Host() }

// Simulator is the AWS.
func (c *Cloud) Simulator() *aws.Simulator { return c.simulator }

// Page is what the simulator shows of itself.
func (c *Cloud) Page() string {
	c.t.Helper()
	answer, err := http.Get(c.endpoint() + "/_simulator")
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// Faults has the simulator go wrong from now on, as its own interface takes it.
func (c *Cloud) Faults(rules ...map[string]any) {
	c.t.Helper()
	if rules == nil {
		rules = []map[string]any{}
	}
	body, err := json.Marshal(map[string]any{"seed": 1, "rules": rules})
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPut, c.endpoint()+"/_simulator/faults", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		c.t.Fatalf("faults: %s", answer.Status)
	}
}

// serveGate listens where the simulator's tasks get, for one server after the other.
func (c *Cloud) serveGate() {
	c.t.Helper()
	const host = "host.docker.internal"
	var err error
	if c.authority, err = reach.NewAuthority(time.Hour); err != nil {
		c.t.Fatal(err)
	}
	certificate, err := c.authority.Gate(host, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	if err != nil {
		c.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c.url = "https://" + net.JoinHostPort(host, port)
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if gate := c.gate.Load(); gate != nil {
				gate.ServeHTTP(w, r)
				return
			}
			http.Error(w, "the server is away", http.StatusServiceUnavailable)
		})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	c.t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}

// Save writes an image of the server that runs now.
func (c *Cloud) Save(ctx context.Context, id digest.Digest, w io.Writer) error {
	return c.images.Save(ctx, id, w)
}

// Image pulls the image of the tests.
func (c *Cloud) Image(t *testing.T, images *image.Store) string {
	t.Helper()
	img, err := images.Pull(t.Context(), image.PullOptions{Reference: source})
	if err != nil {
		t.Fatal(err)
	}
	c.images = images
	return img.RepoTags[0]
}

// Backend opens the backend, with its driver in a process of its own.
func (c *Cloud) Backend(t *testing.T) runtime.Backend {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	driver, err := plugin.New(t.Context(), plugin.Config{
		Program: []string{self, "driver"}, Type: c.kind, Sockets: filepath.Join(c.sockets, "d"), Images: c, Agents: map[string]string{"amd64": program}, Log: log,
		Settings: c.settings})
	if err != nil {
		t.Fatal(err)
	}
	records, err := state.Open(filepath.Join(c.dataDir, "intents"), state.Options{BallastSize: -1, MinFree: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	gate, err := reach.NewGate(bytes.Repeat([]byte("s"), 32))
	if err != nil {
		t.Fatal(err)
	}
	c.gate.Store(gate)
	return &backend{Cloud: c, records: records, driver: driver, Backend: offload.NewBackend(c.kind, driver, offload.Config{
		State: records, Instance: "test", RuntimeDir: c.sockets, Gate: gate, GateURL: c.url, GateCA: c.authority.PEM(), Log: log})}
}

// backend closes what stands beneath it with itself: in a server that is the server's.
type backend struct {
	*offload.Backend
	*Cloud
	records state.Store
	driver  *plugin.Driver
}

func (b *backend) Close() error {
	err := b.Backend.Close()
	if gate := b.gate.Swap(nil); gate != nil {
		_ = gate.Close()
	}
	for _, closeErr := range []error{b.driver.Close(), b.records.Close()} {
		if err == nil {
			err = closeErr
		}
	}
	return err
}

// Crash kills all tasks as the loss of their machine does.
func (c *Cloud) Crash() {
	ctx := context.WithoutCancel(c.t.Context())
	machine := c.simulator.Machine()
	list, err := machine.ContainerList(ctx, runtime.ListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, task := range list {
		w, err := machine.ContainerWait(ctx, task.ID, "")
		if err == nil {
			_ = machine.ContainerKill(ctx, task.ID, "KILL") // it may have ended
			_, err = w.Result(ctx)
		}
		if err != nil && !strings.Contains(err.Error(), "No such container") {
			c.t.Error(err)
		}
	}
}
