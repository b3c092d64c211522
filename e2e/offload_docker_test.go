//go:build oracle

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// dockerd is where the other engine is: `make oracle` starts one.
func dockerd(t *testing.T) string {
	t.Helper()
	host := os.Getenv("SOCKERLESS_DOCKERD")
	if host == "" {
		t.Fatal("SOCKERLESS_DOCKERD is not set: `make oracle` starts a dockerd and sets it")
	}
	return host
}

// engineServer is offloadServer with native containers on the other engine. settings are the backend's, beside its host, in YAML's flow style; place is that of all containers.
func engineServer(t *testing.T, place, settings string) *server {
	t.Helper()
	host := dockerd(t)
	if settings != "" {
		settings = ", " + settings
	}
	return offloadServer(t, "offload: {backends: {far: {type: docker, host: \""+host+"\""+settings+"}}, default: {place: "+place+", backends: [far]}}\n")
}

// engine runs the docker CLI for the other engine.
func engine(t *testing.T, args ...string) string {
	t.Helper()
	s := &server{dir: t.TempDir()}
	return s.ok(t, append([]string{"-H", dockerd(t)}, args...)...)
}

// engineTasks are the containers of a server's tasks on the other engine.
func (s *server) engineTasks(t *testing.T) []string {
	t.Helper()
	ids := s.ok(t, "ps", "-aq", "--no-trunc")
	var tasks []string
	for _, id := range strings.Fields(ids) {
		tasks = append(tasks, strings.Fields(engine(t, "ps", "-aq", "--no-trunc", "--filter", "label=sockerless.container="+id))...)
	}
	return tasks
}

// leavesNothingThere removes all containers and wants none of the other engine's containers and volumes to be left but those
// that were there before and the agent's.
func (s *server) leavesNothingThere(t *testing.T, before []string) {
	t.Helper()
	s.leavesNothing(t)
	for {
		left := slices.DeleteFunc(onEngine(t), func(name string) bool { return slices.Contains(before, name) })
		if len(left) == 0 {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("left on the other engine: %q", left)
		}
	}
}

// onEngine are the names of what the other engine has.
func onEngine(t *testing.T) []string {
	t.Helper()
	names := strings.Fields(engine(t, "ps", "-a", "--format", "{{.Names}}") + "\n" + engine(t, "volume", "ls", "-q"))
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "sockerless-agent-") })
}

// TestScriptsEngine runs what a real dockerd passes with every container on another engine.
func TestScriptsEngine(t *testing.T) {
	for _, script := range sameScripts {
		t.Run(script, func(t *testing.T) {
			before := onEngine(t)
			s := engineServer(t, "offload", "")
			s.ok(t, "pull", "-q", registryHost+"/debian")
			s.ok(t, "tag", registryHost+"/debian", "sockerless/base")
			runScript(t, s.host(), script)
			s.leavesNothingThere(t, before)
		})
	}
}

// TestEngine runs what containers of this machine pass on another engine.
func TestEngine(t *testing.T) {
	for name, c := range map[string]struct {
		place string
		test  func(t *testing.T, s *server)
	}{
		"native":          {"offload", func(t *testing.T, s *server) { natively(t, s, "offload") }},
		"native by need":  {"auto", func(t *testing.T, s *server) { natively(t, s, "auto") }},
		"life":            {"auto", func(t *testing.T, s *server) { nativeLife(t, s) }},
		"terminal":        {"auto", nativeTerminal},
		"redis":           {"auto", func(t *testing.T, s *server) { redis(t, s) }},
		"network":         {"auto, allow-labels: [place]", oneNetwork},
		"promotion":       {"auto", func(t *testing.T, s *server) { promotion(t, s, false) }},
		"promoted user":   {"auto", promotedUser},
		"promoted mounts": {"auto", promotedMounts},
		"promoted life":   {"auto", func(t *testing.T, s *server) { promotedLife(t, s) }},
	} {
		t.Run(name, func(t *testing.T) {
			before := onEngine(t)
			s := engineServer(t, c.place, "")
			c.test(t, s)
			s.leavesNothingThere(t, before)
		})
	}
}

// TestEngineConflict has both sides change one file at once: the native one is kept, and that is said.
func TestEngineConflict(t *testing.T) {
	before := onEngine(t)
	s := engineServer(t, "auto", "")
	got := outcomeOf(t, s.docker(t, "run", "--rm", "-w", "/work", "python", "bash", "-c", hidden+`echo old > f; echo old > g; mkfifo q r
$P -c 'open("f", "w").write("native\n"); print("up", flush=True); input()' < r > q & exec 4> r; read x < q
echo shell > f; echo shell > g; rm -f gone; echo go >&4; wait; cat f g`))
	want := outcome{stdout: "native\nshell\n", stderr: "sockerless: /work/f was changed by python3.11 and in the sandbox at once: the one of python3.11 is kept\n"}
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.leavesNothingThere(t, before)
}

// TestEngineTwinKilled kills a twin while a native program runs in it: that one is lost, which is said, the script goes on, and
// its next program finds all files in another twin.
func TestEngineTwinKilled(t *testing.T) {
	before := onEngine(t)
	s := engineServer(t, "auto", "")
	s.ok(t, "run", "-d", "--name", "c", "-w", "/work", "python", "bash", "-c", hidden+`echo shell > f; $P -c 'open("g", "w").write("native\n")'
$P -c 'import time; print("up", flush=True); time.sleep(1000)'; echo status $?; $P -c 'print(open("f").read() + open("g").read(), end="")'; echo status $?`)
	for !strings.Contains(s.ok(t, "logs", "c"), "up") {
	}
	tasks := s.engineTasks(t)
	if len(tasks) != 1 {
		t.Fatalf("tasks: %q", tasks)
	}
	engine(t, "kill", tasks[0])
	if code := s.ok(t, "wait", "c"); code != "0" {
		t.Errorf("the script ended with %s", code)
	}
	got := outcomeOf(t, s.docker(t, "logs", "c"))
	if got.stdout != "up\nstatus 125\nshell\nnative\nstatus 0\n" || !strings.Contains(got.stderr, "the container's twin ended while the program ran") {
		t.Errorf("got %s", got)
	}
	s.leavesNothingThere(t, before)
}

// TestEngineRefuses has the limits of tasks that dial back told when a container is made.
func TestEngineRefuses(t *testing.T) {
	back := engineServer(t, "offload", "connect: reverse")
	back.ok(t, "network", "create", "lan")
	back.fails(t, 1, []string{"it cannot be in network lan there", "connect: exec"}, "create", "--network", "lan", "python", "true")
}
