// Package calls is what was asked of a simulated cloud: the last calls in memory, for a page and for tests.
package calls
