// Package unpacked is a cache of images as directories of the host: the merged files of a stack of layers, unpacked once,
// for native containers on this machine.
//
// It is not what the sandbox or anything else reads images from, which is store/rootfs; and nothing may ever write to its
// directories.
//
// Start at Store.Directory, then unpack.go.
//
// What always holds: a directory appears under its name only when it is whole; a file is made by its name in a directory
// that is held open, so that no path of an image leads out of it; a directory that is in use is not removed.
//
// As root owners, devices and all extended attributes are the image's. As an ordinary user every file is the user's own
// and there are no devices, nor attributes that only root may set. Attributes of overlayfs are left out, since a container's
// overlay would obey them. Directories are private to the server's user, for set-user-id programs are among the files.
package unpacked
