package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// sameScripts are those that a real dockerd must pass too: what they want is what Docker does. The others are about our
// own server: its end, its configuration, its embedded image, its registry errors.
var sameScripts = []string{"run", "detached", "exec", "cp", "list", "mounts", "tty", "images", "saveload", "commit", "import", "push", "events",
	"compose/shop", "compose/queue", "compose/tests"}

// runScript runs a script against a server that is not its own, and removes its containers.
func runScript(t *testing.T, host, script string) {
	testscript.Run(t, testscript.Params{
		Files: []string{filepath.Join("testdata", script+".txtar")},
		Setup: func(env *testscript.Env) error {
			env.Defer(func() {
				ids, err := exec.Command("docker", "-H", host, "ps", "-aq").Output()
				if err == nil && len(ids) > 0 {
					err = exec.Command("docker", append([]string{"-H", host, "rm", "-fv"}, strings.Fields(string(ids))...)...).Run()
				}
				if err != nil {
					env.T().Fatal("remove the script's containers: ", err)
				}
			})
			setEnvironment(env, host)
			return usePlugins(env)
		},
		Cmds: commands,
	})
}
