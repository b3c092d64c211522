package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCompose runs testdata/compose/*.txtar, projects of several services, with the real docker compose.
func TestCompose(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/compose", Setup: composeSetup, Cmds: commands})
}

// composeSetup gives a script a server of its own, and docker the plugin that `make tools` installs.
func composeSetup(env *testscript.Env) error {
	if err := ownServer(env); err != nil {
		return err
	}
	return usePlugins(env)
}

// usePlugins tells docker where the plugins are that `make tools` installs.
func usePlugins(env *testscript.Env) error {
	plugins, err := filepath.Abs(filepath.Join(clients, "usr/libexec/docker/cli-plugins"))
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string][]string{"cliPluginsExtraDirs": {plugins}})
	if err != nil {
		return err
	}
	dir := env.Getenv("DOCKER_CONFIG")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
}

// clients is where install-clients puts them.
const clients = ".cache/clients"
