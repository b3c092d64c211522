package dockerapi

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// fasthttp leaves the clock of its Date header, and for ten seconds the sweeper of its idle workers.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// socket serves an engine on a unix socket until the test's end. An engine is scripted by a struct that embeds the interface and
// has the methods that the test expects to be called; any other call is a panic, answered with 500.
func socket(t testing.TB, e Engine) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Engine: e, Version: "0.0-test"})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return path
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request, "METHOD /path" and header lines, and reads the answer. A body makes it a JSON request unless a header
// says otherwise.
func ask(t testing.TB, path, line, body string, headers ...string) answer {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	method, url, _ := strings.Cut(line, " ")
	request, err := http.NewRequest(method, "http://d"+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	if err := request.Write(c); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), request)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v after %q", line, err, b)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// dockerClient is the real client, at the newest version that both speak.
func dockerClient(t *testing.T, path string) *client.Client {
	t.Helper()
	cli, err := client.New(client.WithHost("unix://" + path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}
