package session_test

import (
	"context"
	"net"
	"testing"

	"github.com/sockerless/sockerless/agent/session"
)

func BenchmarkStream(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		b.Run(network, func(b *testing.B) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = b.TempDir() + "/s"
			}
			raw, err := net.Listen(network, address)
			if err != nil {
				b.Fatal(err)
			}
			l := session.Listen(raw, session.Config{})
			client, server := pair(b, l, &session.Dialer{Dial: func(ctx context.Context) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, raw.Addr().String())
			}})
			measure(b, client, server)
			_ = l.Close()
		})
		b.Run(network+"-raw", func(b *testing.B) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = b.TempDir() + "/s"
			}
			raw, err := net.Listen(network, address)
			if err != nil {
				b.Fatal(err)
			}
			defer raw.Close()
			client, err := net.Dial(network, raw.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			server, err := raw.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			measure(b, client, server)
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	l, dial := listen(b, session.Config{})
	client, server := pair(b, l, &session.Dialer{Dial: dial})
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, 64)
		for {
			if _, err := server.Read(p); err != nil {
				return
			}
			if _, err := server.Write(p); err != nil {
				return
			}
		}
	}()
	p := make([]byte, 64)
	for b.Loop() {
		if _, err := client.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := client.Read(p); err != nil {
			b.Fatal(err)
		}
	}
	_ = client.Close()
	<-done
}

// measure sends pieces of 64 KiB from client to server.
func measure(b *testing.B, client, server net.Conn) {
	const size = 64 << 10
	total := 0
	ready := make(chan int)
	go func() {
		p := make([]byte, 128<<10)
		got := 0
		for {
			n, err := server.Read(p)
			if got += n; err != nil {
				ready <- got
				return
			}
		}
	}()
	p := make([]byte, size)
	b.SetBytes(size)
	for b.Loop() {
		if _, err := client.Write(p); err != nil {
			b.Fatal(err)
		}
		total += size
	}
	_ = client.Close()
	if got := <-ready; got != total {
		b.Fatalf("%d of %d bytes came", got, total)
	}
}
