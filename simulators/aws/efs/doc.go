// Package efs is the Elastic File System. A file system is a folder of this machine, which tasks mount where [EFS.Mount] says: there has
// to be a mount target in their network, which is an interface in a subnet, and its security groups let them in. The user that an
// access point has is a record only.
package efs
