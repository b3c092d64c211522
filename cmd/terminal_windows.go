package cmd

import "os"

// terminalChanges never sends: Windows has no signal for a changed window.
func terminalChanges() (changed <-chan os.Signal, stop func()) {
	return make(chan os.Signal), func() {}
}
