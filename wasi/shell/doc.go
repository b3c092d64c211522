// Package shell is the sandbox's sh and bash: an interpreter and an expander of our own over mvdan.cc/sh's parser. It
// runs as a process of wasi/kernel, so that descriptors, pipes, children, signals and job control are the container's.
//
// It is not a parser, and it holds no utilities: ls, grep and their like are programs, found and spawned through the
// kernel. What runs without a process of its own are a shell's own builtins (cd, echo, printf, test, read, …).
//
// Start reading in main.go ([Main]), then shell.go (the state of one shell process), reader.go (commands are read and
// run one by one) and interp.go (the walk over the tree). Words become fields in expand.go, with one file for each kind
// of expansion. A builtin is a function in a builtin_*.go file, listed in builtin.go.
//
// What always holds: nothing outside this package knows how scripts are run, and no host path, process or pipe is ever
// touched. A subshell is a forked kernel process with a copy of the shell that shares nothing it could change. The syntax
// tree is never written to after parsing, since processes share it. Every loop passes the process's Gate, and a panic
// ends only the process that it happens in.
package shell
