//go:build !linux

package runtime

// What docker info says of a Linux machine is not known elsewhere, or not without more than it is worth.

func kernelVersion() string { return "" }

func totalMemory() int64 { return 0 }

func openFiles() int { return 0 }

func osRelease() map[string]string { return nil }
