// Package inside is the agent that lives in a native container: it implements [agent.Host] with real Linux processes and
// the real files of the one container that it is the first process of, and [Run] serves that.
//
// It is not a container runtime: namespaces, mounts, limits and capabilities are made before it starts, by whoever made
// the container (package offload/native on this machine, another engine, a cloud). It does not know why the container is
// there, and it knows no backend. The same code is the command sockerless-agent and a hidden command of the big binary.
//
// Start reading in host_linux.go for what there is, in start_linux.go for how a process comes to be, in
// children_linux.go for who waits for which process, in walk_linux.go for how a path is resolved, and in
// snapshot_linux.go for how changes are found.
//
// What always holds: no other part of the process may wait for children or start them by os/exec, since the orphans of the
// container are this process's children too; a process's output is all delivered before its end is told; when the first
// process has ended, no other one is left; the agent's own folder, /.sockerless, is not among the container's files; no
// path is looked up twice: what is written to is held open, so that a link which is swapped meanwhile leads nowhere else.
package inside
