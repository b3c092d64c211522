package rootfs

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
)

// BenchmarkDelta is what an alternation between two sides costs, in a tree of 10,000 files of which some were changed.
func BenchmarkDelta(b *testing.B) {
	var entries []entry
	for i := range 10_000 {
		entries = append(entries, entry{name: fmt.Sprintf("usr/lib/dir%d/file%d", i%100, i), body: "a small file\n"})
	}
	dirs := layers(b, entries)
	for name, size := range map[string]int{"nothing": 0, "1MB": 1 << 20, "100MB": 100 << 20} {
		b.Run(name, func(b *testing.B) {
			o := openOverlay(b, dirs, filepath.Join(b.TempDir(), "upper"))
			v := rootView(o)
			for i := range 1000 { // since the image, which a later Delta must not look at
				if err := v.WriteFile(fmt.Sprint("/usr/lib/dir1/new", i), nil, 0o600); err != nil {
					b.Fatal(err)
				}
			}
			mark := o.Mark()
			for i := range 10 * min(size, 1) {
				if err := v.WriteFile(fmt.Sprint("/usr/lib/dir2/new", i), make([]byte, size/10), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := o.Delta(io.Discard, mark); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
