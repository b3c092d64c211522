package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/e2e/golden"
)

// recordedRegistry is where the recordings' registry was; ours is elsewhere.
const recordedRegistry = "127.0.0.1:5000"

// TestGolden makes the calls that were recorded on dockerd 28.5, in their order, and compares the answers field by field.
// What differs on purpose is listed with its reason in package golden.
func TestGolden(t *testing.T) {
	s := runningServer(t)
	for _, r := range []struct{ method, path string }{ // the image that the recorder found
		{"POST", "/images/create?fromImage=" + registryHost + "/bb&tag=latest"},
		{"POST", "/images/" + registryHost + "/bb:latest/tag?repo=bb&tag=latest"},
		{"DELETE", "/images/" + registryHost + "/bb:latest"},
		{"DELETE", "/images/sockerless/base"},
	} {
		if got := s.ask(t, r.method, "/v1.51"+r.path, "", nil); got.Status >= 300 {
			t.Fatalf("%s: %d %s", r.path, got.Status, got.Body)
		}
	}
	recordings, err := golden.Load()
	if err != nil {
		t.Fatal(err)
	}
	var run golden.Replay
	explained := 0
	for _, r := range recordings {
		if strings.HasSuffix(r.Name, "container-inspect-running") {
			s.waitHealthy(t, "g2") // as the recorder did
		}
		got := s.replay(t, &run, r)
		run.Learn(r, got)
		differences, err := golden.Compare(r, got, golden.Explanations())
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		for _, d := range differences {
			if d.Reason == "" {
				t.Error(d)
			} else {
				explained++
			}
		}
	}
	t.Logf("%d recordings, %d explained differences", len(recordings), explained)
}

func (s *server) replay(t *testing.T, run *golden.Replay, r golden.Recording) golden.Answer {
	t.Helper()
	contentType, body, err := golden.Body(r)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.ReplaceAll(run.Path(r), recordedRegistry, registryHost)
	body = bytes.ReplaceAll(body, []byte(recordedRegistry), []byte(registryHost))
	var got golden.Answer
	if len(r.RawHead) > 0 {
		got = s.hijack(t, path, body, r.Request.Sent)
	} else {
		got = s.ask(t, r.Request.Method, path, contentType, body)
	}
	got.Body = bytes.ReplaceAll(got.Body, []byte(registryHost), []byte(recordedRegistry))
	return got
}

// waitHealthy waits for a container's first health check.
func (s *server) waitHealthy(t *testing.T, name string) {
	t.Helper()
	for {
		got := s.ask(t, "GET", "/v1.51/containers/"+name+"/json", "", nil)
		var c struct {
			State struct{ Health struct{ Status string } }
		}
		if err := json.Unmarshal(got.Body, &c); err != nil {
			t.Fatal(err)
		}
		if c.State.Health.Status == "healthy" {
			return
		}
	}
}

// ask makes one call on a connection of its own.
func (s *server) ask(t *testing.T, method, path, contentType string, body []byte) golden.Answer {
	t.Helper()
	conn, err := net.Dial("unix", s.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n", method, path, len(body))
	if contentType != "" {
		fmt.Fprintf(conn, "Content-Type: %s\r\n", contentType)
	}
	fmt.Fprintf(conn, "\r\n%s", body)
	return answer(t, method+" "+path, method, bufio.NewReader(conn))
}

// answer reads an answer to its end.
func answer(t *testing.T, what, method string, r *bufio.Reader) golden.Answer {
	t.Helper()
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer response.Body.Close()
	var body []byte
	if response.StatusCode == http.StatusSwitchingProtocols {
		body, err = io.ReadAll(r)
	} else {
		body, err = io.ReadAll(response.Body)
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	header := map[string]string{}
	for k := range response.Header {
		header[k] = response.Header.Get(k)
	}
	return golden.Answer{Status: response.StatusCode, Header: header, Body: body}
}

// hijack makes a call that upgrades its connection, sends what the recorder sent, and reads to the end.
func (s *server) hijack(t *testing.T, path string, body []byte, sent string) golden.Answer {
	t.Helper()
	conn, err := net.Dial("unix", s.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if bytes.Equal(body, []byte("null")) {
		body = nil
	}
	fmt.Fprintf(conn, "POST /v1.51%s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: %d\r\n\r\n%s",
		strings.TrimPrefix(path, "/v1.51"), len(body), body)
	if sent != "" {
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	return answer(t, path, "POST", bufio.NewReader(conn))
}
