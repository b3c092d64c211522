// Package faults is what goes wrong in a simulated cloud, and when: always, by a rate with a seed, or for the next few calls.
//
// A rule names a kind; what a kind does is the business of whoever asks for it. Start reading in faults.go. What always holds: the
// same rules, seed and calls give the same faults.
package faults
