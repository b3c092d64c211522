// Package local is the backend that runs tasks on this machine: native containers in Linux namespaces, as root or as an
// ordinary user, with no daemon and no image format of their own.
//
// It is a driver only: it turns a task into a container of package native, which does the work, over an image's files that
// package store/unpacked has unpacked. A container's folder has what the driver needs to find it again.
//
// Start reading in driver.go. What always holds: what a container changes is in its folder alone, and whether it runs is
// asked of the kernel, never remembered.
package local
