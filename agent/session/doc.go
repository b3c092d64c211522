// Package session is a reliable stream of bytes over connections that break.
//
// A [Dialer] makes a net.Conn whose other end comes out of a [Listener]. Beneath it is one raw connection at a time; when
// that breaks, the dialing side makes another one and both go on where the other's memory ends: nothing is lost, nothing
// comes twice, the order stays. What is written and has not yet been read by the peer's user is kept, up to
// [Config.Window], beyond which Write waits: the replay buffer and the flow control are the same thing.
//
// It is not a transport (package agent/reach gives the raw connections), it encrypts nothing and proves to nobody who
// the peer is: raw connections come over TLS or a unix socket. It does not survive its process: a peer that was
// restarted does not know the session, and the Conn fails with that reason.
//
// Start reading in frame.go for what goes over the wire, then conn.go (the stream), link.go (one raw connection of it),
// dialer.go and listener.go (how it gets the next one).
//
// What always holds: a byte is read once, in its place; a resume needs the session's secret; neither side keeps more
// than its Window in each direction; a peer that is away for longer than Config.Timeout ends the session with a
// [LostError].
package session
