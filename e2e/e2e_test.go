package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// binary is the product, built once for all tests; registryHost serves the images of images_test.go.
var (
	binary, registryHost string
	registryHandler      http.Handler
)

func TestMain(m *testing.M) {
	if os.Getenv(sessionVariable) != "" {
		if err := session(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "sle2e")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sockerless")
	for name, source := range map[string]string{
		"sockerless": "..", "sockerless-cloud": "../cmd/sockerless-cloud", "sockerless-agent-linux-" + runtime.GOARCH: "../agent/sockerless-agent",
	} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	registryHandler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	images := httptest.NewServer(registryHandler)
	defer images.Close()
	registryHost = images.Listener.Addr().String()
	if err := pushImages(registryHost); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// TestScripts runs testdata/*.txtar with the real docker CLI. A script finds DOCKER_HOST, REGISTRY with the images
// busybox and debian, SOCKERLESS with the binary, and the commands below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: ownServer, Cmds: commands})
}

// ownServer gives a script a server of its own.
func ownServer(env *testscript.Env) error {
	s, err := newServer()
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := s.remove(env.T().(interface{ Logf(string, ...any) })); err != nil {
			env.T().Fatal(err)
		}
	})
	env.Values[serverKey{}] = s
	env.Setenv("XDG_RUNTIME_DIR", s.dir)
	env.Setenv("SOCKERLESS", binary)
	env.Setenv("DATA", s.data())
	setEnvironment(env, s.host())
	return s.start()
}

func setEnvironment(env *testscript.Env, host string) {
	env.Setenv("DOCKER_HOST", host)
	env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, ".docker"))
	env.Setenv("REGISTRY", registryHost)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("LC_ALL", "C")
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"server":   serverCommand,
	"exits":    exitsCommand,
	"lines":    linesCommand,
	"freeport": freePortCommand,
}

type serverKey struct{}

// server start|kill|stop|kill-cells|no-cells: what happens to the script's server.
func serverCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*server)
	if neg || len(args) != 1 {
		ts.Fatalf("usage: server start|kill|stop|kill-cells|no-cells")
	}
	switch args[0] {
	case "start":
		ts.Check(s.start())
	case "kill":
		ts.Check(s.signal(syscall.SIGKILL))
	case "stop":
		ts.Check(s.signal(syscall.SIGTERM))
	case "kill-cells":
		pids, err := s.cells()
		ts.Check(err)
		if len(pids) == 0 {
			ts.Fatalf("no cell is running")
		}
		for _, pid := range pids {
			ts.Check(syscall.Kill(pid, syscall.SIGKILL))
		}
	case "no-cells":
		for { // cells end soon after the server that told them to
			pids, err := s.cells()
			ts.Check(err)
			if len(pids) == 0 {
				return
			}
		}
	default:
		ts.Fatalf("server: unknown %q", args[0])
	}
}

// exits CODE COMMAND [ARG...]: runs the command and wants that exit code. Its output is for `stdout` and `stderr`.
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s ended with %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// lines FILE: the lines of what came out of the last command are those of FILE, in any order.
func linesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: lines FILE")
	}
	got, want := sortedLines(ts.ReadFile("stdout")), sortedLines(ts.ReadFile(args[0]))
	if (got == want) == neg {
		ts.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
}

// freeport NAME: sets the variable to a port of the loopback that is free.
func freePortCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], port)
}

func sortedLines(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
