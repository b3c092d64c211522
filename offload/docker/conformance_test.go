//go:build oracle

package docker_test

import (
	"testing"

	"github.com/sockerless/sockerless/runtime/runtimetest"
)

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, dataDir string) runtimetest.Machine { return newMachine(t, dataDir) })
}
