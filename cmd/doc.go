// Package cmd is the command line: flags, configuration, and the wiring of the other packages into one process.
//
// Nothing else happens here: what a server does is in package runtime, how it is asked in package dockerapi.
// Start reading at main.go (the subcommands), then serve.go (the wiring). What always holds: a flag wins over
// its SOCKERLESS_ variable, the variable over the configuration file, the file over the default.
package cmd
