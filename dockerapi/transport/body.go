package transport

import (
	"fmt"
	"io"
)

// TooLargeError is the error of a body beyond the limit of its reader. It is answered with 413.
type TooLargeError struct {
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the request's body is larger than %d bytes", e.Limit)
}

// ContentLength is the length of the body as the client announced it, -1 for a chunked body, 0 for none.
func (r *Request) ContentLength() int64 {
	n := int64(r.http.Request.Header.ContentLength())
	if n < -1 { // fasthttp's "identity": no body in a request
		return 0
	}
	return n
}

// Body reads what the client sends, up to limit bytes (0: no limit). Reading past the limit gives a *[TooLargeError], a body
// that ends before its announced length io.ErrUnexpectedEOF.
func (r *Request) Body(limit int64) io.Reader {
	if r.body == nil {
		r.body = &bodyReader{stream: r.http.RequestBodyStream(), left: r.ContentLength()}
		if r.body.stream == nil {
			r.body.left = 0
		}
	}
	r.body.limit = limit
	return r.body
}

// bodyReader notices truncation: fasthttp ends a body that was cut off with a plain io.EOF when its length was announced.
type bodyReader struct {
	stream io.Reader
	left   int64 // bytes that are still to come; -1: not known
	limit  int64
	read   int64
	err    error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 || b.stream == nil {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.limit > 0 {
		if b.read > b.limit {
			return 0, b.fail(&TooLargeError{b.limit})
		}
		if room := b.limit - b.read + 1; int64(len(p)) > room {
			p = p[:room]
		}
	}
	n, err := b.stream.Read(p)
	b.read += int64(n)
	if b.left > 0 {
		b.left -= int64(n)
		if err == io.EOF && b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if b.limit > 0 && b.read > b.limit {
		return 0, b.fail(&TooLargeError{b.limit})
	}
	if err != nil {
		b.fail(err)
	}
	return n, err
}

func (b *bodyReader) fail(err error) error {
	b.err = err
	return err
}
