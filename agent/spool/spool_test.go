package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func readAll(t *testing.T, path string, from int64) (out []byte, end int64) {
	t.Helper()
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next(from)
		if errors.Is(err, io.EOF) {
			return out, from
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec.Data...)
		from = rec.Next
	}
}

func TestNothingIsMadeBeforeTheFirstWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c", "log")
	w := NewWriter(path)
	if end, err := w.End(); end != 0 || err != nil {
		t.Fatalf("End = %d, %v", end, err)
	}
	if out, _ := readAll(t, path, 0); len(out) != 0 {
		t.Fatalf("read %q", out)
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Fatalf("folder exists: %v", err)
	}
}

func TestForwardBackwardAndResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := NewWriter(path)
	big := strings.Repeat("x", MaxData+10)
	for _, s := range []string{"one\n", "two\n", big} {
		if n, err := w.Write(1, []byte(s)); n != len(s) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if _, err := w.Write(2, []byte("err")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, end := readAll(t, path, 0)
	if want := "one\ntwo\n" + big + "err"; string(out) != want {
		t.Fatalf("read %d bytes, want %d", len(out), len(want))
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var back []string
	for at := end; ; {
		rec, err := r.Before(at)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		back = append(back, string(rec.Data))
		at = rec.Offset
	}
	if len(back) != 5 || back[0] != "err" || back[4] != "one\n" {
		t.Fatalf("backwards: %d records, first %q", len(back), back[0])
	}
	first, err := r.Next(0)
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := readAll(t, path, first.Next); !bytes.HasPrefix(rest, []byte("two\n")) {
		t.Fatalf("resumed at %q", rest[:4])
	}
}

// A crash may leave any prefix of the last record: it is cut off, what is whole stays, and the next record is found.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "whole")
	w := NewWriter(path)
	_, _ = w.Write(1, []byte("first"))
	keep, _ := w.End()
	_, _ = w.Write(2, []byte("second"))
	_ = w.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := keep; cut < int64(len(whole)); cut++ {
		torn := filepath.Join(dir, "torn")
		if err := os.WriteFile(torn, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		w := NewWriter(torn)
		if end, err := w.End(); end != keep || err != nil {
			t.Fatalf("cut at %d: End = %d, %v, want %d", cut, end, err, keep)
		}
		if _, err := w.Write(1, []byte("third")); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		if out, _ := readAll(t, torn, 0); string(out) != "firstthird" {
			t.Fatalf("cut at %d: read %q", cut, out)
		}
	}
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := NewWriter(path)
	const lines = 2000
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			var got []byte
			var at int64
			for {
				more, err := w.Wait(context.Background(), at)
				if err != nil {
					t.Error(err)
					return
				}
				if !more {
					break
				}
				var out []byte
				out, at = readAll(t, path, at)
				got = append(got, out...)
			}
			if want := strings.Repeat("line\n", lines); string(got) != want {
				t.Errorf("followed %d bytes, want %d", len(got), len(want))
			}
		})
	}
	for range lines {
		if _, err := w.Write(1, []byte("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// What a reader has read ahead is not what it believes once the writer has taken it back.
func TestReaderSeesWhatReplacesATornRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := NewWriter(path)
	_, _ = w.Write(1, []byte("first"))
	end, _ := w.End()
	_, _ = w.Write(1, []byte("a record that is longer than the next one"))
	_ = w.Close()
	if err := os.Truncate(path, end+headerSize+3); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if rec, err := r.Next(0); err != nil || string(rec.Data) != "first" {
		t.Fatalf("Next = %q, %v", rec.Data, err)
	}
	if _, err := r.Next(end); !errors.Is(err, io.EOF) {
		t.Fatalf("a torn record: %v", err)
	}
	w = NewWriter(path)
	_, _ = w.Write(2, []byte("second"))
	_ = w.Close()
	if rec, err := r.Next(end); err != nil || string(rec.Data) != "second" || rec.Stream != 2 {
		t.Fatalf("Next = %q, %v", rec.Data, err)
	}
}
