// Package runtime is the engine: containers with their states, execs, logs, events, volumes, and what happens to them
// when the server is killed and started again. Its methods are those of Docker's API, with Docker's types, texts and
// error classes (github.com/containerd/errdefs).
//
// It is not HTTP (that is package dockerapi) and it runs nothing itself: a [Backend] gives it agents, and everything
// that runs is behind one. It does not know what a sandbox or a cloud is.
//
// Start reading at [Engine] in engine.go, then container.go (what is kept of a container, in memory and in the state),
// then start.go and exit.go: the life of a run. recover.go is the same life after a kill of the server.
//
// What always holds: what a client was told is in the state store before the answer; an exit is acknowledged to its
// agent after it is stored; no lock is held over a call to a client; an idle container has no goroutine.
package runtime
