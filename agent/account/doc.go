// Package account finds the user and the groups that a container's process runs as, in the container's own /etc/passwd and
// /etc/group.
//
// It reads these two files by a function that it is given, so that it serves both kinds of container: one whose files are
// virtual (package wasi) and one whose files are real (package agent/inside). It never asks the host's own user database,
// and changes no process: that is the caller's.
//
// Start reading at Lookup. What always holds: the rules and the words of the errors are Docker's; an image without the
// files has no names, but numbers work.
package account
