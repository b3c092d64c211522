package dockerapi

import (
	"bufio"
	"io"
	"net"
	"testing"
)

// BenchmarkPing is /_ping on kept-alive connections of a unix socket: pings per second.
func BenchmarkPing(b *testing.B) {
	path := socket(b, nil)
	request := []byte("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("unix", path)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for pb.Next() {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			for { // the head ends with an empty line, the body is two bytes
				line, err := r.ReadSlice('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := io.CopyN(io.Discard, r, 2); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pings/s")
}
