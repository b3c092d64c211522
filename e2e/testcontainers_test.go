package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

// sessionVariable makes this program a session of testcontainers-go instead of the tests.
const sessionVariable = "SOCKERLESS_E2E_SESSION"

// TestTestcontainers runs a session of testcontainers-go, which ends without removing what it has made: the reaper does.
func TestTestcontainers(t *testing.T) {
	s := runningServer(t)
	s.ok(t, "run", "-d", "--name", "bystander", "sockerless/base", "sleep", "1000")
	events := s.docker(t, "events", "--filter", "event=destroy", "--format", `{{.Type}} {{index .Actor.Attributes "name"}} {{index .Actor.Attributes "image"}}`)
	stdout, err := events.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Start(); err != nil {
		t.Fatal(err)
	}
	session := exec.CommandContext(t.Context(), os.Args[0])
	session.Env = append(s.environment(), sessionVariable+"=1", "HOME="+t.TempDir(), "TESTCONTAINERS_HOST_OVERRIDE=localhost", "RYUK_RECONNECTION_TIMEOUT=5s")
	o := outcomeOf(t, session)
	want := "log 4 out\nport true\nhttp\nhealth\nexec\nfile\nexit 3\nnetwork ok\ncopy hello\nreuse true\n"
	if o.code != 0 || o.stdout != want {
		t.Fatalf("the session: %s", o)
	}
	seen := ""
	buffer := make([]byte, 4096)
	for !strings.Contains(seen, "testcontainers/ryuk") { // the last that goes is the reaper
		n, err := stdout.Read(buffer)
		if seen += string(buffer[:n]); err != nil {
			t.Fatalf("events ended: %v\n%s", err, seen)
		}
	}
	if err := errors.Join(events.Process.Kill(), ignoreExit(events.Wait())); err != nil {
		t.Fatal(err)
	}
	if left := s.ok(t, "ps", "-a", "--format", "{{.Names}}"); left != "bystander" {
		t.Errorf("containers that are left: %s", left)
	}
	if left := s.ok(t, "network", "ls", "-q", "--filter", "type=custom"); left != "" {
		t.Errorf("networks that are left: %s", left)
	}
}

func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// session uses what testcontainers-go offers and prints what it saw.
func session(ctx context.Context) error {
	const image = "sockerless/base"
	answering := testcontainers.WithCmd("sh", "-c", `while :; do printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' | nc -l -N -p 8080; done`)
	idle := testcontainers.WithCmd("sleep", "1000")
	run := func(options ...testcontainers.ContainerCustomizer) (*testcontainers.DockerContainer, error) {
		return testcontainers.Run(ctx, image, options...)
	}
	c, err := run(testcontainers.WithCmd("sh", "-c", "echo ready; exec sleep 1000"), testcontainers.WithWaitStrategy(wait.ForLog("ready")))
	if err != nil {
		return err
	}
	code, out, err := c.Exec(ctx, []string{"sh", "-c", "echo out; exit 4"}, tcexec.Multiplexed())
	if err != nil {
		return err
	}
	text, err := io.ReadAll(out)
	if err != nil {
		return err
	}
	fmt.Print("log ", code, " ", string(text))
	if err := c.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
		return err
	}
	c, err = run(testcontainers.WithExposedPorts("8080/tcp"), answering, testcontainers.WithWaitStrategy(wait.ForListeningPort("8080/tcp")))
	if err != nil {
		return err
	}
	port, err := c.MappedPort(ctx, "8080/tcp")
	if err != nil {
		return err
	}
	fmt.Println("port", port.Num() > 0)
	if _, err = run(testcontainers.WithExposedPorts("8080/tcp"), answering, testcontainers.WithWaitStrategy(wait.ForHTTP("/"))); err != nil {
		return err
	}
	fmt.Println("http")
	healthy := testcontainers.WithConfigModifier(func(c *container.Config) {
		c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "true"}, Interval: 100e6}
	})
	for _, s := range []struct {
		name     string
		strategy wait.Strategy
		options  []testcontainers.ContainerCustomizer
	}{
		{"health", wait.ForHealthCheck(), []testcontainers.ContainerCustomizer{idle, healthy}},
		{"exec", wait.ForExec([]string{"true"}), []testcontainers.ContainerCustomizer{idle}},
		{"file", wait.ForFile("/etc/hostname"), []testcontainers.ContainerCustomizer{idle}},
	} {
		if _, err := run(append(s.options, testcontainers.WithWaitStrategy(s.strategy))...); err != nil {
			return err
		}
		fmt.Println(s.name)
	}
	if c, err = run(testcontainers.WithCmd("sh", "-c", "exit 3"), testcontainers.WithWaitStrategy(wait.ForExit())); err != nil {
		return err
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	fmt.Println("exit", state.ExitCode)
	n, err := network.New(ctx)
	if err != nil {
		return err
	}
	if _, err := run(answering, network.WithNetwork([]string{"server"}, n)); err != nil {
		return err
	}
	c, err = run(idle, network.WithNetwork(nil, n), testcontainers.WithFiles(testcontainers.ContainerFile{
		Reader: strings.NewReader("hello"), ContainerFilePath: "/opt/f", FileMode: 0o644}))
	if err != nil {
		return err
	}
	if err := printed(ctx, c, "network ", "until curl -s http://server:8080/; do :; done; echo"); err != nil {
		return err
	}
	if err := printed(ctx, c, "copy ", "cat /opt/f; echo"); err != nil {
		return err
	}
	first, err := run(idle, testcontainers.WithReuseByName("kept"))
	if err != nil {
		return err
	}
	second, err := run(idle, testcontainers.WithReuseByName("kept"))
	if err != nil {
		return err
	}
	fmt.Println("reuse", first.GetContainerID() == second.GetContainerID())
	return nil
}

// printed prints what a command in a container prints.
func printed(ctx context.Context, c *testcontainers.DockerContainer, what, command string) error {
	_, out, err := c.Exec(ctx, []string{"sh", "-c", command}, tcexec.Multiplexed())
	if err != nil {
		return err
	}
	text, err := io.ReadAll(out)
	fmt.Print(what, string(text))
	return err
}
