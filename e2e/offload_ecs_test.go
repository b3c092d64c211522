package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/simulators/aws/awstest"
)

// simulatedAWS runs `sockerless sim aws` for a server of this test.
func simulatedAWS(t *testing.T) (user aws.Config, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	cmd := exec.Command(binary, "sim", "aws", "--listen", "127.0.0.1:0", "--data-dir", dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() { // ends with the simulator
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if _, rest, ok := strings.Cut(lines.Text(), "endpoint="); ok {
				at, _, _ := strings.Cut(rest, " ")
				ready <- at
			}
			t.Log(lines.Text())
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		<-ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("the simulator: %v", err)
		}
		folders, _ := filepath.Glob(filepath.Join(dir, "machine", "containers", "*", "native")) // the pattern is well formed
		for _, folder := range folders {
			if c, err := native.Find(folder); err == nil {
				t.Errorf("a task goes on: %s", folder)
				if err := c.Kill(); err != nil {
					t.Error(err)
				}
				_ = c.Close()
			}
		}
	})
	select {
	case endpoint = <-ready:
	case <-ended:
		t.Fatal("the simulator has ended at its start")
	}
	user, err = config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"), config.WithBaseEndpoint(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	return user, endpoint
}

// cloudServer is a server whose containers have that place, and one backend to go to, where agents dial back.
func cloudServer(t *testing.T, place, backend, settings string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil { // the server's from now on
		t.Fatal(err)
	}
	return offloadServer(t, fmt.Sprintf(`agents: {listen: "127.0.0.1:%s", url: "https://host.docker.internal:%[1]s"}
offload:
  backends:
    %s: {%s}
  default: {place: %s, backends: [%[2]s]}
`, port, backend, settings, place))
}

// ecsServer is a server whose containers have that place, and ECS to go to.
func ecsServer(t *testing.T, place string) (*server, *ecs.Client) {
	t.Helper()
	user, endpoint := simulatedAWS(t)
	client := ecs.NewFromConfig(user)
	if _, err := client.CreateCluster(t.Context(), &ecs.CreateClusterInput{}); err != nil {
		t.Fatal(err)
	}
	return cloudServer(t, place, "fargate", fmt.Sprintf(
		"type: ecs, region: eu-central-1, endpoint: %q, subnets: [%s], public-ip: true, execution-role: %q",
		endpoint, strings.Join(awstest.Subnets(t, user), ", "), awstest.ExecutionRole(t, user))), client
}

// running are the tasks of the simulator that have not ended.
func runningTasks(t *testing.T, client *ecs.Client) []string {
	t.Helper()
	out, err := client.ListTasks(context.WithoutCancel(t.Context()), &ecs.ListTasksInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskArns
}

// TestECS is the life of containers on Fargate, as the docker CLI sees it.
func TestECS(t *testing.T) {
	s, client := ecsServer(t, "offload")
	for _, c := range []struct {
		name, stdin string
		options     []string
		command     []string
		want        outcome
	}{
		{name: "output", command: []string{"python3", "-c", "print(6*7)"}, want: outcome{"42\n", "", 0}},
		{name: "two streams and a status", command: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, want: outcome{"out\n", "err\n", 7}},
		{name: "input", stdin: "one\ntwo\n", options: []string{"-i"}, command: []string{"python3", "-c", "import sys; print([l for l in sys.stdin])"}, want: outcome{"['one\\n', 'two\\n']\n", "", 0}},
		{name: "much", stdin: strings.Repeat("line of text\n", 200000), options: []string{"-i"}, command: []string{"wc", "-c"}, want: outcome{"2600000\n", "", 0}},
		{name: "environment, user and folder", options: []string{"-e", "A=b c", "-u", "nobody", "-w", "/tmp"}, command: []string{"sh", "-c", "echo $A $(id -u) $PWD"}, want: outcome{"b c 65534 /tmp\n", "", 0}},
		{name: "killed", command: []string{"sh", "-c", "kill -9 $$"}, want: outcome{"", "", 137}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := s.docker(t, slices.Concat([]string{"run", "--rm"}, c.options, []string{"python"}, c.command)...)
			cmd.Stdin = strings.NewReader(c.stdin)
			if got := outcomeOf(t, cmd); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	s.fails(t, 127, []string{"nosuch"}, "run", "--rm", "python", "nosuch")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("in\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := s.ok(t, "run", "--rm", "-v", dir+":/v", "python", "sh", "-c", "cat /v/in; echo out >/v/out"); got != "in" {
		t.Errorf("a folder of this machine: %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(got) != "out\n" {
		t.Errorf("what was written there: %q, %v", got, err)
	}
	s.fails(t, 125, []string{"a tmpfs at /t", "Fargate"}, "run", "--rm", "--tmpfs", "/t", "python", "true")
	s.fails(t, 125, []string{"--read-only", "Fargate"}, "run", "--rm", "--read-only", "python", "true")
	s.fails(t, 125, []string{"restart policy", "fargate"}, "run", "-d", "--restart", "always", "python", "true")

	s.ok(t, "run", "-d", "--name", "c", "python", "python3", "-c", "import time\nfor i in range(3): print('line', i, flush=True)\ntime.sleep(1000)")
	for s.ok(t, "logs", "c") != "line 0\nline 1\nline 2" {
	}
	if got := s.ok(t, "exec", "c", "python3", "-c", "open('/f', 'w').write('x'); print('in exec')"); got != "in exec" {
		t.Errorf("exec: %q", got)
	}
	local := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(local, []byte("from outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "cp", local, "c:/in")
	if got := s.ok(t, "exec", "c", "cat", "/in", "/f"); got != "from outsidex" {
		t.Errorf("its files are %q", got)
	}
	if diff := s.ok(t, "diff", "c"); !strings.Contains(diff, "A /in") || !strings.Contains(diff, "A /f") || strings.Contains(diff, "sockerless") {
		t.Errorf("diff: %s", diff)
	}
	x := s.open(t, "exec", "-it", "c", "python3", "-q")
	x.expect(">>> ")
	x.run("import os; os.get_terminal_size()", "columns=80, lines=24")
	x.expect(">>> ")
	x.send(ctrlD)
	x.ends(0)
	if err := s.signal(syscall.SIGKILL); err != nil { // the task goes on, and is found again
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if got := s.ok(t, "exec", "c", "cat", "/in"); got != "from outside" {
		t.Errorf("after a kill of the server: %q", got)
	}
	if n := len(runningTasks(t, client)); n != 1 {
		t.Errorf("%d tasks run for one container", n)
	}
	s.ok(t, "kill", "c")
	if got := s.ok(t, "wait", "c"); got != "137" {
		t.Errorf("it ended with %s", got)
	}
	s.fails(t, 1, []string{"cannot be started again"}, "start", "c")
	if got := s.ok(t, "logs", "c"); got != "line 0\nline 1\nline 2" {
		t.Errorf("the log of what has ended: %q", got)
	}
	s.ok(t, "rm", "c")
	for len(runningTasks(t, client)) > 0 { // their end is under way
	}
}

// TestBackendCheck has a server look at its backends, before and after what one needs is there.
func TestBackendCheck(t *testing.T) {
	s, client := ecsServer(t, "offload")
	check := func(name string, code int) string {
		t.Helper()
		cmd := exec.Command(binary, "backend", "check", name)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+s.host())
		got := outcomeOf(t, cmd)
		if got.code != code {
			t.Errorf("check %s: %s", name, got)
		}
		return got.stdout + got.stderr
	}
	for _, name := range []string{"local", "fargate"} {
		if got := check(name, 0); !strings.Contains(got, "its agent has answered") || strings.Contains(got, "missing") {
			t.Errorf("check %s:\n%s", name, got)
		}
	}
	for len(runningTasks(t, client)) > 0 { // their end is under way
	}
	if got := s.natives(); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
	if got := check("other", 1); !strings.Contains(got, "no backend other") {
		t.Errorf("check other:\n%s", got)
	}
	for { // until the tasks that end have ended
		_, err := client.DeleteCluster(t.Context(), &ecs.DeleteClusterInput{Cluster: aws.String("default")})
		var active *types.ClusterContainsTasksException
		if err == nil {
			break
		}
		if !errors.As(err, &active) {
			t.Fatal(err)
		}
	}
	if got := check("fargate", 1); !strings.Contains(got, "create-cluster") || !strings.Contains(got, "not tried") {
		t.Errorf("without a cluster:\n%s", got)
	}
}

// TestECSPromotion has scripts of the sandbox meet programs that run on Fargate.
func TestECSPromotion(t *testing.T) {
	s, client := ecsServer(t, "auto")
	got := outcomeOf(t, s.docker(t, "run", "--rm", "-w", "/work", "python", "bash", "-c", hidden+
		`echo shell > f; seq 5 | $P -c 'import sys; print(sum(map(int, sys.stdin)))'; $P -c 'open("f", "a").write("python\n")'; cat f; $P -c 'raise SystemExit(4)'; echo $?`))
	if want := (outcome{"15\nshell\npython\n4\n", "", 0}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s.promotions(t) != 1 {
		t.Error("it was not promoted once")
	}
	for len(runningTasks(t, client)) > 0 { // their end is under way
	}
}
