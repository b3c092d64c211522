package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// cloudProgram is what speaks to clouds, beside this program: it has their SDKs, which this one does not carry.
const cloudProgram = "sockerless-cloud"

// cloud runs a subcommand of the program for clouds, which takes this one's place where the system can do that.
func cloud(name string) func(ctx context.Context, s streams, args []string) error {
	return func(ctx context.Context, s streams, args []string) error {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		program := filepath.Join(filepath.Dir(self), cloudProgram)
		args = append([]string{name}, args...)
		if runtime.GOOS != "windows" {
			err = syscall.Exec(program, append([]string{program}, args...), os.Environ())
		} else {
			command := exec.CommandContext(ctx, program+".exe", args...)
			command.Stdin, command.Stdout, command.Stderr = s.in, s.out, s.err
			err = command.Run()
		}
		var ended *exec.ExitError
		switch {
		case errors.As(err, &ended):
			return exitError{code: ended.ExitCode()}
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s: %w: `make build` puts it beside this program", program, err)
		}
		return err
	}
}
