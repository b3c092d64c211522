package wasi

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// detach lets a cell outlive the server and its console: it has a process group of its own and no console.
func detach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

// askToEnd does nothing: Windows has no signals, and a cell without a server and containers ends by itself.
func askToEnd(*os.Process) {}
