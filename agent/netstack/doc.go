// Package netstack is the network of a native container: it ends the connections that programs make in the container's
// network namespace, and hands each to a [network.Outgoing], which carries it to the server; and it makes connections into the
// namespace.
//
// The namespace has no wire to anywhere. [Setup] gives it a TUN device named eth0, with the container's addresses and
// routes; every packet that leaves through it is read by a TCP/IP stack in this process, which answers in the name of
// whatever address the packet is for. A name server on 127.0.0.11 answers with what the server knows.
//
// It is not the protocol to the server (agent/network) and decides nothing: who may reach whom, what a name stands for
// and which port is published is the server's to say. IPv6 is not carried: a container has no IPv6 route, so that a
// connect fails at once.
//
// Start reading in stack_linux.go; device_linux.go is what runs before the container's capabilities are dropped,
// link_linux.go reads and writes packets, and tcp_linux.go, udp_linux.go, echo_linux.go are the protocols.
//
// What always holds: a connection is accepted only once the other side has accepted it, so that a refusal is a refusal
// and an unreachable host is unreachable; no goroutine is left after Close.
package netstack
