//go:build linux

package builtins

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// site is what the tests get from. "/echo" tells what was asked.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s type=%q auth=%q x=%q agent=%q body=%q\n", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("X-Test"), r.UserAgent(), body)
	})
	mux.HandleFunc("/file.txt", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		http.ServeContent(w, r, "file.txt", time.Time{}, strings.NewReader("hello world\n"))
	})
	mux.HandleFunc("/hop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo", http.StatusFound) })
	mux.HandleFunc("/hop307", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "part")
	})
	mux.HandleFunc("/form", func(w http.ResponseWriter, r *http.Request) {
		file, head, err := r.FormFile("f")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		data, _ := io.ReadAll(file)
		fmt.Fprintf(w, "%s=%q a=%q\n", head.Filename, data, r.FormValue("a"))
	})
	return mux
}

// outcome is what a command did over the network.
type outcome struct {
	status         int
	stdout, stderr string
	files          *rootfs.View
}

// request runs a command line with the files given in its directory.
func request(t *testing.T, files map[string]string, env []string, args ...string) outcome {
	t.Helper()
	p, stdout, stderr := newProcess(t, t.TempDir(), args)
	p.Env = append(p.Env, env...)
	for name, text := range files {
		if err := p.Files.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	status := Lookup(args[0])(p)
	return outcome{status, stdout.String(), stderr.String(), p.Files}
}

func (o outcome) file(t *testing.T, name string) string {
	t.Helper()
	data, err := o.files.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestCurl(t *testing.T) {
	server := httptest.NewServer(site())
	defer server.Close()
	files := map[string]string{"data": "a\nb\r\n", "out": "old"}
	for line, want := range map[string]string{
		"curl -s URL/echo":                                                  "GET /echo type=\"\" auth=\"\" x=\"\" agent=\"curl/8.5.0\" body=\"\"\n",
		"curl -s -A me -H X-Test:1 URL/echo":                                "GET /echo type=\"\" auth=\"\" x=\"1\" agent=\"me\" body=\"\"\n",
		"curl -s -A me -d a=1 -d b=2 URL/echo":                              "POST /echo type=\"application/x-www-form-urlencoded\" auth=\"\" x=\"\" agent=\"me\" body=\"a=1&b=2\"\n",
		"curl -s -A me -d @data URL/echo":                                   "POST /echo type=\"application/x-www-form-urlencoded\" auth=\"\" x=\"\" agent=\"me\" body=\"ab\"\n",
		"curl -s -A me -H Content-Type:text/x --data-binary @data URL/echo": "POST /echo type=\"text/x\" auth=\"\" x=\"\" agent=\"me\" body=\"a\\nb\\r\\n\"\n",
		"curl -s -A me -G -d q=1 --data-urlencode r=b/c URL/echo?z=0":       "GET /echo?z=0&q=1&r=b%2Fc type=\"\" auth=\"\" x=\"\" agent=\"me\" body=\"\"\n",
		"curl -s -A me -X DELETE URL/echo":                                  "DELETE /echo type=\"\" auth=\"\" x=\"\" agent=\"me\" body=\"\"\n",
		"curl -s -A me -u user:pass URL/echo":                               "GET /echo type=\"\" auth=\"Basic dXNlcjpwYXNz\" x=\"\" agent=\"me\" body=\"\"\n",
		"curl -s -A me -T data URL/echo":                                    "PUT /echo type=\"\" auth=\"\" x=\"\" agent=\"me\" body=\"a\\nb\\r\\n\"\n",
		"curl -s -A me -L -d x URL/hop":                                     "GET /echo type=\"\" auth=\"\" x=\"\" agent=\"me\" body=\"\"\n",
		"curl -s -A me -L -d x URL/hop307":                                  "POST /echo type=\"application/x-www-form-urlencoded\" auth=\"\" x=\"\" agent=\"me\" body=\"x\"\n",
		"curl -s -A me --json {} URL/echo":                                  "POST /echo type=\"application/json\" auth=\"\" x=\"\" agent=\"me\" body=\"{}\"\n",
		"curl -s -F f=@data -F a=2 URL/form":                                "data=\"a\\nb\\r\\n\" a=\"2\"\n",
		"curl -s -o x -w %{http_code} URL/none":                             "404",
		"curl -s -o x -w %{http_code}:%{size_download}\\n URL/file.txt":     "200:12\n",
		"curl -sL -o x -w %{num_redirects}:%{url_effective} URL/hop":        "1:URL/echo",
		"curl -fsSL --proto =http --tlsv1.2 --retry 3 URL/file.txt":         "hello world\n",
		"curl -sI URL/file.txt":                                             "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: 12\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
		"curl -si URL/file.txt":                                             "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: 12\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello world\n",
	} {
		got := request(t, files, nil, strings.Fields(strings.ReplaceAll(line, "URL", server.URL))...)
		if want = strings.ReplaceAll(want, "URL", server.URL); got.status != 0 || got.stdout != want || got.stderr != "" {
			t.Errorf("%s: status %d, stderr %q\n got %q\nwant %q", line, got.status, got.stderr, got.stdout, want)
		}
	}
	got := request(t, files, nil, "curl", "-sS", "-o", "out", server.URL+"/file.txt", "-O", server.URL+"/file.txt")
	if got.status != 0 || got.file(t, "out") != "hello world\n" || got.file(t, "file.txt") != "hello world\n" || got.stdout != "" {
		t.Error(got)
	}
	verbose := request(t, nil, nil, "curl", "-sv", server.URL+"/file.txt")
	host := strings.TrimPrefix(server.URL, "http://")
	if !strings.Contains(verbose.stderr, "> GET /file.txt HTTP/1.1\r\n> Host: "+host+"\r\n") || !strings.Contains(verbose.stderr, "< HTTP/1.1 200 OK\r\n") {
		t.Error(verbose.stderr)
	}
}

func TestCurlFailures(t *testing.T) {
	server := httptest.NewServer(site())
	defer server.Close()
	port := closedPort(t)
	for line, want := range map[string]struct {
		status int
		stderr string
	}{
		"curl -f @@/none":            {22, "curl: (22) The requested URL returned error: 404\n"},
		"curl -sf @@/none":           {22, ""},
		"curl -sSL @@/loop":          {47, "curl: (47) Maximum (50) redirects followed\n"},
		"curl -sS ftp://x/y":         {1, "curl: (1) Protocol 'ftp' not supported or disabled\n"},
		"curl -sS --proto =https @@": {1, "curl: (1) Protocol 'http' not supported or disabled\n"},
		"curl -sS http://no.such/":   {6, "curl: (6) Could not resolve host: no.such\n"},
		"curl -sS 127.0.0.1:" + port: {7, "curl: (7) Failed to connect to 127.0.0.1 port " + port + ": Connection refused\n"},
		"curl -sS @@/cut":            {18, "curl: (18) transfer closed with outstanding read data remaining\n"},
		"curl -Z @@":                 {2, "curl: invalid option -- 'Z'\nTry 'curl --help' for more information.\n"},
		"curl --netrc @@":            {2, "curl: unrecognized option '--netrc'\nTry 'curl --help' for more information.\n"},
		"curl":                       {2, "curl: no URL specified\nTry 'curl --help' for more information.\n"},
		"curl -sSo none/x @@/echo":   {23, "curl: (23) Failure writing output to destination: none/x: No such file or directory\n"},
		"curl -sS @@/{a,b}":          {3, "curl: (3) patterns in URLs are not supported: '@@/{a,b}' (-g takes braces as they are)\n"},
	} {
		got := request(t, nil, nil, strings.Fields(strings.ReplaceAll(line, "@@", server.URL))...)
		if want.stderr = strings.ReplaceAll(want.stderr, "@@", server.URL); got.status != want.status || got.stderr != want.stderr {
			t.Errorf("%s: status %d %q, want %d %q", line, got.status, got.stderr, want.status, want.stderr)
		}
	}
}

// closedPort is a port of loopback that nobody listens at.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	return port
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(site())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	other := "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
	trusting := map[string]string{"/etc/ssl/certs/ca-certificates.crt": ca}
	for _, c := range []struct {
		files  map[string]string
		line   string
		status int
	}{
		{trusting, "curl -sS URL/file.txt", 0}, {trusting, "wget -qO- URL/file.txt", 0},
		{nil, "curl -sS URL/file.txt", 77}, {nil, "wget -qO- URL/file.txt", 5},
		{map[string]string{"/etc/ssl/certs/ca-certificates.crt": other}, "curl -sS URL/file.txt", 77},
		{map[string]string{"own": ca}, "curl -sS --cacert own URL/file.txt", 0}, {map[string]string{"own": ca}, "wget -qO- --ca-certificate=own URL/file.txt", 0},
		{nil, "curl -sSk URL/file.txt", 0}, {nil, "wget -qO- --no-check-certificate URL/file.txt", 0},
	} {
		p, stdout, stderr := newProcess(t, t.TempDir(), strings.Fields(strings.ReplaceAll(c.line, "URL", server.URL)))
		root := p.Files.Tree().View(rootfs.Cred{})
		if err := root.MkdirAll("/etc/ssl/certs", 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range c.files {
			view := root
			if name[0] != '/' {
				view = p.Files
			}
			if err := view.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if status := Lookup(p.Args[0])(p); status != c.status || (status == 0) != (stdout.String() == "hello world\n") {
			t.Errorf("%s: status %d, want %d: %q %q", c.line, status, c.status, stdout, stderr)
		}
	}
	// The certificate is for example.com and 127.0.0.1, not for this name.
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	got := request(t, map[string]string{"own": ca}, nil, "curl", "-sS", "--cacert", "own", "https://localhost:"+port+"/file.txt")
	if got.status != 60 || !strings.HasPrefix(got.stderr, "curl: (60) SSL certificate problem: ") {
		t.Error(got.status, got.stderr)
	}
}

// proxy is an HTTP proxy that keeps what it was asked for.
type proxy struct {
	mu    sync.Mutex
	asked []string
}

func (x *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	x.asked = append(x.asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
	x.mu.Unlock()
	if r.Method != http.MethodConnect {
		io.WriteString(w, "from the proxy\n")
		return
	}
	there, err := net.Dial("tcp", strings.Replace(r.RequestURI, "example.com", "127.0.0.1", 1))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		there.Close()
		return
	}
	io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { io.Copy(there, buffered); there.Close() }()
	io.Copy(here, there)
	here.Close()
}

func TestProxies(t *testing.T) {
	secure := httptest.NewTLSServer(site())
	defer secure.Close()
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	ca := map[string]string{"own": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))}
	for _, line := range []string{"curl -sS --cacert own", "wget -qO- --ca-certificate=own"} {
		x := &proxy{}
		server := httptest.NewServer(x)
		at := "http://u:p@" + server.Listener.Addr().String()
		env := []string{"http_proxy=" + at, "https_proxy=" + at, "no_proxy=.local,127.0.0.1", "HTTP_PROXY=http://127.0.0.1:1"}
		plain := request(t, ca, env, append(strings.Fields(line), "http://far.test/x")...)
		tunnel := request(t, ca, env, append(strings.Fields(line), "https://example.com:"+port+"/file.txt")...)
		direct := request(t, ca, env, append(strings.Fields(line), "https://127.0.0.1:"+port+"/file.txt")...)
		if plain.stdout != "from the proxy\n" || tunnel.stdout != "hello world\n" || direct.stdout != "hello world\n" {
			t.Errorf("%s: %q %q; %q %q; %q %q", line, plain.stdout, plain.stderr, tunnel.stdout, tunnel.stderr, direct.stdout, direct.stderr)
		}
		server.Close()
		if got, want := strings.Join(x.asked, "; "), "GET http://far.test/x Basic dTpw; CONNECT example.com:"+port+" Basic dTpw"; got != want {
			t.Errorf("%s: asked %s, want %s", line, got, want)
		}
	}
	got := request(t, nil, []string{"http_proxy=socks5://x"}, "curl", "-sS", "http://far.test/")
	if got.status != 5 || !strings.Contains(got.stderr, `unsupported proxy scheme "socks5"`) {
		t.Error(got.status, got.stderr)
	}
}

// memory is a network of pipes with one server on it, which needs no real time.
func memory(t *testing.T, h http.Handler) func(context.Context, string, string) (net.Conn, error) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		mine, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
			return mine, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestRetriesAndTimes(t *testing.T) {
	for line, want := range map[string]struct {
		status  int
		stdout  string
		stderr  string
		seconds int
	}{
		"curl --retry 3 http://x/flaky":                       {0, "at last\n", "Warning: Problem: HTTP error 503. Will retry in 1s. 3 retries left.\nWarning: Problem: HTTP error 503. Will retry in 2s. 2 retries left.\n", 3},
		"curl -s --retry 1 --retry-delay 5 -f http://x/flaky": {22, "", "", 5},
		"curl -sS -m 2.5 http://x/slow":                       {28, "", "curl: (28) Operation timed out after 2500 milliseconds with 0 bytes received\n", 2},
		"curl -sS --connect-timeout 4 http://gone/":           {28, "", "curl: (28) Failed to connect to gone port 80 after 4000 ms: Timeout was reached\n", 4},
		"wget -q -O - -T 3 -t 2 http://x/slow":                {4, "", "", 7},
		"wget -qO- -t 3 http://x/empty":                       {4, "", "", 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			mux := http.NewServeMux()
			mux.HandleFunc("/flaky", func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) <= 2 {
					http.Error(w, "not yet", http.StatusServiceUnavailable)
					return
				}
				io.WriteString(w, "at last\n")
			})
			mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			dial := memory(t, mux)
			p, stdout, stderr := newProcess(t, t.TempDir(), strings.Fields(line))
			p.System = &fakeSystem{p: p, network: func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasPrefix(address, "gone") {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return dial(ctx, network, address)
			}}
			begun := p.System.Now()
			status := Lookup(p.Args[0])(p)
			if took := int(p.System.Now().Sub(begun).Seconds()); status != want.status || stdout.String() != want.stdout || stderr.String() != want.stderr || took != want.seconds {
				t.Errorf("%s: status %d, %d s, %q %q", line, status, took, stdout, stderr)
			}
		})
	}
}

func TestWget(t *testing.T) {
	server := httptest.NewServer(site())
	defer server.Close()
	get := func(files map[string]string, line string, status int) outcome {
		t.Helper()
		got := request(t, files, nil, strings.Fields(strings.ReplaceAll(line, "URL", server.URL))...)
		if got.status != status {
			t.Errorf("%s: status %d, want %d: %s", line, got.status, status, got.stderr)
		}
		return got
	}
	for line, want := range map[string]string{
		"wget -qO- URL/file.txt":                              "hello world\n",
		"wget -q -O - -U me --header X-Test:1 URL/echo":       "GET /echo type=\"\" auth=\"\" x=\"1\" agent=\"me\" body=\"\"\n",
		"wget -qO- -U me --post-data=a=1 URL/echo":            "POST /echo type=\"application/x-www-form-urlencoded\" auth=\"\" x=\"\" agent=\"me\" body=\"a=1\"\n",
		"wget -qO- -U me --user=u --password=p URL/hop":       "GET /echo type=\"\" auth=\"Basic dTpw\" x=\"\" agent=\"me\" body=\"\"\n",
		"wget -q --spider URL/file.txt":                       "",
		"wget -qO- --method=PUT --body-data=z -U me URL/echo": "PUT /echo type=\"application/x-www-form-urlencoded\" auth=\"\" x=\"\" agent=\"me\" body=\"z\"\n",
	} {
		if got := get(nil, line, 0); got.stdout != want || got.stderr != "" {
			t.Errorf("%s: %q %q", line, got.stdout, got.stderr)
		}
	}
	if got := get(map[string]string{"file.txt": "old"}, "wget -q URL/file.txt", 0); got.file(t, "file.txt") != "old" || got.file(t, "file.txt.1") != "hello world\n" {
		t.Error("the file in the way was not kept")
	}
	if got := get(map[string]string{"file.txt": "HELLO"}, "wget -qc URL/file.txt", 0); got.file(t, "file.txt") != "HELLO world\n" {
		t.Errorf("continued: %q", got.file(t, "file.txt"))
	}
	if got := get(map[string]string{"file.txt": "old"}, "wget -nc URL/file.txt", 0); got.file(t, "file.txt") != "old" {
		t.Error("-nc overwrote")
	}
	if got := get(nil, "wget -q -P a/b URL/file.txt URL/echo?x=1", 0); got.file(t, "a/b/file.txt") != "hello world\n" || !strings.HasPrefix(got.file(t, "a/b/echo?x=1"), "GET /echo?x=1") {
		t.Error("-P")
	}
	if got := get(nil, "wget -O all -nv URL/file.txt URL/file.txt", 0); got.file(t, "all") != "hello world\nhello world\n" || !strings.Contains(got.stderr, "URL:"+server.URL+"/file.txt [12/12] -> \"all\" [1]\n") {
		t.Error(got.stderr)
	}
	if got := get(nil, "wget -S URL/file.txt", 0); !strings.Contains(got.stderr, "awaiting response... 200 OK\n  HTTP/1.1 200 OK\n  Accept-Ranges: bytes\n") || !strings.Contains(got.stderr, "Length: 12 [text/plain]\nSaving to: 'file.txt'\n") {
		t.Error(got.stderr)
	}
	get(nil, "wget -q URL/none", 8)
	get(nil, "wget -q --spider URL/none", 8)
	get(nil, "wget -q URL/loop", 8)
	get(nil, "wget -q http://no.such/", 4)
	get(nil, "wget -q http://127.0.0.1:"+closedPort(t), 4)
	get(nil, "wget -q -t 1 -O x URL/cut", 4)
	get(nil, "wget -q -O none/x URL/file.txt", 1)
	get(nil, "wget -q ftp://x/y", 1)
	if got := get(nil, "wget --mirror URL", 2); got.stderr != "wget: unrecognized option '--mirror'\nTry 'wget --help' for more information.\n" {
		t.Error(got.stderr)
	}
	if got := get(nil, "wget URL/none", 8); !strings.HasSuffix(got.stderr, " ERROR 404: Not Found.\n\n") {
		t.Error(got.stderr)
	}
	get(nil, "wget -nH URL", 2)
}

func TestKilledDownload(t *testing.T) {
	started, over := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		close(started)
		<-r.Context().Done()
		close(over)
	}))
	defer server.Close()
	for _, line := range []string{"curl -s", "wget -qO-"} {
		started, over = make(chan struct{}), make(chan struct{})
		p, _, _ := newProcess(t, t.TempDir(), append(strings.Fields(line), server.URL))
		ctx, cancel := context.WithCancel(t.Context())
		p.Context = ctx
		go func() { <-started; cancel() }()
		if status := Lookup(p.Args[0])(p); status == 0 {
			t.Error(line, "ended well")
		}
		<-over
	}
}

func TestNoProxyList(t *testing.T) {
	for entry, want := range map[string]bool{"*": true, "a.test": true, ".test": true, "test": true, "b.a.test": false, "est": false, "10.0.0.0/8": false, "a.test:80": true, "a.test:81": false} {
		u, _ := parseURL("http://a.test/")
		if got := bypasses("x.test, "+entry, u); got != want {
			t.Errorf("%s: %v", entry, got)
		}
	}
	u, _ := parseURL("http://10.1.2.3/")
	if !bypasses("10.0.0.0/8", u) {
		t.Error("network")
	}
}

func TestLongHeads(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 200<<10))
		io.WriteString(w, "ok")
	}))
	defer server.Close()
	if got := request(t, nil, nil, "curl", "-s", server.URL); got.stdout != "ok" {
		t.Error(got.status, got.stderr)
	}
	if got := request(t, nil, nil, "curl", "-si", server.URL); !strings.Contains(got.stdout, strings.Repeat("x", 200<<10)+"\r\n") {
		t.Error(len(got.stdout))
	}
}
