// Package wasi is the sandbox: containers whose processes run inside one ordinary process of this machine, without
// root and without namespaces.
//
// It has two halves. A [Cell] is that process: it implements [agent.Host], so that the server reaches its containers
// through the agent's protocol, and [RunCell] serves it. A [Sandbox] is the backend in the server: it starts cells,
// finds those again that an earlier server left behind, and notices when one dies.
//
// It is neither the kernel of a container (wasi/kernel), nor the shell (wasi/shell), nor the commands (builtins), nor
// the machine for WebAssembly (wasi/guest): it decides which of them runs a container's command, in resolve.go.
//
// Start reading in cell.go for what a cell does, in sandbox.go for how the server gets one.
//
// What always holds: a command that cannot run here fails with a reason and is never pretended to have run; a cell
// outlives its server, and ends by itself when it has neither containers nor a server.
package wasi
