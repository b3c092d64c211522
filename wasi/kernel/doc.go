// Package kernel is the operating system of one container of the sandbox: a process table with signals, process
// groups and sessions, file descriptors, pipes, FIFOs, terminals, devices and /proc, all of it in memory.
//
// It runs no program by itself and touches nothing of the host: a [Program] is a Go function that the [Resolver] of the
// table finds behind a path, and files are those of a [rootfs.Tree]. It has no memory protection either: a Program is
// trusted to use only its [Process], and to give up when a call says [ErrKilled].
//
// Start reading at table.go and process.go; fork.go makes processes, kill.go and wait.go end them, file.go and
// descriptor.go are what they read and write, tty.go is the terminal.
//
// What always holds: every call that can block ends when the process is killed, and stands still while the process is
// stopped or the container is paused; a process that has ended holds no file; when process 1 has ended there is no
// other process left; a panic of a Program ends its process and nothing else.
package kernel
