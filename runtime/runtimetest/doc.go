// Package runtimetest is the suite that every backend of package runtime passes, and a fake backend that passes it.
//
// It is not a test of the sandbox's programs: its containers run sh, true, cat, sleep and echo and nothing else.
//
// Start reading at [Run], then [Fake]. What always holds: a test waits for what it needs, by an event or by output,
// and never for a time; an engine is closed before the next one opens the same folder.
package runtimetest
