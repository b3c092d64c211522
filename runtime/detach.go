package runtime

import (
	"errors"
	"io"
	"strings"
)

// errDetach ends a reader of standard input in which the detach keys were typed.
var errDetach = errors.New("read escape sequence")

// defaultDetachKeys are ctrl-p,ctrl-q.
var defaultDetachKeys = []byte{16, 17}

// parseDetachKeys reads keys as docker's --detach-keys has them: single characters or ctrl-X, separated by commas.
func parseDetachKeys(s string) ([]byte, error) {
	if s == "" {
		return defaultDetachKeys, nil
	}
	var keys []byte
	for _, key := range strings.Split(s, ",") {
		ctrl, isCtrl := strings.CutPrefix(key, "ctrl-")
		switch {
		case len(key) == 1:
			keys = append(keys, key[0])
		case isCtrl && len(ctrl) == 1 && ctrl[0] >= 'a' && ctrl[0] <= 'z':
			keys = append(keys, ctrl[0]-'a'+1)
		case isCtrl && len(ctrl) == 1 && strings.Contains(`@[\]^_`, ctrl):
			keys = append(keys, map[byte]byte{'@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, '_': 31}[ctrl[0]])
		default:
			return nil, invalid("Invalid detach keys (%s) provided", s)
		}
	}
	return keys, nil
}

// detachReader takes the detach keys out of what is typed. Keys that turn out to begin no sequence are passed on.
type detachReader struct {
	from  io.Reader
	keys  []byte
	typed int    // keys of the sequence that were read last
	rest  []byte // read, not passed on yet
	err   error
}

func (r *detachReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		buf := make([]byte, len(p))
		n, err := r.from.Read(buf)
		r.err = err
		r.scan(buf[:n])
		if err != nil && !errors.Is(r.err, errDetach) { // an unfinished sequence at the end is input
			r.rest = append(r.rest, r.keys[:r.typed]...)
			r.typed = 0
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *detachReader) scan(in []byte) {
	for _, b := range in {
		if b == r.keys[r.typed] {
			if r.typed++; r.typed == len(r.keys) {
				r.err = errDetach
				return
			}
			continue
		}
		r.rest = append(r.rest, r.keys[:r.typed]...)
		if r.typed = 0; b == r.keys[0] {
			r.typed = 1
			continue
		}
		r.rest = append(r.rest, b)
	}
}
