package builtins

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

var curlUsage = usage{
	synopsis: "[options...] <url>", about: "Transfer a URL over http or https.", status: 2,
	options: []string{"s silent", "S show-error", "f fail", "fail-with-body", "L location", "location-trusted", "max-redirs=", "o output=", "O remote-name", "output-dir=", "create-dirs", "J remote-header-name", "X request=", "H header=", "A user-agent=", "e referer=", "b cookie=",
		"d data= data-ascii=", "data-raw=", "data-binary=", "data-urlencode=", "json=", "F form=", "T upload-file=", "G get", "I head", "i include show-headers", "D dump-header=",
		"u user=", "oauth2-bearer=", "k insecure", "cacert=", "x proxy=", "noproxy=", "w write-out=", "v verbose", "retry=", "retry-delay=", "retry-connrefused", "retry-all-errors", "retry-max-time=", "connect-timeout=", "m max-time=", "4 ipv4", "6 ipv6",
		"unix-socket=", "url=", "g globoff", "q disable", "compressed", "N no-buffer", "# progress-bar", "no-progress-meter", "http1.1", "1 tlsv1", "tlsv1.2", "tlsv1.3", "proto=", "proto-redir=", "no-keepalive"},
}

// curlCall is one run of curl.
type curlCall struct {
	p       *Process
	client  *httpClient
	out     *output
	outputs []string // of the URLs in turn; "" is the last element of the URL's path
	dir     string

	silent, showError, fail, failWithBody, follow, trusted, makeDirs bool
	include, verbose, retryRefused, retryAll, literal, compressed    bool
	method, writeOut, dump, bearer, agent, user, upload              string
	headers                                                          []string
	data                                                             *curlData
	maxRedirects, retries                                            int
	retryDelay, retryMax, maxTime                                    time.Duration
	schemes                                                          []string // allowed
}

// curlData is what a request sends.
type curlData struct {
	body        []byte
	contentType string
	query       bool // as a part of the URL
}

// curlError is a failure with curl's own number.
type curlError struct {
	status int
	text   string
}

func (e *curlError) Error() string { return e.text }

func curlFailure(status int, format string, a ...any) *curlError {
	return &curlError{status, fmt.Sprintf(format, a...)}
}

func curl(p *Process) int {
	opts, operands, status, done := p.parse(curlUsage)
	if done {
		return status
	}
	c := &curlCall{p: p, out: p.output(), maxRedirects: 50, agent: "curl/8.5.0", schemes: []string{"http", "https"}}
	c.client = &httpClient{p: p, proxy: p.environmentProxy, tcp: p.dialer(""), bundle: p.Getenv("CURL_CA_BUNDLE")}
	urls, err := c.options(opts)
	if err == nil && len(urls)+len(operands) == 0 {
		err = curlFailure(2, "no URL specified")
	}
	if err != nil {
		p.Errorf("%s", err)
		return p.tryHelp(curlUsage)
	}
	for i, text := range append(urls, operands...) {
		to := "-"
		if i < len(c.outputs) {
			to = c.outputs[i]
		}
		status = c.transfer(text, to)
	}
	return c.out.finishOr(status, 23)
}

// options reads the options; it returns the URLs among them.
func (c *curlCall) options(opts []option) (urls []string, err error) {
	get, head := false, false
	var form *curlForm
	for _, o := range opts {
		var err error
		switch o.name {
		case "s":
			c.silent = true
		case "S":
			c.showError = true
		case "f":
			c.fail = true
		case "fail-with-body":
			c.failWithBody = true
		case "location-trusted":
			c.follow, c.trusted = true, true
		case "L":
			c.follow = true
		case "max-redirs":
			c.maxRedirects, err = strconv.Atoi(o.value)
		case "o":
			c.outputs = append(c.outputs, o.value)
		case "O":
			c.outputs = append(c.outputs, "")
		case "unix-socket":
			c.client.proxy = func(*url.URL) (*url.URL, error) { return nil, nil }
			c.client.tcp = func(ctx context.Context, _ string) (net.Conn, error) { return c.p.System.Dial(ctx, "unix", o.value) }
		case "output-dir":
			c.dir = o.value
		case "create-dirs":
			c.makeDirs = true
		case "X":
			c.method = o.value
		case "H":
			err = c.header(o.value)
		case "A":
			c.agent = o.value
		case "e":
			c.headers = append(c.headers, "Referer: "+o.value)
		case "b":
			if !strings.Contains(o.value, "=") {
				return nil, curlFailure(2, "option -b: files of cookies are not supported, only name=value")
			}
			c.headers = append(c.headers, "Cookie: "+o.value)
		case "d", "data-raw", "data-binary", "data-urlencode", "json":
			err = c.addData(o.name, o.value)
		case "F":
			if form == nil {
				form = newCurlForm(c.p)
			}
			err = form.add(o.value)
		case "T":
			c.upload = o.value
		case "G":
			get = true
		case "I":
			head = true
		case "i":
			c.include = true
		case "D":
			c.dump = o.value
		case "u":
			if !strings.Contains(o.value, ":") {
				return nil, curlFailure(2, "option -u: a password is needed, user:password (it cannot be asked for)")
			}
			c.user = o.value
		case "oauth2-bearer":
			c.bearer = o.value
		case "k":
			c.client.insecure = true
		case "cacert":
			c.client.bundle = o.value
		case "x", "noproxy":
			c.setProxy(opts)
		case "w":
			c.writeOut, err = c.content(o.value)
		case "v":
			c.verbose = true
		case "retry":
			c.retries, err = strconv.Atoi(o.value)
		case "retry-delay":
			c.retryDelay, err = seconds(o.value)
		case "retry-max-time":
			c.retryMax, err = seconds(o.value)
		case "retry-connrefused":
			c.retryRefused = true
		case "retry-all-errors":
			c.retryAll = true
		case "connect-timeout":
			c.client.connectTimeout, err = seconds(o.value)
		case "m":
			c.maxTime, err = seconds(o.value)
		case "4", "6":
			c.client.tcp = c.p.dialer(o.name)
		case "url":
			urls = append(urls, o.value)
		case "g":
			c.literal = true
		case "compressed":
			c.compressed = true
			c.headers = append(c.headers, "Accept-Encoding: gzip")
		case "proto":
			c.schemes = protocols(o.value)
		case "J", "proto-redir", "tlsv1.3":
			return nil, curlFailure(2, "option --%s is not supported by this implementation", o.name)
		case "q", "N", "#", "no-progress-meter", "http1.1", "1", "tlsv1.2", "no-keepalive":
			// What is always so: no .curlrc, no progress meter, HTTP/1.1, at least TLS 1.2.
		}
		if err != nil {
			return nil, curlFailure(2, "option -%s: %s", o.name, strerror(err))
		}
	}
	if form != nil {
		if c.data != nil {
			return nil, curlFailure(2, "you can only select one HTTP request method: -d or -F")
		}
		c.data = form.finish()
	}
	if c.data != nil && head && !get {
		return nil, curlFailure(2, "you can only select one HTTP request method: -d or -I")
	}
	if head {
		c.include = true
		if c.method == "" {
			c.method = http.MethodHead
		}
	}
	if c.data != nil {
		c.data.query = get
	}
	if c.verbose {
		c.trace()
	}
	return urls, nil
}

// seconds reads a number of seconds, which may have a fraction.
func seconds(text string) (time.Duration, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f > 1e9 {
		return 0, fmt.Errorf("expected a number of seconds: %s", quote(text))
	}
	return time.Duration(f * float64(time.Second)), nil
}

// protocols reads the list of --proto: "=https", "http,https", "-all,https".
func protocols(list string) []string {
	allowed := []string{"http", "https"}
	for word := range strings.SplitSeq(list, ",") {
		operation := byte('+')
		if word != "" && strings.IndexByte("+-=", word[0]) >= 0 {
			operation, word = word[0], word[1:]
		}
		these := []string{word}
		if word == "all" {
			these = []string{"http", "https"}
		}
		if operation != '+' {
			allowed = slices.DeleteFunc(allowed, func(s string) bool { return operation == '=' || slices.Contains(these, s) })
		}
		if operation != '-' {
			allowed = append(allowed, these...)
		}
	}
	return allowed
}

func (c *curlCall) setProxy(opts []option) {
	proxy, given, without := "", false, ""
	for _, o := range opts {
		switch o.name {
		case "x":
			proxy, given = o.value, true
		case "noproxy":
			without = o.value
		}
	}
	c.client.proxy = func(u *url.URL) (*url.URL, error) {
		switch {
		case bypasses(without, u):
			return nil, nil
		case given:
			return parseProxy(proxy)
		}
		return c.p.environmentProxy(u)
	}
}

// header adds a line, or those of a file: "@name".
func (c *curlCall) header(value string) error {
	text, err := c.content(value)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			c.headers = append(c.headers, line)
		}
	}
	return nil
}

// content is a value, or what the file in "@name" has; "@-" is standard input.
func (c *curlCall) content(value string) (string, error) {
	name, ok := strings.CutPrefix(value, "@")
	if !ok {
		return value, nil
	}
	data, err := c.file(name)
	return string(data), err
}

func (c *curlCall) file(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(c.p.Stdin)
	}
	data, err := c.p.Files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("failed to open %s: %s", name, strerror(err))
	}
	return data, nil
}

// addData adds to the body, as the option that names it says.
func (c *curlCall) addData(kind, value string) error {
	joint, contentType := "&", "application/x-www-form-urlencoded"
	var text string
	var err error
	switch kind {
	case "data-raw":
		text = value
	case "data-urlencode":
		text, err = c.encoded(value)
	default:
		text, err = c.content(value)
		if kind == "d" && strings.HasPrefix(value, "@") {
			text = strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(text)
		}
		if kind == "json" {
			joint, contentType = "", "application/json"
			c.headers = append([]string{"Accept: application/json"}, c.headers...)
		}
	}
	if err != nil {
		return err
	}
	if c.data == nil {
		c.data = &curlData{contentType: contentType, body: []byte(text)}
		return nil
	}
	c.data.body = append(c.data.body, joint+text...)
	return nil
}

// encoded is the value of --data-urlencode: content, =content, name=content, @file, name@file.
func (c *curlCall) encoded(value string) (string, error) {
	name, content := "", value
	if at := strings.IndexAny(value, "=@"); at >= 0 {
		name, content = value[:at], value[at+1:]
		if value[at] == '@' {
			data, err := c.file(content)
			if err != nil {
				return "", err
			}
			content = string(data)
		}
	}
	content = strings.ReplaceAll(url.QueryEscape(content), "+", "%20")
	if name != "" {
		content = name + "=" + content
	}
	return content, nil
}

// curlForm is the body of -F.
type curlForm struct {
	p *Process
	b bytes.Buffer
	w *multipart.Writer
}

func newCurlForm(p *Process) *curlForm {
	f := &curlForm{p: p}
	f.w = multipart.NewWriter(&f.b)
	return f
}

// add adds "name=value", "name=<file" or "name=@file", with ";type=..." and ";filename=...".
func (f *curlForm) add(field string) error {
	name, value, ok := strings.Cut(field, "=")
	if !ok {
		return fmt.Errorf("expected name=content: %s", quote(field))
	}
	if value == "" || value[0] != '@' && value[0] != '<' {
		return f.w.WriteField(name, value)
	}
	asFile := value[0] == '@'
	parts := strings.Split(value[1:], ";")
	file, contentType := path.Base(parts[0]), "application/octet-stream"
	for _, part := range parts[1:] {
		switch key, v, _ := strings.Cut(part, "="); key {
		case "type":
			contentType = v
		case "filename":
			file = strings.Trim(v, `"`)
		default:
			return fmt.Errorf("unsupported attribute %s", quote(part))
		}
	}
	data, err := (&curlCall{p: f.p}).file(parts[0])
	if err != nil {
		return err
	}
	if !asFile {
		return f.w.WriteField(name, string(data))
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	w, err := f.w.CreatePart(textproto.MIMEHeader{"Content-Type": {contentType},
		"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, escape.Replace(name), escape.Replace(file))}})
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

func (f *curlForm) finish() *curlData {
	f.w.Close()
	return &curlData{body: f.b.Bytes(), contentType: f.w.FormDataContentType()}
}

// request makes the request to a URL. own says that it goes to the host that was named by the user, which alone gets the
// user's secrets.
func (c *curlCall) request(ctx context.Context, method string, u *url.URL, own bool, body []byte) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), r)
	if err != nil {
		return nil, curlFailure(3, "URL using bad/illegal format or missing URL")
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "*/*")
	if body != nil && c.data != nil && !c.data.query {
		req.Header.Set("Content-Type", c.data.contentType)
	}
	replaced := map[string]bool{}
	for _, line := range c.headers {
		name, _, ok := strings.Cut(line, ":")
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if !own && (name == "Authorization" || name == "Cookie" || name == "Host") {
			continue
		}
		if ok && !replaced[name] && name != "Host" {
			replaced[name] = true
			req.Header.Del(name)
		}
		if empty, isEmpty := strings.CutSuffix(line, ";"); isEmpty && !ok {
			req.Header.Set(empty, "")
			continue
		}
		headerLine(req, line)
	}
	switch {
	case !own:
	case c.user != "" && !replaced["Authorization"]:
		name, password, _ := strings.Cut(c.user, ":")
		req.SetBasicAuth(name, password)
	case c.bearer != "":
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	authorizeURL(req)
	if proxy, err := c.client.proxy(u); err == nil && u.Scheme == "http" {
		authorizeProxy(req, proxy)
	}
	return req, nil
}
