package builtins

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

func tail(p *Process) int {
	opts, names, status, done := p.parseArgs(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Print the last 10 lines of each FILE to standard output.",
		options: []string{"c bytes=", "n lines=", "q quiet silent", "v verbose", "z zero-terminated", "f follow?", "F",
			"retry", "s sleep-interval=", "pid=", "max-unchanged-stats="},
	}, oldCount(p.Args, "-+")[1:])
	if done {
		return status
	}
	h := headTail{count: 10, delim: '\n', multiple: len(names) > 1}
	f := follower{p: p, interval: 200 * time.Millisecond}
	follow := false
	for _, o := range opts {
		switch o.name {
		case "c", "n":
			if !h.parseCount(p, o.value, "+", o.name == "c") {
				return 1
			}
		case "q":
			h.quiet, h.verbose = true, false
		case "v":
			h.verbose, h.quiet = true, false
		case "z":
			h.delim = 0
		case "f":
			follow = true
			if o.has && o.value != "name" && o.value != "descriptor" {
				p.Errorf("invalid argument %s for '--follow'", quote(o.value))
				return 1
			}
			f.byName = o.value == "name"
		case "F":
			follow, f.byName, f.retry = true, true, true
		case "retry":
			f.retry = true
		case "s":
			seconds, err := strconv.ParseFloat(o.value, 64)
			if err != nil || seconds < 0 {
				p.Errorf("invalid number of seconds: %s", quote(o.value))
				return 1
			}
			f.interval = max(time.Duration(seconds*float64(time.Second)), time.Millisecond)
		case "pid":
			pid, err := strconv.Atoi(o.value)
			if err != nil || pid < 0 {
				p.Errorf("invalid PID: %s", quote(o.value))
				return 1
			}
			f.pid = pid
		}
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	out := p.output()
	f.head, f.out = &h, out
	for i, name := range names {
		r, err := p.openInput(name)
		if err != nil {
			p.Errorf("cannot open %s for reading: %s", quoteName(name), strerror(err))
			status = 1
			if f.retry {
				f.files = append(f.files, &followed{name: name, index: i, gone: true})
			}
			continue
		}
		h.header(out, name)
		if err := h.tail(p, name, r, out); err != nil && p.Context.Err() == nil {
			p.Errorf("error reading %s: %s", quoteName(name), strerror(err))
			status = 1
			r.Close()
			continue
		}
		if follow && name != "-" {
			f.add(name, i)
		}
		r.Close()
	}
	if follow && out.Flush() == nil {
		status = max(status, f.run())
	}
	return out.finish(status)
}

// tail writes what is asked for of one input.
func (h *headTail) tail(p *Process, name string, r io.Reader, out *output) error {
	if h.minus {
		return h.fromStart(r, out)
	}
	if name != "-" {
		if f, err := p.Files.Open(name); err == nil {
			defer f.Close()
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				return h.fromEnd(f, info.Size(), out)
			}
		}
	}
	if h.bytes {
		return lastBytes(r, out, h.count)
	}
	var ring [][]byte
	at := 0
	err := eachLine(r, h.delim, func(line []byte, ended bool) bool {
		if h.count == 0 {
			return true
		}
		if int64(len(ring)) < h.count {
			ring = append(ring, bytes.Clone(line))
			if ended {
				ring[len(ring)-1] = append(ring[len(ring)-1], h.delim)
			}
			return true
		}
		ring[at] = append(ring[at][:0], line...)
		if ended {
			ring[at] = append(ring[at], h.delim)
		}
		at = (at + 1) % len(ring)
		return true
	})
	for i := range ring {
		out.Write(ring[(at+i)%len(ring)])
	}
	return err
}

// fromStart skips the first count-1 lines or bytes.
func (h *headTail) fromStart(r io.Reader, out *output) error {
	skip := max(h.count-1, 0)
	if h.bytes {
		if _, err := io.CopyN(io.Discard, r, skip); err != nil && err != io.EOF {
			return err
		}
		return copyText(r, out)
	}
	lines := newLineReader(r, h.delim)
	for ; skip > 0; skip-- {
		if _, _, err := lines.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return copyText(lines.rest(), out)
}

// copyText copies until the end of r, whose error it returns; a broken output ends it too.
func copyText(r io.Reader, out *output) error {
	buf := make([]byte, blockSize)
	for {
		n, err := r.Read(buf)
		out.Write(buf[:n])
		if err == io.EOF || out.broken() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func lastBytes(r io.Reader, out *output, n int64) error {
	var held []byte
	buf := make([]byte, blockSize)
	for {
		m, err := r.Read(buf)
		held = append(held, buf[:m]...)
		if over := int64(len(held)) - n; over > n+blockSize {
			held = append(held[:0], held[over:]...)
		}
		if err == io.EOF {
			out.Write(held[max(int64(len(held))-n, 0):])
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fromEnd reads a regular file backwards, block by block, until it has enough.
func (h *headTail) fromEnd(f *rootfs.File, size int64, out *output) error {
	start := max(size-h.count, 0)
	if !h.bytes {
		var err error
		if start, err = lineStart(f, size, h.count, h.delim); err != nil {
			return err
		}
	}
	return copyText(io.NewSectionReader(f, start, size-start), out)
}

// lineStart is the offset at which the last count lines begin.
func lineStart(f io.ReaderAt, size, count int64, delim byte) (int64, error) {
	if count == 0 {
		return size, nil
	}
	buf := make([]byte, blockSize)
	end := size
	for end > 0 {
		from := max(end-blockSize, 0)
		block := buf[:end-from]
		if _, err := f.ReadAt(block, from); err != nil && err != io.EOF {
			return 0, err
		}
		for i := len(block) - 1; i >= 0; i-- {
			if block[i] != delim || from+int64(i) == size-1 {
				continue
			}
			if count--; count == 0 {
				return from + int64(i) + 1, nil
			}
		}
		end = from
	}
	return 0, nil
}
