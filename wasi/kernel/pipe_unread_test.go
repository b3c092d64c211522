package kernel

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// TestUnread reads ahead by random amounts and gives back what is too much: what the last reader sees is what was written.
func TestUnread(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 3*PipeSize)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	r, w := NewPipe()
	go func() {
		_, _ = w.Write(t.Context(), data)
		_ = w.Close()
	}()
	var got []byte
	for buf := make([]byte, 2*PipeSize); ; {
		n, err := r.Read(t.Context(), buf[:1+random.IntN(len(buf)-1)])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		keep := random.IntN(n + 1)
		if keep == 0 {
			keep = 1
		}
		if !r.Unread(buf[keep:n]) {
			t.Fatal("a pipe takes nothing back")
		}
		got = append(got, buf[:keep]...)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came, of %d, or others", len(got), len(data))
	}
}
