package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSecrets wants what only the server knows nowhere else: not in a log, not in a file, not in a process of a container.
func TestSecrets(t *testing.T) {
	const ofEnvironment, ofContainer, ofRegistry, ofConfiguration = "canary-of-the-server", "canary-that-is-dropped", "canary-of-the-registry", "canary-of-the-configuration"
	t.Setenv("SERVER_SECRET", ofEnvironment)
	s := offloadServer(t, "offload: {default: {env: {drop: [\"*_TOKEN\"]}}} # "+ofConfiguration+"\n")
	// A registry without passwords refuses none: the CLI sends them with each pull.
	login := filepath.Join(s.dir, "docker", "config.json")
	if err := os.MkdirAll(filepath.Dir(login), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(login, []byte(`{"auths":{"`+registryHost+`":{"identitytoken":"`+ofRegistry+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "pull", "-q", registryHost+"/debian")
	const look = `import glob
for p in glob.glob("/proc/[0-9]*/environ"):
    try: print(open(p, "rb").read())
    except OSError: pass
print("looked")`
	for _, script := range []string{"exec python3 -c '" + look + "'", hidden + "$P -c '" + look + "'; true"} {
		got := s.ok(t, "run", "--rm", "-e", "A_TOKEN="+ofContainer, "python", "bash", "-c", script)
		if strings.Contains(got, "canary") || !strings.HasSuffix(got, "looked") {
			t.Errorf("processes have %s", got)
		}
	}
	s.ok(t, "run", "-d", "--name", "c", "python", "python3", "-c", "import time; print('up', flush=True); time.sleep(1000)")
	for s.ok(t, "logs", "c") != "up" {
	}
	s.ok(t, "run", "-d", "--name", "p", "python", "bash", "-c", hidden+"$P -c 'import time; print(1, flush=True); time.sleep(1000)'; true")
	for s.ok(t, "logs", "p") != "1" {
	}
	canaries := []string{ofEnvironment, ofRegistry, ofConfiguration}
	has := func(what string, text []byte) {
		t.Helper()
		for _, canary := range canaries {
			if bytes.Contains(text, []byte(canary)) {
				t.Errorf("%s has %s", what, canary)
			}
		}
	}
	for _, args := range [][]string{{"inspect", "c", "p"}, {"info"}, {"inspect", "python"}, {"export", "c"}, {"logs", "c"}, {"diff", "p"}} {
		o := outcomeOf(t, s.docker(t, args...))
		if o.code != 0 {
			t.Errorf("docker %q: %s", args, o.stderr)
		}
		has("docker "+args[0], []byte(o.stdout+o.stderr))
	}
	looked := 0
	for _, pid := range s.tree(t) { // but the server itself, whose they are
		for _, file := range []string{"environ", "cmdline"} {
			text, err := os.ReadFile(filepath.Join("/proc", pid, file))
			if err == nil {
				looked++
				has("/proc/"+pid+"/"+file, text)
			}
		}
	}
	if looked < 6 { // of a cell and two agents at least
		t.Errorf("looked at %d files of processes", looked)
	}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == login {
			return nil // files go while we look
		}
		text, err := os.ReadFile(path)
		if err == nil {
			has(path, text)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	s.leavesNothing(t)
}

// tree are the processes that the server has started, and theirs.
func (s *server) tree(t *testing.T) (pids []string) {
	t.Helper()
	children := map[string][]string{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		after := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // state, parent
		children[after[1]] = append(children[after[1]], filepath.Base(filepath.Dir(path)))
	}
	pids = children[strconv.Itoa(s.cmd.Process.Pid)]
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}
