// Package registry is the data plane of a simulated registry: the OCI distribution API of go-containerregistry, with blobs in files
// and manifests in the simulator's state, so that a restart keeps them.
package registry
