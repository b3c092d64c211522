//go:build !linux

package inside

// eraseVariable does nothing: an agent, and what its containers could see of it, is on Linux only.
func eraseVariable(string) error { return nil }
