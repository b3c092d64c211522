package wasi_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/wasi"
)

// cellsMachine is this machine, with the cells whose sockets are in dir.
type cellsMachine struct {
	t   *testing.T
	dir string
}

func (m cellsMachine) Backend(t *testing.T) runtime.Backend {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return wasi.NewSandbox(wasi.SandboxConfig{
		Executable: self, RuntimeDir: m.dir, Env: []string{"TEST_CELL_VERSION=v"}, Version: "v", Server: "s"})
}

// Crash kills the cells, found by their command lines.
func (m cellsMachine) Crash() {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		m.t.Fatal(err)
	}
	for _, entry := range entries {
		command, err := os.ReadFile(entry)
		if err != nil || !bytes.Contains(command, []byte("\x00cell\x00--socket\x00"+m.dir)) {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(entry, "/")[2])
		if err != nil {
			m.t.Fatal(err)
		}
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill() // gone meanwhile is as good
		}
	}
}

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, _ string) runtimetest.Machine {
		dir, err := os.MkdirTemp("", "cells") // short: sockets live in it
		if err != nil {
			t.Fatal(err)
		}
		m := cellsMachine{t, dir}
		t.Cleanup(func() {
			m.Crash()
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		return m
	})
}
