// Command sockerless is a container engine in one binary: it speaks the Docker Engine API and runs jobs in a sandbox.
package main

import (
	"os"

	"github.com/sockerless/sockerless/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:])) }
