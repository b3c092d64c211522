//go:build linux

package aws_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/simulators/aws"
	"github.com/sockerless/sockerless/simulators/aws/awstest"
	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// program is the agent, built once.
var program string

// The test binary is the first stage of a native container when it is called as a simulator calls itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "native-init" {
		os.Exit(native.Init())
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "sockerless-agent")
	build := exec.Command("go", "build", "-o", program, "../../agent/sockerless-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the agent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// cloud is a data folder with the simulators that come and go over it.
type cloud struct {
	*aws.Simulator
	t       *testing.T
	dir     string
	sockets string
	address string
	models  *awstest.Models // of each answer
	after   func(time.Duration) <-chan time.Time
	late    atomic.Int64 // by how many nanoseconds the cloud's clock is ahead
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	sockets, err := os.MkdirTemp("", "aws") // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, dir: t.TempDir(), sockets: sockets, address: "127.0.0.1:0", models: awstest.NewModels(t)}
	c.open()
	t.Cleanup(func() {
		c.close()
		if err := os.RemoveAll(sockets); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *cloud) open() {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = l.Addr().String()
	c.Simulator, err = aws.Open(c.t.Context(), aws.Config{
		DataDir: c.dir, RuntimeDir: c.sockets, Native: native.Config{Executable: self, Arguments: []string{"native-init"}},
		Agent: func(string) (offload.AgentProgram, error) { return offload.AgentProgram{Path: program}, nil },
		Keys:  map[string]string{"AKTEST": "secret"}, Now: func() time.Time { return time.Now().Add(time.Duration(c.late.Load())) }, Answered: c.check, After: c.after,
		Log: slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}, l)
	if err != nil {
		c.t.Fatal(err)
	}
}

// check is of every answer: as the model of the service has it.
func (c *cloud) check(call *wire.Call, status int, header http.Header, body []byte) {
	if err := c.models.Check(call.Service, call.Operation, status, header, body); err != nil {
		c.t.Error(err)
	}
}

// cli is the command line client of a user with a key.
func (c *cloud) cli() awstest.CLI {
	return awstest.CLI{Endpoint: "http://" + c.Host(), Key: "AKTEST", Secret: "secret"}
}

func (c *cloud) close() {
	c.t.Helper()
	if err := c.Close(context.WithoutCancel(c.t.Context())); err != nil {
		c.t.Error(err)
	}
}

// client is the SDK's configuration of a user with a key.
func (c *cloud) client(secret string) awssdk.Config {
	c.t.Helper()
	cfg, err := config.LoadDefaultConfig(c.t.Context(), config.WithRegion("eu-central-1"), config.WithBaseEndpoint("http://"+c.Host()),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKTEST", secret, "")))
	if err != nil {
		c.t.Fatal(err)
	}
	return cfg
}

// push puts an image of a static busybox into the registry.
func (c *cloud) push(repository string) (reference string) {
	c.t.Helper()
	return c.pushProgram(repository, "/bin/busybox", v1.Config{Env: []string{"PATH=/bin"}})
}

// pushProgram is push of a static program, which is /bin/busybox in the image whatever it is.
func (c *cloud) pushProgram(repository, file string, config v1.Config) (reference string) {
	c.t.Helper()
	binary, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	add := func(h tar.Header, content []byte) {
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			c.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			c.t.Fatal(err)
		}
	}
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, binary)
	for _, applet := range []string{"sh", "echo", "sleep", "cat", "ls", "id", "ps", "wget", "nc"} {
		add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		c.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		c.t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: must(img.ConfigFile()).RootFS, Config: config})
	if err != nil {
		c.t.Fatal(err)
	}
	reference = c.Host() + "/" + repository + ":latest"
	client := ecr.NewFromConfig(c.client("secret"))
	var exists *ecrtypes.RepositoryAlreadyExistsException
	if _, err := client.CreateRepository(c.t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repository}); err != nil && !errors.As(err, &exists) {
		c.t.Fatal(err)
	}
	if err := remote.Write(must(name.ParseReference(reference)), img, c.login()); err != nil {
		c.t.Fatal(err)
	}
	return reference
}

// login is a client of the registry with a token of ECR.
func (c *cloud) login() remote.Option {
	c.t.Helper()
	out, err := ecr.NewFromConfig(c.client("secret")).GetAuthorizationToken(c.t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		c.t.Fatal(err)
	}
	return remote.WithAuth(authn.FromConfig(authn.AuthConfig{Auth: awssdk.ToString(out.AuthorizationData[0].AuthorizationToken)}))
}

// faults sets what goes wrong from now on.
func (c *cloud) faults(rules ...faults.Rule) {
	c.t.Helper()
	body := must(json.Marshal(aws.FaultRules{Rules: rules}))
	r := must(http.NewRequestWithContext(c.t.Context(), http.MethodPut, "http://"+c.Host()+"/_simulator/faults", bytes.NewReader(body)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		c.t.Fatal(answer.Status)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestCaller(t *testing.T) {
	c := newCloud(t)
	out, err := sts.NewFromConfig(c.client("secret")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || awssdk.ToString(out.Account) != aws.Account || awssdk.ToString(out.Arn) != "arn:aws:iam::000000000000:user/AKTEST" {
		t.Errorf("%+v, %v", out, err)
	}
	if got := c.cli().Query(t, "Account", "sts", "get-caller-identity"); got != aws.Account {
		t.Errorf("the client is of account %q", got)
	}
	if _, err := sts.NewFromConfig(c.client("wrong")).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
		t.Error("a wrong secret is taken")
	}
	if _, err := ecs.NewFromConfig(c.client("wrong")).ListTasks(t.Context(), &ecs.ListTasksInput{}); err == nil {
		t.Error("a wrong secret is taken")
	}
}
