package mirror

import (
	"fmt"
	"testing"
)

// BenchmarkScan looks through a directory of 10,000 files.
func BenchmarkScan(b *testing.B) {
	here := b.TempDir()
	for i := range 10_000 {
		write(b, here, fmt.Sprintf("%d/%d", i%100, i), "x")
	}
	m, err := Open(Config{Source: here, ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.scan(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
