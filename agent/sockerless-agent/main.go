// Command sockerless-agent is the agent of a native container, as a small binary of its own: it is put into the container
// and becomes its first process. All that it does is package agent/inside; the big binary has the same as a hidden command.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/sockerless/sockerless/agent/inside"
)

// version is set when a release is built.
var version = "development"

func main() {
	if err := inside.Command(context.Background(), os.Args[1:], version, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sockerless-agent:", err)
		os.Exit(1)
	}
}
