// Package reach makes raw connections between the server and an agent that is not on its machine.
//
// Forward: the server dials the agent, TCP with TLS 1.3 and certificates on both sides ([Authority], [Identity]).
// Reverse: the agent dials the server, a WebSocket over TLS, which passes proxies; the server opens streams over it
// ([Gate] on the server, [Reverse] in the agent). A [Relay] makes an agent that is reached in either way a unix socket
// on the server's machine.
//
// It knows nothing of the agent's protocol, which runs over these connections, nor does it repair those that break:
// package agent/session does.
//
// Start reading in forward.go, or in gate.go and token.go.
//
// What always holds: nothing is read from a peer that has not proved who it is; a certificate or token is good for one
// task and for a limited time; tokens and keys appear in no error and no log.
package reach
