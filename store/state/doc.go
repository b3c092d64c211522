// Package state keeps the engine's records: small values under string keys, written in atomic batches that survive a
// kill -9 once they were acknowledged.
//
// It is not a place for logs, layers or anything that grows with a container's output: a memory-mapped database dies
// of SIGBUS on a full disk where a plain file merely reports ENOSPC.
//
// Start reading at [Store], then writer.go (how concurrent updates become one transaction) and space.go (why an update
// may be refused before it is tried).
//
// What always holds: badger is imported by this package only; all writes go through one goroutine; a batch is applied
// whole or not at all; a batch that was refused with [ErrNoSpace] changed nothing.
package state
