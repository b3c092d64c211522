package session

// ring is a window of a stream of bytes: those from offset start up to offset end. Its memory is a power of two of
// bytes, which grows with what it holds.
type ring struct {
	buf        []byte
	start, end uint64
}

func (r *ring) len() int { return int(r.end - r.start) }

// reserve makes room for up to n bytes behind the end, where the ring may hold limit, a power of two, and returns the
// contiguous part of it. It is empty when the ring is full.
func (r *ring) reserve(n, limit int) []byte {
	n = min(n, limit-r.len())
	if need := r.len() + n; need > len(r.buf) {
		size := max(len(r.buf), min(limit, 16<<10))
		for size < need {
			size *= 2
		}
		grown := make([]byte, size)
		a, b := r.span(r.start, r.len())
		at := int(r.start) & (size - 1)
		copied := copy(grown[at:], a)
		rest := a[copied:]
		copy(grown, rest)
		at = (at + len(a)) & (size - 1)
		copied = copy(grown[at:], b)
		copy(grown, b[copied:])
		r.buf = grown
	}
	a, _ := r.span(r.end, n)
	return a
}

// span are the n bytes at an offset, in at most two pieces.
func (r *ring) span(offset uint64, n int) (a, b []byte) {
	if n == 0 {
		return nil, nil
	}
	at := int(offset & uint64(len(r.buf)-1))
	if at+n <= len(r.buf) {
		return r.buf[at : at+n], nil
	}
	return r.buf[at:], r.buf[:at+n-len(r.buf)]
}

// release gives the memory back, if there is nothing in it.
func (r *ring) release() {
	if r.start == r.end {
		r.buf = nil
	}
}
