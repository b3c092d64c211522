package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// cloudProgram is what speaks to clouds, beside this program: it has their SDKs, which this one does not carry.
const cloudProgram = "sockerless-cloud"

// cloud runs a subcommand of the program for clouds, with this one's streams and exit code.
func cloud(name string) func(ctx context.Context, s streams, args []string) error {
	return func(ctx context.Context, s streams, args []string) error {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		command := exec.CommandContext(ctx, filepath.Join(filepath.Dir(self), cloudProgram), append([]string{name}, args...)...)
		command.Stdin, command.Stdout, command.Stderr = s.in, s.out, s.err
		err = command.Run()
		var ended *exec.ExitError
		switch {
		case errors.As(err, &ended):
			return exitError{code: ended.ExitCode()}
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: `make build` puts %s beside this program", err, cloudProgram)
		}
		return err
	}
}
