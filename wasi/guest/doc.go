// Package guest runs WebAssembly modules as processes of the sandbox's kernel, in wazero: programs for WASI preview 1,
// with the process's files, standard streams, arguments and environment.
//
// It is not a component-model host, and knows no sockets and threads. Preview 1 has no working directory: a guest gets
// it in PWD, which Go's and newer C libraries' programs start from; others see the root.
//
// Start reading in main.go. What always holds: a guest sees nothing of the host but through its process; it ends when
// its process is killed, in a loop, in a read and in a sleep; its memory is accounted to its container.
package guest
