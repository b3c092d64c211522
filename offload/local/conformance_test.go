//go:build linux

package local_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/local"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/store/state"
)

// agentVariable names the agent's program for the test binary that runs as another user.
const agentVariable = "TEST_AGENT"

// program is the agent, built once: the test binary itself cannot be it, since it may need libraries (-race).
var program string

// The test binary is the first stage of a native container when it is called as the server calls itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "native-init" {
		os.Exit(native.Init())
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if program = os.Getenv(agentVariable); program != "" {
		return m.Run()
	}
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

// machine is this machine, with the containers of a data folder.
type machine struct {
	t       *testing.T
	dataDir string
	sockets string
	lower   string // the files of every image: those of a static busybox
}

// Directory gives busybox for whatever image it is.
func (m *machine) Directory(context.Context, []string) (string, func(), error) {
	return m.lower, func() {}, nil
}

func (m *machine) Backend(t *testing.T) runtime.Backend {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config := native.Config{Executable: self, Arguments: []string{"native-init"}}
	containers := filepath.Join(m.dataDir, "containers")
	if err := os.MkdirAll(containers, 0o700); err != nil {
		t.Fatal(err)
	}
	support := native.Probe(t.Context(), config, filepath.Join(m.dataDir, "probe"))
	if support.Unavailable != "" {
		t.Fatalf("native containers cannot run here: %s", support.Unavailable)
	}
	records, err := state.Open(filepath.Join(m.dataDir, "intents"), state.Options{BallastSize: -1, MinFree: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	driver := local.New(local.Config{
		Native: config, Support: func() native.Support { return support }, Images: m, Containers: containers, RuntimeDir: m.sockets,
		Agent: func(string) (offload.AgentProgram, error) {
			return offload.AgentProgram{Path: program, ID: "test"}, nil
		},
	})
	return &backend{offload.NewBackend("local", driver, offload.Config{
		State: records, Instance: "test", RuntimeDir: m.sockets,
		Relay: func(string, func(context.Context) (net.Conn, error)) (io.Closer, error) {
			return nil, fmt.Errorf("an agent on this machine needs no relay")
		},
	}), records}
}

// backend closes its records with itself: in a server they are the server's.
type backend struct {
	*offload.Backend
	records state.Store
}

func (b *backend) Close() error {
	err := b.Backend.Close()
	if closeErr := b.records.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Crash kills all containers.
func (m *machine) Crash() {
	dirs, err := filepath.Glob(filepath.Join(m.dataDir, "containers", "*", "native"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, dir := range dirs {
		if c, err := native.Find(dir); err == nil {
			_ = c.Kill() // gone meanwhile is as good
			_ = c.Wait(context.Background())
			_ = c.Close()
		}
	}
}

// busybox makes a root directory of the machine's static busybox.
func busybox(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is missing: `make tools` installs it (Debian's busybox-static)")
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "etc", "tmp", "proc", "dev", "sys", "root"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "bin/busybox"), text, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644)
	}
	for _, applet := range []string{"sh", "cat", "echo", "env", "false", "sleep", "true", "ls", "sed", "head", "seq", "sha256sum"} {
		if err == nil {
			err = os.Symlink("busybox", filepath.Join(root, "bin", applet))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestConformance(t *testing.T) {
	lower := busybox(t)
	runtimetest.Run(t, func(t *testing.T, dataDir string) runtimetest.Machine {
		sockets, err := os.MkdirTemp("", "local") // short: sockets live in it
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{t: t, dataDir: dataDir, sockets: sockets, lower: lower}
		t.Cleanup(func() {
			m.Crash()
			dirs, err := filepath.Glob(filepath.Join(dataDir, "containers", "*", "native"))
			if err != nil {
				t.Error(err)
			}
			for _, dir := range dirs {
				if err := native.Remove(context.Background(), dir); err != nil {
					t.Error(err)
				}
			}
			if err := os.RemoveAll(sockets); err != nil {
				t.Error(err)
			}
		})
		return m
	})
}

// TestConformanceAsUser runs the suite again as an ordinary user, in user namespaces.
func TestConformanceAsUser(t *testing.T) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		return // TestConformance has run as an ordinary user
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "user") // short: sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	test, agent := filepath.Join(dir, "local.test"), filepath.Join(dir, "sockerless-agent")
	for to, from := range map[string]string{test: self, agent: program} { // they may lie where only root gets
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), test, "-test.run=^TestConformance$")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, agentVariable + "=" + agent}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as uid %d: %v\n%s", nobody, err, out)
	}
}
