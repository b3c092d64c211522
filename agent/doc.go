// Package agent is the protocol between the server and whatever runs containers, with both of its ends.
//
// The Server wraps a Host, the thing that has processes and files (a cell of the sandbox, package wasi;
// or the agent inside a native container, agent/inside), and adds what all hosts share: attached streams with back-pressure,
// a spool of output that a reader resumes by offset, exits that are kept until the server acknowledged them.
// The Client is the server's end. It does not know what a container is for: that is package runtime.
//
// Start reading at agentpb/agent.proto, then host.go. What always holds: the last output of a process
// is sent before its exit, and no output is dropped to make a fast writer fit a slow reader.
package agent
