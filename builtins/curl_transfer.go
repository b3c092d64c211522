package builtins

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// curlResult is what --write-out can tell.
type curlResult struct {
	begun       time.Time
	answer      *httpAnswer
	url, method string
	redirects   int
	size        int64
	err         error
	status      int
}

// transfer gets one URL, again after failures that pass if --retry says so, and returns the exit status.
func (c *curlCall) transfer(text, to string) int {
	begun := c.p.System.Now()
	wait := c.retryDelay
	if wait == 0 {
		wait = time.Second
	}
	for left := c.retries; ; left-- {
		r := c.attempt(text, to, left > 0)
		again, after := c.transient(r)
		if after < wait {
			after = wait
		}
		if left <= 0 || !again || c.retryMax > 0 && c.p.System.Now().Add(after).Sub(begun) > c.retryMax {
			return c.finish(r)
		}
		if !c.silent {
			what := fmt.Sprintf("HTTP error %d", statusOf(r))
			if r.err != nil {
				what = r.err.Error()
			}
			fmt.Fprintf(c.p.Stderr, "Warning: Problem: %s. Will retry in %v. %d retries left.\n", what, after, left)
		}
		if c.p.pause(after) != 0 {
			return c.finish(r)
		}
		if c.retryDelay == 0 {
			wait = min(2*wait, 10*time.Minute)
		}
	}
}

func statusOf(r *curlResult) int {
	if r.answer == nil {
		return 0
	}
	return r.answer.StatusCode
}

// transient says whether another attempt may succeed, and after which time the server wants it.
func (c *curlCall) transient(r *curlResult) (again bool, after time.Duration) {
	if r.answer != nil {
		if n, err := strconv.Atoi(r.answer.Header.Get("Retry-After")); err == nil && n > 0 {
			after = time.Duration(n) * time.Second
		}
	}
	switch {
	case c.p.Context.Err() != nil || r.status == 23 || r.status == 3:
		return false, 0
	case c.retryAll && r.err != nil:
		return true, after
	case r.status == 28 || r.status == 6 || r.status == 5:
		return true, after
	case r.status == 7:
		return c.retryRefused, after
	}
	return slices.Contains([]int{408, 429, 500, 502, 503, 504}, statusOf(r)), after
}

// finish reports the end of a transfer.
func (c *curlCall) finish(r *curlResult) int {
	if c.writeOut != "" {
		c.out.WriteString(c.written(r))
	}
	if r.err != nil && (!c.silent || c.showError) && c.p.Context.Err() == nil {
		c.out.Flush()
		c.p.Errorf("(%d) %s", r.status, r.err)
	}
	return r.status
}

// attempt gets a URL with all its redirections. With retried set an answer that is to be tried again is not written.
func (c *curlCall) attempt(text, to string, retried bool) *curlResult {
	r := &curlResult{begun: c.p.System.Now(), url: text}
	ctx, cancel := c.p.Context, context.CancelFunc(func() {})
	if c.maxTime > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.maxTime)
	}
	defer cancel()
	if err := c.get(ctx, r, to, retried); err != nil {
		r.err = err
		var known *curlError
		if !errors.As(err, &known) {
			known = c.explain(ctx, r, err)
			r.err = known
		}
		r.status = known.status
	}
	return r
}

func (c *curlCall) get(ctx context.Context, r *curlResult, to string, retried bool) error {
	u, body, err := c.target(r.url)
	if err != nil {
		return err
	}
	r.method = c.method
	switch {
	case r.method != "":
	case c.upload != "":
		r.method = http.MethodPut
	case body != nil:
		r.method = http.MethodPost
	default:
		r.method = http.MethodGet
	}
	if to == "" {
		if to = path.Base(u.Path); to == "/" || to == "." {
			return curlFailure(23, "Remote file name has no length")
		}
	}
	first := u
	var dumped []byte
	for {
		if !slices.Contains(c.schemes, u.Scheme) || u.Scheme != "http" && u.Scheme != "https" {
			return curlFailure(1, "Protocol %s not supported or disabled", quote(u.Scheme))
		}
		if u.Hostname() == "" {
			return curlFailure(3, "URL using bad/illegal format or missing URL")
		}
		r.url = u.String()
		own := c.trusted || u.Hostname() == first.Hostname() && portOf(u) == portOf(first) && u.Scheme == first.Scheme
		req, err := c.request(ctx, r.method, u, own, body)
		if err != nil {
			return err
		}
		answer, err := c.client.do(req)
		if err != nil {
			return err
		}
		r.answer = answer
		if c.verbose {
			c.show("< ", answer.head)
		}
		dumped = append(dumped, answer.head...)
		next, err := c.redirected(r, u)
		switch {
		case err != nil:
			answer.Body.Close()
			return err
		case next != nil:
			answer.Body.Close()
			if c.include && to == "-" {
				c.out.Write(answer.head)
			}
			u, body = next, c.redirectedBody(r, body)
			continue
		}
		defer answer.Body.Close()
		if again, _ := c.transient(r); again && retried {
			return nil
		}
		return c.save(r, to, dumped)
	}
}

// target is the URL to get and the body to send.
func (c *curlCall) target(text string) (*url.URL, []byte, error) {
	if !c.literal && strings.ContainsAny(text, "{}") {
		return nil, nil, curlFailure(3, "patterns in URLs are not supported: %s (-g takes braces as they are)", quote(text))
	}
	u, err := parseURL(text)
	if err != nil {
		return nil, nil, curlFailure(3, "URL rejected: %s", err)
	}
	u.Fragment = ""
	switch {
	case c.upload != "":
		data, err := c.file(c.upload)
		if err != nil {
			return nil, nil, curlFailure(26, "%s", err)
		}
		if (u.Path == "" || strings.HasSuffix(u.Path, "/")) && c.upload != "-" {
			u.Path = "/" + strings.TrimPrefix(u.Path, "/") + path.Base(c.upload)
		}
		if data == nil {
			data = []byte{}
		}
		return u, data, nil
	case c.data == nil:
		return u, nil, nil
	case c.data.query:
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += string(c.data.body)
		return u, nil, nil
	}
	return u, c.data.body, nil
}

// redirected is the URL that an answer leads to, nil if it is the last one.
func (c *curlCall) redirected(r *curlResult, from *url.URL) (*url.URL, error) {
	location := r.answer.Header.Get("Location")
	if !c.follow || location == "" || !slices.Contains([]int{301, 302, 303, 307, 308}, r.answer.StatusCode) {
		return nil, nil
	}
	if c.maxRedirects >= 0 && r.redirects >= c.maxRedirects {
		return nil, curlFailure(47, "Maximum (%d) redirects followed", c.maxRedirects)
	}
	r.redirects++
	next, err := from.Parse(location)
	if err != nil {
		return nil, curlFailure(3, "URL rejected: %s", err)
	}
	next.Fragment = ""
	return next, nil
}

// redirectedBody is what is sent to where an answer leads; a POST becomes a GET but for 307 and 308.
func (c *curlCall) redirectedBody(r *curlResult, body []byte) []byte {
	if code := r.answer.StatusCode; code == 307 || code == 308 {
		return body
	}
	if c.method == "" && r.method == http.MethodPost || r.answer.StatusCode == 303 && r.method != http.MethodHead && c.method == "" {
		r.method = http.MethodGet
		return nil
	}
	if r.method == http.MethodPost || r.method == http.MethodPut {
		return body
	}
	return nil
}

// save writes an answer to where it goes.
func (c *curlCall) save(r *curlResult, to string, heads []byte) error {
	failed := r.answer.StatusCode >= 400 && (c.fail || c.failWithBody)
	refused := curlFailure(22, "The requested URL returned error: %d", r.answer.StatusCode)
	if c.dump != "" {
		if err := c.saveHeads(heads); err != nil {
			return err
		}
	}
	if failed && !c.failWithBody {
		return refused
	}
	w := io.Writer(c.out)
	if to != "-" {
		file, err := c.create(to)
		if err != nil {
			return err
		}
		defer file.Close()
		w = file
		if c.include {
			w.Write(heads)
		}
	} else if c.include {
		w.Write(r.answer.head)
	}
	body := io.Reader(r.answer.Body)
	if r.answer.Header.Get("Content-Encoding") == "gzip" && c.compressed {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return curlFailure(61, "Error while processing content unencoding: %s", err)
		}
	}
	if err := c.copy(r, w, body); err != nil {
		return err
	}
	if failed {
		return refused
	}
	return nil
}

// copy copies the body; what has come is written at once, as from a server that sends events.
func (c *curlCall) copy(r *curlResult, w io.Writer, body io.Reader) error {
	buffer := make([]byte, blockSize)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			r.size += int64(n)
			_, failure := w.Write(buffer[:n])
			if w == io.Writer(c.out) && failure == nil {
				failure = c.out.Flush()
			}
			if failure != nil {
				return curlFailure(23, "Failure writing output to destination")
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func (c *curlCall) saveHeads(heads []byte) error {
	if c.dump == "-" {
		c.out.Write(heads)
		return nil
	}
	if err := c.p.Files.WriteFile(c.dump, heads, 0o666); err != nil {
		return curlFailure(23, "Failed to open %s: %s", c.dump, strerror(err))
	}
	return nil
}

func (c *curlCall) create(name string) (io.WriteCloser, error) {
	if c.dir != "" {
		name = c.dir + "/" + name
	}
	if c.makeDirs && path.Dir(name) != "." {
		if err := c.p.Files.MkdirAll(path.Dir(name), 0o750); err != nil {
			return nil, curlFailure(23, "Failed to create directory %s: %s", path.Dir(name), strerror(err))
		}
	}
	file, err := c.p.openNew(name, 0o666)
	if err != nil {
		return nil, curlFailure(23, "Failure writing output to destination: %s: %s", name, strerror(err))
	}
	return file, nil
}

// explain gives an error curl's number and words.
func (c *curlCall) explain(ctx context.Context, r *curlResult, err error) *curlError {
	var name *net.DNSError
	var connecting *connectError
	var handshake *handshakeError
	elapsed := c.p.System.Now().Sub(r.begun).Milliseconds()
	switch {
	case timedOut(err) && errors.As(err, &connecting):
		return curlFailure(28, "Failed to connect to %s port %s after %d ms: Timeout was reached", connecting.host, connecting.port, elapsed)
	case timedOut(err):
		return curlFailure(28, "Operation timed out after %d milliseconds with %d bytes received", elapsed, r.size)
	case errors.As(err, &name):
		return curlFailure(6, "Could not resolve host: %s", name.Name)
	case errors.Is(err, syscall.ETIMEDOUT):
		return curlFailure(28, "Failed to connect to %s port %s: Connection timed out", connecting.host, connecting.port)
	case errors.As(err, &connecting):
		return curlFailure(7, "Failed to connect to %s port %s: %s", connecting.host, connecting.port, connecting)
	case errors.Is(err, errNoCA):
		return curlFailure(77, "error setting certificate verify locations: %s", err)
	case errors.As(err, &handshake) && handshake.untrusted():
		return curlFailure(60, "SSL certificate problem: %s", err)
	case errors.As(err, &handshake):
		return curlFailure(35, "TLS connect error: %s", err)
	case errors.Is(err, errEmptyAnswer):
		return curlFailure(52, "Empty reply from server")
	case errors.Is(err, errNotHTTP):
		return curlFailure(1, "Received HTTP/0.9 when not allowed")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return curlFailure(18, "transfer closed with outstanding read data remaining")
	case errors.Is(err, errProxyRefused):
		return curlFailure(56, "CONNECT tunnel failed: %s", err)
	case strings.HasPrefix(err.Error(), "unsupported proxy"):
		return curlFailure(5, "%s", err)
	}
	return curlFailure(56, "Recv failure: %s", strerror(err))
}

// trace shows on standard error what --verbose does.
func (c *curlCall) trace() {
	c.client.connected = func(host, port string, conn net.Conn) {
		address, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		fmt.Fprintf(c.p.Stderr, "* Connected to %s (%s) port %s\n", host, address, port)
	}
	c.client.sent = func(head []byte) { c.show("> ", head) }
}

func (c *curlCall) show(prefix string, head []byte) {
	var b strings.Builder
	for line := range strings.Lines(string(head)) {
		b.WriteString(prefix + line)
	}
	io.WriteString(c.p.Stderr, b.String())
}

// written is the text of --write-out.
func (c *curlCall) written(r *curlResult) string {
	text := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`).Replace(c.writeOut)
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "%")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if strings.HasPrefix(rest, "%") {
			b.WriteByte('%')
			text = rest[1:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		if !strings.HasPrefix(rest, "{") || end < 0 {
			b.WriteByte('%')
			text = rest
			continue
		}
		if value, known := c.variable(rest[1:end], r); known {
			b.WriteString(value)
		} else {
			c.p.Errorf("unknown --write-out variable: %s", quote(rest[1:end]))
		}
		text = rest[end+1:]
	}
}

func (c *curlCall) variable(name string, r *curlResult) (string, bool) {
	header := http.Header{}
	if r.answer != nil {
		header = r.answer.Header
	}
	if field, ok := strings.CutPrefix(name, "header{"); ok {
		return header.Get(field), true
	}
	switch name {
	case "http_code", "response_code":
		return fmt.Sprintf("%03d", statusOf(r)), true
	case "size_download":
		return strconv.FormatInt(r.size, 10), true
	case "time_total":
		return fmt.Sprintf("%.6f", c.p.System.Now().Sub(r.begun).Seconds()), true
	case "url_effective":
		u, err := parseURL(r.url)
		if err == nil && u.Path == "" {
			u.Path = "/"
		}
		if err != nil {
			return r.url, true
		}
		return u.String(), true
	case "content_type":
		return header.Get("Content-Type"), true
	case "num_redirects":
		return strconv.Itoa(r.redirects), true
	case "redirect_url":
		if u, err := parseURL(r.url); err == nil && !c.follow && header.Get("Location") != "" {
			if next, err := u.Parse(header.Get("Location")); err == nil {
				return next.String(), true
			}
		}
		return "", true
	case "method":
		return r.method, true
	case "scheme":
		scheme, _, _ := strings.Cut(r.url, ":")
		return scheme, true
	case "exitcode":
		return strconv.Itoa(r.status), true
	case "errormsg":
		if r.err != nil {
			return r.err.Error(), true
		}
		return "", true
	case "http_version":
		return "1.1", true
	}
	return "", false
}
