package cmd

import (
	"context"
	"errors"
	"os"

	"github.com/moby/moby/client"
	"golang.org/x/term"
)

// rawTerminal gives every key to the container until restore is called.
func rawTerminal() (restore func(), err error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil, errors.New("the input device is not a TTY: run without -t")
	}
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(fd, state) }, nil
}

// resizeTerminal tells the container the size of the terminal, now and whenever it changes.
func resizeTerminal(ctx context.Context, docker *client.Client, id string) {
	changed, stop := terminalChanges()
	defer stop()
	for {
		if columns, rows, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
			// Only the look suffers if this fails, as it does for a container that has just ended.
			_, _ = docker.ContainerResize(ctx, id, client.ContainerResizeOptions{Height: uint(rows), Width: uint(columns)})
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
