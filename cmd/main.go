package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// subcommand is one word behind `sockerless`.
type subcommand struct {
	name, usage, summary string
	hidden               bool
	run                  func(ctx context.Context, s streams, args []string) error
}

// streams are the process's own, so that tests can have others.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func subcommands() []subcommand {
	return []subcommand{
		{name: "serve", usage: "serve [OPTIONS]", summary: "answer the Docker Engine API", run: serve},
		{name: "run", usage: "run [OPTIONS] IMAGE [COMMAND] [ARG...]", summary: "run one container and pass on its exit code", run: runContainer},
		{name: "policy", usage: policyUsage, summary: "say where a container would run, and why", run: policyCommand},
		{name: "backend", usage: backendUsage, summary: "look whether a backend has all that it needs", run: backendCommand},
		{name: "sim", usage: "sim aws [OPTIONS]", summary: "simulate a cloud on this machine, with tasks that really run", run: cloud("sim")},
		{name: "version", usage: "version", summary: "print version, commit, Go, OS and architecture", run: version},
		{name: "cell", usage: "cell [OPTIONS]", hidden: true, run: cell},
		{name: "agent", usage: "agent [OPTIONS]", hidden: true, run: agentCommand},
		{name: "native-init", usage: "native-init", hidden: true, run: nativeInit},
	}
}

// exitError ends the process with the exit code of what ran, or with the one that a shell gives for why it did not.
type exitError struct {
	code int
	err  error // nil where the code says all
}

func (e exitError) Error() string { return fmt.Sprintf("exit code %d: %v", e.code, e.err) }

// usageError is a mistake in the command line.
type usageError struct{ error }

// Main runs the command line args and returns the process's exit code: 0, what the container returned, 125 where
// `run` failed before the container ran, 2 for a wrong command line, 1 for anything else.
func Main(args []string) int {
	ctx := context.Background()
	s := streams{os.Stdin, os.Stdout, os.Stderr}
	name, rest := "", args
	if len(args) > 0 {
		name, rest = args[0], args[1:]
	}
	for _, c := range subcommands() {
		if c.name != name {
			continue
		}
		err := c.run(ctx, s, rest)
		var exit exitError
		var usage usageError
		switch {
		case err == nil:
			return 0
		case errors.As(err, &exit):
			if exit.err != nil {
				fmt.Fprintf(s.err, "sockerless %s: %v\n", name, exit.err)
			}
			return exit.code
		case errors.Is(err, pflag.ErrHelp):
			return 0
		case errors.As(err, &usage):
			fmt.Fprintf(s.err, "sockerless %s: %v\nUsage: sockerless %s\n", name, err, c.usage)
			return 2
		}
		fmt.Fprintf(s.err, "sockerless %s: %v\n", name, err)
		if name == "run" {
			return 125
		}
		return 1
	}
	switch name {
	case "help", "--help", "-h":
		help(s.out)
		return 0
	case "--version", "-v":
		_ = version(ctx, s, nil)
		return 0
	case "":
		help(s.err)
	default:
		fmt.Fprintf(s.err, "sockerless: unknown command %q\n", name)
		help(s.err)
	}
	return 2
}

func help(w io.Writer) {
	fmt.Fprint(w, "Sockerless runs containers without a container engine.\n\nCommands:\n")
	for _, c := range subcommands() {
		if !c.hidden {
			fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
		}
	}
	fmt.Fprint(w, "\nsockerless COMMAND --help shows a command's options.\n")
}

// parse reads a command's flags; a mistake is a usageError.
func parse(flags *pflag.FlagSet, s streams, usage string, args []string) error {
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(s.out, "Usage: sockerless %s\n\n%s", usage, flags.FlagUsages())
		return err
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

// environment is the SOCKERLESS_ variable of a flag: --data-dir is SOCKERLESS_DATA_DIR.
func environment(flag string) string {
	return "SOCKERLESS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
