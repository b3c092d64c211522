package builtins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

var wgetUsage = usage{
	synopsis: "[OPTION]... [URL]...", about: "Download files over http or https.", status: 2,
	options: []string{"q quiet", "v verbose", "n=", "no-verbose", "no-clobber", "O output-document=", "o output-file=", "P directory-prefix=", "c continue", "S server-response", "spider", "i input-file=",
		"T timeout=", "connect-timeout=", "read-timeout=", "dns-timeout=", "t tries=", "waitretry=", "retry-connrefused", "max-redirect=", "header=", "U user-agent=", "referer=", "user http-user=", "password http-password=",
		"post-data=", "post-file=", "method=", "body-data=", "body-file=", "no-check-certificate", "ca-certificate=", "no-proxy", "4 inet4-only", "6 inet6-only", "progress=", "show-progress", "content-on-error", "no-cache", "no-cookies", "no-hsts", "no-config"},
}

// wgetCall is one run of wget.
type wgetCall struct {
	p      *Process
	client *httpClient
	log    io.Writer

	output, prefix, agent, user, password, method string
	body                                          []byte
	headers                                       []string
	quiet, terse, keep, resume, response, spider  bool
	refused, onError                              bool
	timeout                                       time.Duration // without anything read; 0 is none
	tries, redirects                              int           // tries: 0 is for ever
	wait                                          time.Duration // at most between tries
	document                                      io.Writer     // of -O
	status                                        int
}

// The exit statuses of wget, the least of which is that of several files.
const (
	wgetFailed   = 1
	wgetFile     = 3
	wgetNetwork  = 4
	wgetTLS      = 5
	wgetProtocol = 7
	wgetServer   = 8
)

func wget(p *Process) int {
	opts, urls, status, done := p.parse(wgetUsage)
	if done {
		return status
	}
	w := &wgetCall{p: p, log: p.Stderr, agent: "Wget/1.21.4", tries: 20, redirects: 20, wait: 10 * time.Second, timeout: 900 * time.Second}
	w.client = &httpClient{p: p, proxy: p.environmentProxy, tcp: p.dialer("")}
	more, err := w.options(opts)
	if err != nil {
		p.Errorf("%s", err)
		return p.tryHelp(wgetUsage)
	}
	if urls = append(urls, more...); len(urls) == 0 {
		p.Errorf("missing URL")
		return p.tryHelp(wgetUsage)
	}
	if w.output != "" && !w.spider {
		out, err := w.openDocument()
		if err != nil {
			p.Errorf("%s: %s", w.output, strerror(err))
			return wgetFailed
		}
		defer out()
	}
	for _, u := range urls {
		w.worse(w.download(u))
	}
	if f, ok := w.log.(*rootfs.File); ok {
		f.Close()
	}
	return w.status
}

// worse keeps the status of several downloads.
func (w *wgetCall) worse(status int) {
	if w.status == 0 || status != 0 && status < w.status {
		w.status = status
	}
}

// openDocument opens what -O names, which all URLs go to.
func (w *wgetCall) openDocument() (closing func(), err error) {
	if w.output == "-" {
		out := liveWriter{w.p.Context, w.p.Stdout}
		w.document = out
		return func() {}, nil
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if w.resume {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	file, err := w.p.Files.OpenFile(w.output, flag, 0o666)
	if err != nil {
		return nil, err
	}
	w.document = file
	return func() { file.Close() }, nil
}

func (w *wgetCall) options(opts []option) (urls []string, err error) {
	read := func(name string) ([]byte, error) {
		if name == "-" {
			return io.ReadAll(w.p.Stdin)
		}
		return w.p.Files.ReadFile(name)
	}
	for _, o := range opts {
		var err error
		switch o.name {
		case "q":
			w.quiet = true
		case "v":
			w.quiet, w.terse = false, false
		case "no-verbose":
			w.terse = true
		case "no-clobber":
			w.keep = true
		case "n":
			for _, letter := range o.value {
				switch letter {
				case 'v':
					w.terse = true
				case 'c':
					w.keep = true
				case 'd': // there are no directories without -r
				default:
					return nil, fmt.Errorf("invalid option -- 'n%c'", letter)
				}
			}
		case "O":
			w.output = o.value
		case "o":
			w.log, err = w.p.openNew(o.value, 0o666)
		case "P":
			w.prefix = o.value
		case "c":
			w.resume = true
		case "S":
			w.response = true
		case "spider":
			w.spider = true
		case "i":
			var data []byte
			data, err = read(o.value)
			urls = append(urls, strings.Fields(string(data))...)
		case "T":
			w.timeout, err = seconds(o.value)
			w.client.connectTimeout = w.timeout
		case "connect-timeout":
			w.client.connectTimeout, err = seconds(o.value)
		case "read-timeout":
			w.timeout, err = seconds(o.value)
		case "dns-timeout": // names are a part of connecting
			_, err = seconds(o.value)
		case "t":
			if w.tries, err = strconv.Atoi(o.value); o.value == "inf" {
				w.tries, err = 0, nil
			}
		case "waitretry":
			w.wait, err = seconds(o.value)
		case "retry-connrefused":
			w.refused = true
		case "max-redirect":
			w.redirects, err = strconv.Atoi(o.value)
		case "header":
			if !strings.Contains(o.value, ":") {
				return nil, fmt.Errorf("--header: invalid header %s", quote(o.value))
			}
			w.headers = append(w.headers, o.value)
		case "U":
			w.agent = o.value
		case "referer":
			w.headers = append(w.headers, "Referer: "+o.value)
		case "user":
			w.user = o.value
		case "password":
			w.password = o.value
		case "post-data", "body-data":
			w.body = []byte(o.value)
		case "post-file", "body-file":
			w.body, err = read(o.value)
		case "method":
			w.method = strings.ToUpper(o.value)
		case "no-check-certificate":
			w.client.insecure = true
		case "ca-certificate":
			w.client.bundle = o.value
		case "no-proxy":
			w.client.proxy = func(*url.URL) (*url.URL, error) { return nil, nil }
		case "4", "6":
			w.client.tcp = w.p.dialer(o.name)
		case "content-on-error":
			w.onError = true
		case "no-cache":
			w.headers = append(w.headers, "Cache-Control: no-cache", "Pragma: no-cache")
		case "progress", "show-progress", "no-cookies", "no-hsts", "no-config":
			// What is always so: no progress bar, no cookies, no HSTS, no wgetrc.
		}
		if strings.HasPrefix(o.name, "post-") && w.method == "" {
			w.method = http.MethodPost
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s", quote(o.value), strerror(err))
		}
	}
	if w.body != nil && w.method == "" {
		return nil, errors.New("you must specify a method through --method=HTTPMethod to use with --body-data or --body-file")
	}
	return urls, nil
}

// say writes to the log, unless that is to be quiet or short.
func (w *wgetCall) say(format string, a ...any) {
	if !w.quiet && !w.terse {
		fmt.Fprintf(w.log, format, a...)
	}
}

func (w *wgetCall) now() string {
	return strftime("%Y-%m-%d %H:%M:%S", w.p.System.Now().In(w.p.location()))
}

// wgetError is a failure with wget's own status.
type wgetError struct {
	status int
	again  bool // another try may succeed
	text   string
}

func (e *wgetError) Error() string { return e.text }

// download gets one URL, again after failures of the network.
func (w *wgetCall) download(text string) int {
	u, err := parseURL(text)
	if err != nil {
		fmt.Fprintf(w.log, "%s: Invalid URL.\n", text)
		return wgetFailed
	}
	u.Fragment = ""
	d := &wgetFileOf{w: w}
	defer d.close()
	for try := 1; ; try++ {
		err := w.get(u, d)
		if err == nil {
			return 0
		}
		var known *wgetError
		if !errors.As(err, &known) {
			known = w.explain(err)
		}
		if !w.quiet {
			switch {
			case w.terse && known.status == wgetServer:
				fmt.Fprintf(w.log, "%s:\n%s\n", u.Redacted(), known.text)
			default:
				fmt.Fprintf(w.log, "%s\n", known.text)
			}
		}
		if !known.again || w.tries > 0 && try >= w.tries || w.p.Context.Err() != nil || !d.restartable() {
			if known.again && w.tries > 1 {
				w.say("Giving up.\n\n")
			}
			return known.status
		}
		w.say("Retrying.\n\n")
		if w.p.pause(min(time.Duration(try)*time.Second, w.wait)) != 0 {
			return known.status
		}
	}
}

// explain gives an error wget's status and words.
func (w *wgetCall) explain(err error) *wgetError {
	var name *net.DNSError
	var connecting *connectError
	var handshake *handshakeError
	switch {
	case errors.As(err, &name):
		return &wgetError{wgetNetwork, false, fmt.Sprintf("wget: unable to resolve host address %s", quote(name.Name))}
	case errors.As(err, &connecting) && timedOut(err):
		return &wgetError{wgetNetwork, true, "failed: Connection timed out."}
	case errors.As(err, &connecting):
		again := !errors.Is(err, syscall.ECONNREFUSED) || w.refused
		return &wgetError{wgetNetwork, again, fmt.Sprintf("failed: %s.", connecting)}
	case errors.Is(err, errNoCA):
		return &wgetError{wgetTLS, false, "ERROR: cannot verify the certificate: " + err.Error() + "; --no-check-certificate connects insecurely"}
	case errors.As(err, &handshake) && handshake.untrusted():
		return &wgetError{wgetTLS, false, "ERROR: cannot verify the certificate: " + err.Error() + "\nTo connect insecurely, use '--no-check-certificate'."}
	case errors.As(err, &handshake):
		return &wgetError{wgetNetwork, false, "Unable to establish SSL connection: " + err.Error()}
	case errors.Is(err, errEmptyAnswer):
		return &wgetError{wgetNetwork, true, "No data received."}
	case errors.Is(err, errNotHTTP):
		return &wgetError{wgetProtocol, false, w.now() + " ERROR -1: Malformed status line."}
	case timedOut(err):
		return &wgetError{wgetNetwork, true, "Read error (Connection timed out)."}
	}
	return &wgetError{wgetNetwork, true, fmt.Sprintf("Read error (%s).", strerror(err))}
}

// get gets a URL with all its redirections.
func (w *wgetCall) get(from *url.URL, d *wgetFileOf) error {
	u, method, body := from, w.method, w.body
	if method == "" {
		method = http.MethodGet
		if w.spider {
			method = http.MethodHead
		}
	}
	name := d.choose(from)
	if w.keep && w.output == "" {
		if _, err := w.p.Files.Stat(name); err == nil {
			w.say("File %s already there; not retrieving.\n\n", quote(name))
			return nil
		}
	}
	for followed := 0; ; followed++ {
		if u.Scheme != "http" && u.Scheme != "https" {
			return &wgetError{wgetFailed, false, fmt.Sprintf("%s: Unsupported scheme %s.", u.Redacted(), quote(u.Scheme))}
		}
		if u.Hostname() == "" {
			return &wgetError{wgetFailed, false, u.Redacted() + ": Invalid host name."}
		}
		w.say("--%s--  %s\n", w.now(), u.Redacted())
		idle := w.idleContext()
		next, err := w.answer(idle, u, method, body, name, d, u.Host == from.Host)
		idle.stop()
		if err != nil || next == nil {
			return err
		}
		if followed == w.redirects {
			return &wgetError{wgetServer, false, strconv.Itoa(w.redirects) + " redirections exceeded."}
		}
		if next.keep {
			u = next.to
			continue
		}
		u = next.to
		if method == http.MethodPost {
			method, body = http.MethodGet, nil
		}
	}
}

// idleContext is a context that ends when nothing has come for the time of --read-timeout.
type idleContext struct {
	context.Context
	stop  func()
	alive func() // something came
}

func (w *wgetCall) idleContext() *idleContext {
	ctx, cancel := context.WithCancelCause(w.p.Context)
	c := &idleContext{Context: ctx, stop: func() { cancel(nil) }, alive: func() {}}
	if w.timeout > 0 {
		timer := time.AfterFunc(w.timeout, func() { cancel(context.DeadlineExceeded) })
		c.alive = func() { timer.Reset(w.timeout) }
		c.stop = func() { timer.Stop(); cancel(nil) }
	}
	return c
}

// redirection is where an answer leads; keep says that the same is sent there.
type redirection struct {
	to   *url.URL
	keep bool
}

// answer sends one request and saves what is answered.
func (w *wgetCall) answer(ctx *idleContext, u *url.URL, method string, body []byte, name string, d *wgetFileOf, own bool) (*redirection, error) {
	req, err := w.request(ctx, u, method, body, own)
	if err != nil {
		return nil, err
	}
	offset := int64(0)
	if w.resume && method == http.MethodGet {
		if offset = d.size(name); offset > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
	}
	host := net.JoinHostPort(u.Hostname(), portOf(u))
	w.say("Connecting to %s... ", strings.Trim(host, "[]"))
	w.client.connected = func(_, _ string, _ net.Conn) {
		w.say("connected.\nHTTP request sent, awaiting response... ")
		ctx.alive()
	}
	answer, err := w.client.do(req)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	w.say("%s\n", answer.Status)
	if w.response {
		for line := range strings.Lines(string(answer.head)) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				fmt.Fprintf(w.log, "  %s\n", line)
			}
		}
	}
	code := answer.StatusCode
	if location := answer.Header.Get("Location"); location != "" && slices.Contains([]int{301, 302, 303, 307, 308}, code) {
		to, err := u.Parse(location)
		if err != nil {
			return nil, &wgetError{wgetProtocol, false, location + ": Invalid URL."}
		}
		to.Fragment = ""
		w.say("Location: %s [following]\n", to.Redacted())
		return &redirection{to, code == 307 || code == 308}, nil
	}
	switch {
	case code == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		w.say("\n    The file is already fully retrieved; nothing to do.\n\n")
		return nil, nil
	case code >= 400 || code < 200:
		if w.onError && !w.spider {
			if err := w.save(ctx, answer, u, name, 0, d); err != nil {
				return nil, err
			}
		}
		if w.spider && code == http.StatusNotFound {
			return nil, &wgetError{wgetServer, false, "Remote file does not exist -- broken link!!!\n"}
		}
		return nil, &wgetError{wgetServer, false, fmt.Sprintf("%s ERROR %d: %s.\n", w.now(), code, strings.TrimPrefix(strings.TrimPrefix(answer.Status, strconv.Itoa(code)), " "))}
	case w.spider:
		w.say("Remote file exists.\n\n")
		return nil, nil
	}
	if code != http.StatusPartialContent {
		offset = 0
	}
	return nil, w.save(ctx, answer, u, name, offset, d)
}

// request makes a request. Secrets are for the host alone that was named (own).
func (w *wgetCall) request(ctx context.Context, u *url.URL, method string, body []byte, own bool) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), r)
	if err != nil {
		return nil, &wgetError{wgetFailed, false, err.Error()}
	}
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "identity")
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, line := range w.headers {
		name, _, _ := strings.Cut(line, ":")
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if !own && (name == "Authorization" || name == "Cookie" || name == "Host") {
			continue
		}
		if slices.Contains([]string{"Accept", "User-Agent", "Content-Type", "Accept-Encoding"}, name) {
			req.Header.Del(name)
		}
		headerLine(req, line)
	}
	if own && w.user != "" && req.Header.Get("Authorization") == "" {
		req.SetBasicAuth(w.user, w.password)
	}
	authorizeURL(req)
	if proxy, err := w.client.proxy(u); err == nil && u.Scheme == "http" {
		authorizeProxy(req, proxy)
	}
	return req, nil
}

// save writes the body of an answer, from offset of the file on.
func (w *wgetCall) save(ctx *idleContext, answer *httpAnswer, u *url.URL, name string, offset int64, d *wgetFileOf) error {
	out, err := d.open(name, offset)
	if err != nil {
		return &wgetError{wgetFile, false, fmt.Sprintf("%s: %s", d.name, strerror(err))}
	}
	length := "unspecified"
	if answer.ContentLength >= 0 {
		length = strconv.FormatInt(answer.ContentLength+offset, 10)
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if kind != "" {
		kind = " [" + kind + "]"
	}
	shown := quote(d.name)
	if d.name == "-" {
		shown = "'STDOUT'"
	}
	w.say("Length: %s%s\nSaving to: %s\n\n", length, kind, shown)
	size := offset
	buffer := make([]byte, blockSize)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			ctx.alive()
			if _, err := out.Write(buffer[:n]); err != nil {
				return &wgetError{wgetFile, false, fmt.Sprintf("Cannot write to %s (%s).", shown, strerror(err))}
			}
			size += int64(n)
			d.written = true
		}
		if err == io.EOF {
			break
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return cause
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return &wgetError{wgetNetwork, true, fmt.Sprintf("%s - Connection closed at byte %d.", w.now(), size)}
		}
		if err != nil {
			return err
		}
	}
	if answer.ContentLength < 0 {
		length = strconv.FormatInt(size, 10)
	}
	w.say("%s - %s saved [%d/%s]\n\n", w.now(), shown, size, length)
	if w.terse && !w.quiet {
		fmt.Fprintf(w.log, "%s URL:%s [%d/%s] -> \"%s\" [1]\n", w.now(), u.Redacted(), size, length, d.name)
	}
	return nil
}

// wgetFileOf is where a URL is saved.
type wgetFileOf struct {
	w       *wgetCall
	name    string
	file    *rootfs.File // nil with -O
	written bool
}

// choose names the file of a URL: the last element of its path, its query too.
func (d *wgetFileOf) choose(u *url.URL) string {
	if d.w.output != "" {
		return d.w.output
	}
	name := path.Base(u.Path)
	if u.Path == "" || strings.HasSuffix(u.Path, "/") || name == "." || name == ".." {
		name = "index.html"
	}
	if u.RawQuery != "" {
		name += "?" + strings.ReplaceAll(u.RawQuery, "/", "%2F")
	}
	if d.w.prefix != "" {
		name = strings.TrimSuffix(d.w.prefix, "/") + "/" + name
	}
	return name
}

// size is how much of the file there is, in bytes.
func (d *wgetFileOf) size(name string) int64 {
	if info, err := d.w.p.Files.Stat(name); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// open opens the file to write from an offset on; one that is in the way is left and a number added to the name.
func (d *wgetFileOf) open(name string, offset int64) (io.Writer, error) {
	if d.w.document != nil {
		d.name = name
		if file, ok := d.w.document.(*rootfs.File); ok && offset == 0 && d.w.resume {
			return file, file.Truncate(0)
		}
		return d.w.document, nil
	}
	if d.file != nil {
		err := d.file.Truncate(offset)
		if err == nil {
			_, err = d.file.Seek(offset, io.SeekStart)
		}
		return d.file, err
	}
	d.name = name
	if d.w.prefix != "" {
		if err := d.w.p.Files.MkdirAll(d.w.prefix, 0o777); err != nil {
			return nil, err
		}
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if d.w.resume {
		flag = os.O_WRONLY | os.O_CREATE
	}
	for n := 1; ; n++ {
		file, err := d.w.p.Files.OpenFile(d.name, flag, 0o666)
		if errors.Is(err, os.ErrExist) {
			d.name = name + "." + strconv.Itoa(n)
			continue
		}
		if err != nil {
			return nil, err
		}
		d.file = file
		return d.open(name, offset)
	}
}

// restartable says whether another try does not write twice what is written.
func (d *wgetFileOf) restartable() bool { return d.w.document == nil || !d.written }

func (d *wgetFileOf) close() {
	if d.file != nil {
		d.file.Close()
	}
}
