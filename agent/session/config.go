package session

import (
	"fmt"
	"math/bits"
	"time"
)

// Config are the settings of a session, for each side by itself. A value of 0 is the default.
type Config struct {
	// Window is how many bytes are kept for each direction: those that the peer has not read yet, and those that came and
	// that were not read here. It is a power of two, 64 KiB to 1 GiB; 4 MiB. Memory is taken when there is something to
	// keep. A stream carries at most the smaller of both sides' windows in a round trip.
	Window int
	// Timeout is how long the peer may be away; 2 minutes.
	Timeout time.Duration
	// Heartbeat is after what time without a word one is said; after three without a word from the peer the raw
	// connection counts as broken; 10 seconds.
	Heartbeat time.Duration
	// Linger is how long after Close what was written before is still being delivered, in the background; 10 seconds.
	Linger time.Duration
}

const (
	minWindow = 64 << 10
	maxWindow = 1 << 30
)

func (c Config) withDefaults() Config {
	if c.Window == 0 {
		c.Window = 4 << 20
	}
	c.Window = min(max(c.Window, minWindow), maxWindow)
	c.Window = 1 << bits.Len(uint(c.Window-1))
	for _, d := range []struct {
		value  *time.Duration
		normal time.Duration
	}{{&c.Timeout, 2 * time.Minute}, {&c.Heartbeat, 10 * time.Second}, {&c.Linger, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.normal
		}
	}
	return c
}

// handshakeTimeout is how long the peer may take to greet on a new raw connection.
const handshakeTimeout = 10 * time.Second

// LostError ends a session whose peer stayed away for too long, or that the peer does not know any more. It is of the
// class errdefs.ErrUnavailable, and a net.Error.
type LostError struct {
	Away  time.Duration // 0 if the peer has said that the session is over
	Cause error         // why the last attempt to reach the peer failed; nil on the side that waits to be reached
}

func (e *LostError) Error() string {
	switch {
	case e.Away == 0:
		return fmt.Sprintf("session lost: %v", e.Cause)
	case e.Cause == nil:
		return fmt.Sprintf("session lost: the peer has not come back for %v", e.Away)
	default:
		return fmt.Sprintf("session lost: the peer could not be reached for %v: %v", e.Away, e.Cause)
	}
}

func (e *LostError) Unwrap() error { return e.Cause }

// Unavailable is the error's class, as errdefs asks for it.
func (e *LostError) Unavailable() {}

// Timeout is whether the peer was away for too long.
func (e *LostError) Timeout() bool { return e.Away > 0 }

// Temporary is false: the session is over.
func (e *LostError) Temporary() bool { return false }
