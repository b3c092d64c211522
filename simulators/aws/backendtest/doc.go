// Package backendtest puts a backend of AWS on a simulator: its driver in a process of its own, agents that dial back to a gate, and an
// image from another registry. It is for the tests of drivers: each passes the suite of runtime/runtimetest with it.
package backendtest
