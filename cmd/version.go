package cmd

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"strings"
)

// Version is the release; `make build` sets it.
var Version = "0.1.0-dev"

// commit is the version-control revision that the binary was built from, as the Go linker recorded it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	return revision + dirty
}

// build tells two binaries apart, even two of one commit: a cell of another build takes no new containers.
func build(executable string) (string, error) {
	info, err := os.Stat(executable)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s %x-%x", Version, commit(), info.Size(), info.ModTime().UnixNano()), nil
}

func version(_ context.Context, s streams, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	_, err := fmt.Fprintf(s.out, "sockerless %s\ncommit:  %s\ngo:      %s\nos/arch: %s/%s\n",
		Version, commit(), strings.TrimPrefix(goruntime.Version(), "go"), goruntime.GOOS, goruntime.GOARCH)
	return err
}
