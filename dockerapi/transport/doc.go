// Package transport is HTTP for the Docker API: it accepts connections, reads requests, writes answers, and turns a
// connection into a stream or into a raw pipe. It is the only package that imports fasthttp.
//
// It is not a router, and it knows no endpoint of Docker: a [Handler] gets every request, and [Config.Error] says how an
// error is answered. Handlers see [Request] and [Response] only, so another HTTP server could take fasthttp's place here.
//
// Start at server.go ([Server], what happens to one request). Then listener.go mends what clients get wrong before fasthttp
// sees it, body.go reads what clients send, response.go answers at once, stream.go answers for as long as it takes, and
// hijack.go gives the connection away. origin.go keeps web pages out of a plain TCP port.
//
// What always holds:
//   - A body that ends early is io.ErrUnexpectedEOF, never a clean end: a cut-off upload cannot look whole.
//   - No body is read further than the limit that its reader named.
//   - A stream's or hijacked connection's context ends when the server shuts down, a stream's also when its client goes away.
//   - Writing a stream blocks when the client does not read: nothing piles up in memory.
//   - Nothing of fasthttp's pooled memory outlives the handler: strings are copied where they cross this border.
//   - Every goroutine here is joined: by the end of its request, or by [Server.Shutdown].
package transport
