// Package table keeps records of one kind in the simulator's state, as JSON by a key.
package table
