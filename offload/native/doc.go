// Package native runs one program as the first process of a container in Linux namespaces on this machine: over an
// image's directory, with its own mounts, processes, host name, IPC objects and network, with Docker's capabilities,
// seccomp filter and limits.
//
// It knows neither images nor Docker's API nor the agent: it gets a directory and a program. It is no daemon either: a
// container outlives who started it, and is found again by its folder.
//
// How a start goes: Start (start_linux.go) forks this very binary into new namespaces, writes down which process that is,
// and sends it its orders through a pipe. There Init (init_linux.go) makes the root (root_linux.go), mounts
// (mount_linux.go, system_linux.go), drops its privileges (capability_linux.go, seccomp_linux.go) and becomes the program.
//
// As root there is no user namespace. As an ordinary user there is one with a single mapping, the user to root: all files
// belong to root there, chown to anybody else and setuid, setgid and setgroups to anybody else fail with EINVAL or EPERM,
// files with another owner on the host belong to nobody, and devices cannot be made. Either way device files that a
// container makes cannot be opened (nodev), which stands in for Docker's device cgroup; privileged containers can as root.
//
// What always holds: no mount is ever made in the host's mount namespace, and all mounts of a container go with its last
// process; the image's directory is never written to; a path of an image is resolved within its root only; the process
// that a folder names is checked by its start time and the machine's boot, so that no other's is ever signalled; the
// program gets no descriptor but 0, 1, 2 and, where they were asked for, 3 and 4.
package native
