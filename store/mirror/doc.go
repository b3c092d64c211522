// Package mirror keeps a directory of this machine, a volume or a folder, and the copy that a task elsewhere has of it alike:
// at the times at which it is told to, changes travel as tars of OCI layers, both ways, with what was removed, modes, owners
// and times.
//
// It is no file system that is shared: between two such times neither side sees what the other one writes. What both have
// changed is the copy's afterwards, and whoever asked is told of it.
//
// Start at Mirror. What always holds: the directory is compared with how it was, and nobody needs to say what he has changed in it; what the copy
// has sent counts as sent only when it is in the directory and that is written down; the copy of a directory that may only be read changes nothing here.
package mirror
