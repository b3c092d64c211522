// Package prepare makes an image of the server one that a cloud runs: with the agent as a layer of its own and as the entry point, in
// a registry of that cloud. What an image becomes is named by what it is made of, so that it is sent once, and a layer that the
// registry has is not sent again.
package prepare
