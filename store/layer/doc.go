// Package layer keeps image layers without extracting them: each is one uncompressed tar and an index from names to
// positions in it, so that owners, modes, links, devices and extended attributes are exact on any host, and a container
// needs no copy.
//
// It does not know registries, compression or images, and does not stack layers: that is package rootfs.
//
// Start at Store.Import, which reads a tar once, and Layer, which answers from the index.
//
// What always holds: a layer's directory has its final name only when it is whole and on the disk; no name in an index
// leaves the layer's root; an index is never changed.
//
// On the disk a layer is <store>/<hex of the diff id>/layer.tar, byte for byte what was imported, and index: a header,
// records of fixed size in which the children of a directory are adjacent and sorted, strings, a CRC-32C.
package layer
