package transport

import (
	"io"

	"github.com/valyala/fasthttp"
)

// Response is the answer to one request: exactly one of Send, Stream and Hijack makes it, before the handler returns.
type Response struct {
	server  *Server
	http    *fasthttp.RequestCtx
	request *Request
	extra   []Header
	taken   bool // by a stream
}

// SetHeader adds a line to the head. The name must be in its canonical form, the value free of line breaks.
func (w *Response) SetHeader(name, value string) {
	w.extra = append(w.extra, Header{name, value})
}

// Send answers with a body, which must not change any more; a nil body and no content type for an answer that has none (201, 204, 304).
// To a HEAD request only the head is sent.
func (w *Response) Send(status int, contentType string, body []byte) {
	w.http.SetStatusCode(status)
	for _, h := range w.extra {
		w.http.Response.Header.Set(h.Name, h.Value)
	}
	if contentType != "" {
		w.http.Response.Header.SetContentType(contentType)
	}
	w.http.Response.SetBodyRaw(body)
	if w.http.IsHead() { // fasthttp would leave out a 0
		w.http.Response.Header.SetContentLength(len(body))
	}
}

// fail answers an error, in place of whatever the handler has prepared.
func (w *Response) fail(err error) {
	if w.taken {
		w.http.Hijack(nil)
		w.taken = false
	}
	status, contentType, body := w.server.config.Error(err)
	w.http.Response.ResetBody()
	w.Send(status, contentType, body)
	if b := w.request.body; b != nil && b.err != nil {
		w.http.SetConnectionClose() // where the next request begins is not known
		// A client that is still sending would find the connection broken, and never see why.
		io.CopyN(io.Discard, b.stream, maxDrain)
	}
}

// maxDrain is how much of a body that is too large is read and thrown away, so that its sender gets to the answer.
const maxDrain = 16 << 20
