package wasi

import (
	"github.com/sockerless/sockerless/wasi/kernel"
	"github.com/sockerless/sockerless/wasi/shell"
)

// shellProgram is sh, bash, ash and dash.
func shellProgram(p *kernel.Process) int { return shell.Main(p) }
