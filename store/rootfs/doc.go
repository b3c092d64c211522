// Package rootfs is the file tree that a container sees: image layers under a private upper tree, host directories and
// memory file systems mounted into it, and the one place where a path is resolved.
//
// It is not an extraction of an image onto the host: a guest's path never becomes a host's path. Contents of changed
// files are kept in host files named by inode number, everything else in memory and in a journal.
//
// Start at View (a process's sight of a tree), then Tree (the mounts), then Node and FS (what a file system implements),
// then Overlay. What two machines with the same tree do: Overlay.Delta and View.ApplyLayer send changes to and fro,
// Overlay.Transfer goes over to the other one's files for good.
//
// What always holds: symbolic links and ".." are resolved by View alone, against the tree; every error carries a
// syscall.Errno; an Overlay that was not written to has nothing on disk; what the journal holds and what memory holds are
// the same, since replay and operation go through one function; between what a Transfer has sent and the move no change is
// made; locks are taken in the order Overlay.freeze, content.writing, Overlay.mu.
package rootfs
