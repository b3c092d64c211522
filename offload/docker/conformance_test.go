//go:build oracle

package docker_test

import (
	"testing"

	"github.com/sockerless/sockerless/runtime/runtimetest"
)

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, dataDir string) runtimetest.Machine { return newMachine(t, dataDir) })
}

// TestConformanceElsewhere runs the suite again on an engine that sees nothing of this machine.
func TestConformanceElsewhere(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, dataDir string) runtimetest.Machine {
		m := newMachine(t, dataDir)
		m.settings.SameMachine = new(bool)
		return m
	})
}
