package rootfs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func benchView(b *testing.B) *View {
	var all [][]entry
	for l := range 3 {
		var entries []entry
		for i := range 300 {
			entries = append(entries, entry{name: fmt.Sprintf("usr/lib/dir/file%d-%d", l, i), body: "a small file\n"})
		}
		all = append(all, entries)
	}
	return rootView(openOverlay(b, layers(b, all...), filepath.Join(b.TempDir(), "upper")))
}

func BenchmarkLookup(b *testing.B) {
	v := benchView(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Stat("/usr/lib/dir/file0-123"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSmallFile(b *testing.B) {
	v := benchView(b)
	buf := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		f, err := v.Open("/usr/lib/dir/file0-123")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Read(buf); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkWriteSmallFile(b *testing.B) {
	v := benchView(b)
	data := []byte("a small file\n")
	b.ReportAllocs()
	for b.Loop() {
		if err := v.WriteFile("/usr/lib/dir/new", data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	v := benchView(b)
	f, err := v.OpenFile("/big", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 64<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if off, _ := f.Seek(0, io.SeekCurrent); off > 1<<28 {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkHostLookup(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b/c/d"), 0o755); err != nil {
		b.Fatal(err)
	}
	f, err := NewHostDir(dir, HostOptions{})
	if err != nil {
		b.Fatal(err)
	}
	v := rootView(f)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Stat("/a/b/c/d"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenOverlay(b *testing.B) {
	dirs := imageLayers(b)
	upper := b.TempDir()
	keep := openOverlay(b, dirs, "")
	b.ReportAllocs()
	for b.Loop() {
		o, err := OpenOverlay(dirs, upper+"/upper")
		if err != nil {
			b.Fatal(err)
		}
		o.Close()
	}
	_ = keep
}
