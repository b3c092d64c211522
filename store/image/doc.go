// Package image keeps images: references, configurations, and which layers they are made of. It pulls them from
// registries and pushes them there, reads and writes archives of them, makes them of layers, and makes the one that needs
// nothing, sockerless/base.
//
// It does not know containers: who uses an image is told by the caller that deletes one. Layers themselves, tar and
// index, are in store/layer; downloads in progress in store/content.
//
// Start reading at [Store]; pull.go is a pull from its reference to its last progress line, registry.go how a registry
// is reached, delete.go what Docker removes when; archive.go is what an archive looks like, hold.go what keeps a layer.
//
// What always holds: an image is visible only when all of its layers are there; a layer is removed only when no image,
// no holding (a pull, a push, a load) and no container's image has it; texts of errors and progress are dockerd's, since clients read them.
package image
