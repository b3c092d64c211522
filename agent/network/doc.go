// Package network carries the connections of an agent's containers over one stream of bytes between the agent and the
// server: rpc Network of package agent. Both ends speak yamux over it, and each stream of yamux is one connection or one
// question.
//
// The agent's end is an [Agent]: it lives as long as the agent and serves one stream after the other, as servers come and
// go. It is the [Outgoing] of the agent's containers: they dial and resolve names by it, and what is where is for the
// server to know. What comes in from the server goes to the [Incoming] that the agent was made with. The server's end is a
// [Server], one per stream: the mirror image, an Incoming whose requests go to the Outgoing that it was made with.
//
// A stream begins with a [request] and its [response], each a JSON object behind its length in four bytes, the highest
// first. Behind an answer without an error come the bytes of the connection; those of "udp" are datagrams, each behind its
// length in two bytes. [DNS] answers the questions of programs from an Outgoing.
//
// It does not know networks: which container may reach which one, and under what name, is package runtime's. It has no
// sockets and no namespaces: those of a container are the host's.
//
// Start reading in network.go for what hosts and the server call, in session.go for what goes over the wire, in conn.go for
// how a connection ends.
//
// What always holds: each direction of a connection ends by itself, what ends before its time is a reset and never a clean
// end, one slow connection does not hold up another, and nothing that a session started outlives its Close.
package network
