// Package builtins holds the commands of the sandbox: ls, cp, tar, find, ps and their like, written in Go over a
// container's file tree. One file holds one command, or one family that shares its code, and is named after it.
//
// It is not a shell and knows none: what only a shell can do (cd, export, jobs) is in wasi/shell. It is not a kernel
// either: processes, signals and terminals are reached through the small [System] interface, which the kernel
// implements.
//
// Start reading in builtin.go: [Process] is all that a command sees of the world, [Lookup] finds a command. Options are
// parsed in options.go, names are quoted for messages in quote.go.
//
// What always holds: a command touches no file, variable or clock of the host but through its Process; what it prints
// equals GNU's output byte for byte in the C locale where Debian's tools are the oracle (the tests run both); an option
// that is not implemented is an error and never ignored when it would change the result; a command ends when its
// Context ends, since its reads fail then and its loops look at the Context.
package builtins
