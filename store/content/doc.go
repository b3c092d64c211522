// Package content downloads blobs by digest: resumed where a transfer broke off, even across restarts, verified, and
// each only once however many callers want it at the same time.
//
// It is not a place where blobs stay. A layer is unpacked into the layer store, a configuration goes into the state;
// the downloaded file is removed when its last user closes it.
//
// Start reading at [Store.Fetch].
//
// What always holds: a file that a caller gets has the digest that it asked for; what is in the folder under a digest
// is a beginning of that blob, or is found out and removed at the end.
package content
