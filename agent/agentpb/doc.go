// Package agentpb is the wire form of the agent protocol, generated from agent.proto by `go generate`.
//
// It is not the place for behaviour: package agent has the server and the client. Start reading at agent.proto.
package agentpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative agent.proto
