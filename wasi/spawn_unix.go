//go:build unix

package wasi

import (
	"os"
	"os/exec"
	"syscall"
)

// detach lets a cell outlive the server and its terminal: it has a session of its own.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// askToEnd tells a cell that its server leaves; it ends now if it has no running containers.
func askToEnd(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }
