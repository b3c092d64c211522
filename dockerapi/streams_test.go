package dockerapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/sockerless/sockerless/runtime"
)

// streams is an engine whose streams are scripted.
type streams struct {
	Engine
	asked   chan any
	tty     bool
	result  func(ctx context.Context) (container.WaitResponse, error)
	run     func(ctx context.Context, stdin io.Reader, out func(byte, []byte) error) error
	next    func(ctx context.Context) (events.Message, error)
	pull    func(ctx context.Context, o runtime.PullOptions) error
	closing chan struct{}
}

type (
	scriptedWaiter streams
	scriptedStream streams
	scriptedEvents streams
)

func (s *streams) ContainerWait(_ context.Context, name, condition string) (Waiter, error) {
	s.asked <- name + " " + condition
	return (*scriptedWaiter)(s), nil
}

func (w *scriptedWaiter) Result(ctx context.Context) (container.WaitResponse, error) {
	return w.result(ctx)
}

func (s *streams) ContainerAttach(_ context.Context, _ string, o runtime.AttachOptions) (Attachment, error) {
	s.asked <- o
	return (*scriptedStream)(s), nil
}

func (s *streams) ExecStart(_ context.Context, _ string, o runtime.ExecStartOptions) (Attachment, error) {
	s.asked <- o
	return (*scriptedStream)(s), nil
}

func (s *streams) ContainerLogs(context.Context, string, runtime.LogsOptions) (Logs, error) {
	return (*scriptedStream)(s), nil
}

func (a *scriptedStream) TTY() bool { return a.tty }
func (a *scriptedStream) Close()    {}
func (a *scriptedStream) Run(ctx context.Context, stdin io.Reader, out func(byte, []byte) error) error {
	return a.run(ctx, stdin, out)
}
func (a *scriptedStream) Each(ctx context.Context, f func(byte, []byte) error) error {
	return a.run(ctx, nil, f)
}

func (s *streams) Events(_ context.Context, o runtime.EventsOptions) (Subscription, error) {
	s.asked <- o
	return (*scriptedEvents)(s), nil
}
func (e *scriptedEvents) Next(ctx context.Context) (events.Message, error) { return e.next(ctx) }
func (e *scriptedEvents) Close()                                           { close(e.closing) }

func (s *streams) ImagePull(ctx context.Context, o runtime.PullOptions) error { return s.pull(ctx, o) }

// The head comes before the container has ended; the result when it has; and the wait ends when the client leaves.
func TestWait(t *testing.T) {
	exit, left := make(chan container.WaitResponse), make(chan struct{}, 1)
	s := &streams{asked: make(chan any, 10), result: func(ctx context.Context) (container.WaitResponse, error) {
		select {
		case r := <-exit:
			return r, nil
		case <-ctx.Done():
			left <- struct{}{}
			return container.WaitResponse{}, ctx.Err()
		}
	}}
	path := socket(t, s)
	for _, stay := range []bool{true, false} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, "POST /v1.51/containers/c/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" {
			t.Fatal(res, err)
		}
		if asked := <-s.asked; asked != "c next-exit" {
			t.Errorf("asked %q", asked)
		}
		if !stay {
			c.Close()
			<-left
			continue
		}
		exit <- container.WaitResponse{StatusCode: 3}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != `{"StatusCode":3}`+"\n" {
			t.Errorf("%q %v", b, err)
		}
	}
	s = &streams{asked: s.asked, result: func(context.Context) (container.WaitResponse, error) {
		return container.WaitResponse{StatusCode: 1, Error: &container.WaitExitError{Message: "x"}}, nil
	}}
	path = socket(t, s)
	for line, want := range map[string]string{
		"POST /v1.51/containers/c/wait?condition=removed": `{"Error":{"Message":"x"},"StatusCode":1}` + "\n",
		"POST /v1.33/containers/c/wait?condition=removed": "",
	} {
		if got := ask(t, path, line, ""); got.status != 200 || got.body != want {
			t.Errorf("%s: %d %q", line, got.status, got.body)
		}
		if asked := <-s.asked; asked != "c removed" {
			t.Errorf("asked %q", asked)
		}
	}
	if ask(t, path, "POST /v1.29/containers/c/wait?condition=removed", ""); <-s.asked != "c " {
		t.Error("a client of 1.29 named a condition")
	}
}

func TestAttachWithTheRealClient(t *testing.T) {
	for _, tty := range []bool{false, true} {
		s := &streams{tty: tty, asked: make(chan any, 1), run: func(_ context.Context, stdin io.Reader, out func(byte, []byte) error) error {
			b, err := io.ReadAll(stdin)
			return errors.Join(err, out(1, append([]byte("out "), b...)), out(2, []byte("err")), out(1, nil))
		}}
		cli := dockerClient(t, socket(t, s))
		res, err := cli.ContainerAttach(t.Context(), "c", client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true, DetachKeys: "ctrl-x"})
		if err != nil {
			t.Fatal(err)
		}
		if asked := <-s.asked; asked != (runtime.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true, DetachKeys: "ctrl-x"}) {
			t.Errorf("asked %+v", asked)
		}
		io.WriteString(res.Conn, "in")
		res.CloseWrite()
		var out, errs bytes.Buffer
		if mediaType, _ := res.MediaType(); s.tty {
			out.ReadFrom(res.Reader)
			if mediaType != rawStream || out.String() != "out inerr" {
				t.Errorf("terminal: %s %q", mediaType, out.String())
			}
		} else {
			_, err = stdcopy.StdCopy(&out, &errs, res.Reader)
			if mediaType != multiplexedStream || err != nil || out.String() != "out in" || errs.String() != "err" {
				t.Errorf("%s %q %q %v", mediaType, out.String(), errs.String(), err)
			}
		}
		res.Close()
	}
}

func TestHijackContentTypes(t *testing.T) {
	s := &streams{asked: make(chan any, 1), run: func(_ context.Context, _ io.Reader, out func(byte, []byte) error) error {
		return errors.New("failed")
	}}
	path := socket(t, s)
	for _, test := range []struct{ line, headers, status, contentType string }{
		{"POST /exec/e/start", "Connection: Upgrade\r\nUpgrade: tcp\r\n", "101 UPGRADED", multiplexedStream},
		{"POST /v1.42/exec/e/start", "Connection: Upgrade\r\nUpgrade: tcp\r\n", "101 UPGRADED", multiplexedStream},
		{"POST /v1.41/exec/e/start", "Connection: Upgrade\r\nUpgrade: tcp\r\n", "101 UPGRADED", rawStream},
		{"POST /exec/e/start", "", "200 OK", rawStream},
		{"POST /containers/c/attach?stdout=1", "", "200 OK", rawStream},
	} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, test.line+" HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"+test.headers+"\r\n{}")
		c.(*net.UnixConn).CloseWrite()
		b, err := io.ReadAll(c)
		c.Close()
		head, body, _ := strings.Cut(string(b), "\r\n\r\n")
		if err != nil || !strings.HasPrefix(head, "HTTP/1.1 "+test.status+"\r\nContent-Type: "+test.contentType+"\r\n") || body != "\x01\x00\x00\x00\x00\x00\x00\x08failed\r\n" {
			t.Errorf("%s: %q %v", test.line, b, err)
		}
		<-s.asked
	}
}

func TestLogs(t *testing.T) {
	s := &streams{run: func(_ context.Context, _ io.Reader, out func(byte, []byte) error) error {
		return errors.Join(out(2, []byte("err\n")), out(1, []byte("out\n")))
	}}
	path := socket(t, s)
	got := ask(t, path, "GET /containers/c/logs?stdout=1&stderr=1", "")
	if got.status != 200 || got.header.Get("Content-Type") != multiplexedStream || got.body != "\x02\x00\x00\x00\x00\x00\x00\x04err\n\x01\x00\x00\x00\x00\x00\x00\x04out\n" {
		t.Errorf("%v", got)
	}
	if got := ask(t, path, "GET /v1.41/containers/c/logs?stdout=1", ""); got.header.Get("Content-Type") != rawStream || !strings.HasPrefix(got.body, "\x02") {
		t.Errorf("1.41: %v", got)
	}
	path = socket(t, &streams{tty: true, run: s.run})
	if got := ask(t, path, "GET /containers/c/logs?stdout=1", ""); got.header.Get("Content-Type") != rawStream || got.body != "err\nout\n" {
		t.Errorf("terminal: %v", got)
	}
}

// Each line of a log that is followed arrives before the next is written.
func TestLogsFollow(t *testing.T) {
	more := make(chan struct{})
	s := &streams{tty: true, run: func(ctx context.Context, _ io.Reader, out func(byte, []byte) error) error {
		for range more {
			if err := out(1, []byte("line\n")); err != nil {
				return err
			}
		}
		return nil
	}}
	res, err := dockerClient(t, socket(t, s)).ContainerLogs(t.Context(), "c", client.ContainerLogsOptions{ShowStdout: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	r := bufio.NewReader(res)
	for range 3 {
		more <- struct{}{}
		if line, err := r.ReadString('\n'); err != nil || line != "line\n" {
			t.Fatalf("%q %v", line, err)
		}
	}
	close(more)
	if b, err := io.ReadAll(r); err != nil || len(b) != 0 {
		t.Errorf("%q %v", b, err)
	}
}

func TestEvents(t *testing.T) {
	queue := make(chan events.Message, 2)
	s := &streams{asked: make(chan any, 1), closing: make(chan struct{}), next: func(ctx context.Context) (events.Message, error) {
		select {
		case m, ok := <-queue:
			if !ok {
				return m, io.EOF
			}
			return m, nil
		case <-ctx.Done():
			return events.Message{}, ctx.Err()
		}
	}}
	path := socket(t, s)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "GET /v1.51/events?since=1 HTTP/1.1\r\nHost: d\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.Header.Get("Content-Type") != "application/json" {
		t.Fatal(res, err)
	}
	lines := bufio.NewReader(res.Body)
	queue <- events.Message{Type: "container", Action: "start", Actor: events.Actor{ID: "i", Attributes: map[string]string{"image": "img"}}, Scope: "local", Time: 1, TimeNano: 2}
	line, err := lines.ReadString('\n')
	if want := `{"Action":"start","Actor":{"ID":"i","Attributes":{"image":"img"}},"Type":"container","from":"img","id":"i","scope":"local","status":"start","time":1,"timeNano":2}` + "\n"; err != nil || line != want {
		t.Errorf("%q %v", line, err)
	}
	queue <- events.Message{Type: "network", Action: "connect", Actor: events.Actor{ID: "n"}}
	if line, err := lines.ReadString('\n'); err != nil || strings.Contains(line, "status") {
		t.Errorf("%q %v", line, err)
	}
	c.Close()
	<-s.closing // the client has left
	<-s.asked

	s = &streams{asked: s.asked, closing: make(chan struct{}), next: s.next}
	path = socket(t, s)
	close(queue)
	if got := ask(t, path, "GET /events?until=1", ""); got.status != 200 || got.body != "" {
		t.Errorf("%v", got)
	}
	if asked := (<-s.asked).(runtime.EventsOptions); !asked.Until.Equal(time.Unix(1, 0)) || !asked.Since.IsZero() {
		t.Errorf("asked %+v", asked)
	}
}

func TestPull(t *testing.T) {
	asked := make(chan runtime.PullOptions, 1)
	s := &streams{} // its pull is replaced when the request before has been answered
	path := socket(t, s)
	const auth = "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6Ij8-In0" // {"username":"u","password":"?>"}
	s.pull = func(_ context.Context, o runtime.PullOptions) error {
		asked <- o
		o.Progress(jsonstream.Message{ID: "latest", Status: "Pulling from busybox"})
		o.Progress(jsonstream.Message{ID: "4e", Status: "Waiting", Progress: &jsonstream.Progress{}})
		o.Progress(jsonstream.Message{ID: "4e", Status: "Downloading", Progress: &jsonstream.Progress{Current: 36634, Total: 1149374}})
		return errors.New("connection lost")
	}
	got := ask(t, path, "POST /images/create?fromImage=127.0.0.1:5000/busybox&tag=latest&platform=linux/arm64", "", "X-Registry-Auth: "+auth)
	want := `{"status":"Pulling from busybox","id":"latest"}` + "\r\n" +
		`{"status":"Waiting","progressDetail":{},"id":"4e"}` + "\r\n" +
		`{"status":"Downloading","progressDetail":{"current":36634,"total":1149374},"id":"4e","progress":"[=>                                                 ]  36.63kB/1.149MB"}` + "\r\n" +
		`{"errorDetail":{"message":"connection lost"},"error":"connection lost"}` + "\r\n"
	if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v\n%s", got.status, got.header, got.body)
	}
	if o := <-asked; o.Reference != "127.0.0.1:5000/busybox:latest" || o.Platform != "linux/arm64" || o.Auth == nil || o.Auth.Username != "u" || o.Auth.Password != "?>" {
		t.Errorf("asked %+v", o)
	}

	s.pull = func(_ context.Context, o runtime.PullOptions) error {
		asked <- o
		return errdefs.ErrNotFound.WithMessage("no such thing")
	}
	digest := "sha256:" + strings.Repeat("0a", 32)
	got = ask(t, path, "POST /images/create?fromImage=busybox&tag="+digest, "", "X-Registry-Auth: null")
	if got.status != 404 || got.body != `{"message":"no such thing"}`+"\n" {
		t.Errorf("%v", got)
	}
	if o := <-asked; o.Reference != "busybox@"+digest || o.Auth != nil {
		t.Errorf("asked %+v", o)
	}

	left := make(chan error, 1)
	s.pull = func(ctx context.Context, o runtime.PullOptions) error {
		o.Progress(jsonstream.Message{Status: "begun"})
		<-ctx.Done()
		left <- ctx.Err()
		return ctx.Err()
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "POST /images/create?fromImage=a&tag=b HTTP/1.1\r\nHost: d\r\n\r\n")
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-left
}

func TestProgressBar(t *testing.T) {
	for want, p := range map[string]jsonstream.Progress{
		"":         {},
		"     12B": {Current: 12},
		"5 things": {Current: 5, Units: "things"},
		"[==================================================>]  1.149MB/1.149MB": {Current: 1149374, Total: 1149374},
		"[==>                                                ]  65.54kB/1.149MB": {Current: 65536, Total: 1149374},
		"[==================================================>]      3kB":         {Current: 3000, Total: 2000},
		"[=========================>                         ] 1/2 files":        {Current: 1, Total: 2, Units: "files"},
		"[>                                                  ] ":                 {Total: 2, HideCounts: true},
	} {
		if got := progressBar(&p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}
