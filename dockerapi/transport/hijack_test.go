package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

func frame(stream byte, s string) []byte {
	b := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], uint32(len(s)))
	return append(b, s...)
}

// The real client half-closes its side, and gets output after that; the server half-closes its side, and gets input after that.
func TestHalfCloseWithTheRealClient(t *testing.T) {
	for _, mode := range []string{"unix", "tcp"} {
		t.Run(mode, func(t *testing.T) {
			stdin := make(chan string, 1)
			network, address := serveOn(t, mode, func(w *Response, r *Request) error {
				switch {
				case strings.HasSuffix(r.Path(), "/attach"):
					return w.Hijack("application/vnd.docker.multiplexed-stream", func(_ context.Context, c *Conn) error {
						b, err := io.ReadAll(c)
						if err != nil {
							return err
						}
						stdin <- string(b)
						c.Write(frame(1, "out:"+string(b)))
						_, err = c.Write(frame(2, "err"))
						return err
					})
				case strings.HasSuffix(r.Path(), "/start"):
					body, err := io.ReadAll(r.Body(1 << 10))
					if err != nil {
						return err
					}
					return w.Hijack("application/vnd.docker.raw-stream", func(_ context.Context, c *Conn) error {
						c.Write(body)
						if err := c.CloseWrite(); err != nil {
							return err
						}
						b, err := io.ReadAll(c)
						stdin <- string(b)
						return err
					})
				}
				w.SetHeader("Ostype", "linux")
				w.Send(200, "text/plain", nil)
				return nil
			})
			cli, err := client.New(client.WithHost(network + "://" + address))
			if err != nil {
				t.Fatal(err)
			}
			defer cli.Close()
			res, err := cli.ContainerAttach(t.Context(), "abc", client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
			if err != nil {
				t.Fatal(err)
			}
			defer res.Close()
			io.WriteString(res.Conn, "hello ")
			io.WriteString(res.Conn, "world")
			if err := res.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			var out, errs strings.Builder
			if _, err := stdcopy.StdCopy(&out, &errs, res.Reader); err != nil {
				t.Fatal(err)
			}
			if got := <-stdin; got != "hello world" || out.String() != "out:hello world" || errs.String() != "err" {
				t.Errorf("stdin %q, stdout %q, stderr %q", got, out.String(), errs.String())
			}

			exec, err := cli.ExecAttach(t.Context(), "e1", client.ExecAttachOptions{TTY: true})
			if err != nil {
				t.Fatal(err)
			}
			defer exec.Close()
			body, err := io.ReadAll(exec.Reader) // ends with the server's half
			if err != nil || !strings.Contains(string(body), `"Tty":true`) {
				t.Errorf("%q %v", body, err)
			}
			if _, err := io.WriteString(exec.Conn, "late"); err != nil {
				t.Fatal(err)
			}
			exec.CloseWrite()
			if got := <-stdin; got != "late" {
				t.Errorf("late stdin %q", got)
			}
		})
	}
}

// Bytes behind the head are input, however they arrive, and whatever the client says about the connection.
func TestHijackKeepsEarlyInput(t *testing.T) {
	network, address := serveOn(t, "unix", func(w *Response, r *Request) error {
		if r.Path() == "/read" {
			if _, err := io.ReadAll(r.Body(1 << 10)); err != nil {
				return err
			}
		}
		return w.Hijack("x/y", func(_ context.Context, c *Conn) error {
			b, err := io.ReadAll(c)
			io.WriteString(c, "echo:"+string(b))
			return err
		})
	})
	const ok, upgraded = "HTTP/1.1 200 OK", "HTTP/1.1 101 UPGRADED"
	for _, test := range []struct{ request, status string }{
		{"POST /read HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", upgraded},
		{"POST /read HTTP/1.1\r\nHost:\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", upgraded},
		{"POST /read HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n", ok},
		{"POST /read HTTP/1.0\r\nHost: d\r\n\r\n", ok},
		{"POST /read HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}", ok},
		{"POST /unread HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}", ok},
		{"POST /read HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", ok},
		{"POST /unread HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", ok},
	} {
		got := roundTrip(t, network, address, test.request+"early+late")
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if body != "echo:early+late" || !strings.HasPrefix(head, test.status+"\r\n") {
			t.Errorf("%q: %q", test.request, got)
		}
		if !strings.Contains(head, "\r\nContent-Type: x/y\r\nApi-Version: 1.51") || strings.Contains(head, "Content-Length") || strings.Contains(head, "Transfer-Encoding") {
			t.Errorf("%q: head %q", test.request, head)
		}
		if strings.Contains(head, "\r\nConnection: Upgrade\r\nUpgrade: tcp") != (test.status == upgraded) {
			t.Errorf("%q: head %q", test.request, head)
		}
	}
}

// Output reaches a client that keeps sending: the connection is not reset under it.
func TestHijackEndsWithUnreadInput(t *testing.T) {
	for _, mode := range []string{"unix", "tcp"} {
		left := make(chan error, 1)
		network, address := serveOn(t, mode, func(w *Response, _ *Request) error {
			return w.Hijack("x/y", func(_ context.Context, c *Conn) error {
				go func() { // a reader that is left behind
					_, err := io.Copy(io.Discard, c)
					left <- err
				}()
				_, err := io.WriteString(c, strings.Repeat("o", 200_000))
				return err
			})
		})
		c := dial(t, network, address)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"+strings.Repeat("i", 100_000))
		b, err := io.ReadAll(c)
		if err != nil || !strings.HasSuffix(string(b), strings.Repeat("o", 200_000)) {
			t.Errorf("%s: %d bytes, %v", mode, len(b), err)
		}
		c.Close()
		if err := <-left; err != nil && errors.Is(err, io.EOF) {
			t.Errorf("%s: the reader ended with %v", mode, err)
		}
	}
}
