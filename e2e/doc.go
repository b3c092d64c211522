// Package e2e tests the built binary with real, unmodified clients: the docker CLI in scripts (testdata/*.txtar),
// Docker's Go client, and real shells and tools as oracles for what ran in the sandbox.
//
// It has tests only, and knows the product by its command line and its socket. Start reading at e2e_test.go. What
// always holds: every script has a server, a socket and a folder of its own, and nothing that it starts outlives it.
package e2e
