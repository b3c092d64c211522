// Package dockerapi is the Docker Engine API: it decodes what a client asks, calls the engine, and encodes what the engine
// says, as dockerd 28 would (API 1.24 to 1.51).
//
// It has no container logic, and keeps no state. It is not complete: what is not implemented answers 501 and says why.
//
// Start at routes.go, the table of all endpoints: searching for a path leads to its handler. api.go shows what happens to a
// request before and after its handler; compat.go has what older clients get that newer ones don't; errors.go turns an
// error's class into a status. Each other file is named after what a user calls the thing. HTTP itself is in
// [github.com/sockerless/sockerless/dockerapi/transport].
//
// What always holds: a handler is thin, and hands its request's context to the engine; errors get their status in one place;
// nothing that a client sent is ignored where that would change the result.
package dockerapi
