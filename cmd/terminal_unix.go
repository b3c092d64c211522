//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// terminalChanges sends when the terminal's size has changed.
func terminalChanges() (changed <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c, func() { signal.Stop(c) }
}
