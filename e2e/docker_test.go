package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// safety is when a test gives up on what never comes. Nothing is expected to take anywhere near as long.
const safety = 4 * time.Minute

// runningServer starts a server for one test, and removes it with all that it started.
func runningServer(t *testing.T, args ...string) *server {
	t.Helper()
	s, err := newServer(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.remove(t); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// docker is a command of the docker CLI for this server, ended with the test or after safety.
func (s *server) docker(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), safety)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(s.environment(), "DOCKER_CONFIG="+filepath.Join(s.dir, "docker"), "LC_ALL=C")
	return cmd
}

// ok runs a docker command that must end with 0, and returns its standard output without the last newline.
func (s *server) ok(t *testing.T, args ...string) string {
	t.Helper()
	o := outcomeOf(t, s.docker(t, args...))
	if o.code != 0 {
		t.Fatalf("docker %s ended with %d:\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return strings.TrimSuffix(o.stdout, "\n")
}

// fails runs a docker command that must end with code, and wants every one of the texts in what it says.
func (s *server) fails(t *testing.T, code int, texts []string, args ...string) {
	t.Helper()
	o := outcomeOf(t, s.docker(t, args...))
	if o.code != code {
		t.Errorf("docker %s ended with %d, want %d:\n%s%s", strings.Join(args, " "), o.code, code, o.stdout, o.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("docker %s does not say %q:\n%s%s", strings.Join(args, " "), text, o.stdout, o.stderr)
		}
	}
}

// files lists what is left under a folder of the data folder.
func (s *server) files(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.data(), folder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// same compares two long texts, and shows where they part.
func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	around := func(b []byte) []byte { return b[max(0, min(i, len(b))-20):min(len(b), i+40)] }
	t.Errorf("%s: %d bytes, want %d; they part at %d: %q, want %q", what, len(got), len(want), i, around(got), around(want))
}
