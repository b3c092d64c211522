package builtins

import (
	"bytes"
	"context"
	"io"
)

// blockSize is how much the text commands read and write at once.
const blockSize = 64 << 10

// liveReader fails once the command is killed, so that loops over a device that never ends do end.
type liveReader struct {
	ctx context.Context
	r   io.Reader
}

func (l liveReader) Read(b []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	return l.r.Read(b)
}

// openInput opens a file operand for reading; "-" is standard input, which closing leaves open.
func (p *Process) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(liveReader{p.Context, p.Stdin}), nil
	}
	f, err := p.Files.Open(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{liveReader{p.Context, f}, f}, nil
}

// forInputs calls each with every operand in turn, standard input if there is none. What cannot be opened or read is
// reported and makes the status 1; the others are still processed, unless the command has been killed.
func (p *Process) forInputs(names []string, each func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		r, err := p.openInput(name)
		if err == nil {
			err = each(name, r)
			r.Close()
		}
		if p.Context.Err() != nil {
			return 1
		}
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			status = 1
		}
	}
	return status
}

// lineReader cuts a stream into lines of any length.
type lineReader struct {
	r          io.Reader
	delim      byte
	buf        []byte
	start, end int
	err        error
}

func newLineReader(r io.Reader, delim byte) *lineReader {
	return &lineReader{r: r, delim: delim, buf: make([]byte, blockSize)}
}

// reset begins with another stream in the same memory.
func (l *lineReader) reset(r io.Reader) { *l = lineReader{r: r, delim: l.delim, buf: l.buf} }

// fill reads a first block, which peek then shows. At the end of the stream there is none, and no error.
func (l *lineReader) fill() error {
	n, err := io.ReadAtLeast(l.r, l.buf, 1)
	l.end = n
	if err == io.EOF {
		l.err, err = err, nil
	}
	return err
}

// peek is what is buffered.
func (l *lineReader) peek() []byte { return l.buf[l.start:l.end] }

// skip passes over the next n buffered bytes.
func (l *lineReader) skip(n int) { l.start += n }

// next returns the next line without its delimiter, valid until the following call, and whether the delimiter was
// there (it may be missing from the last line). The error is io.EOF after the last line.
func (l *lineReader) next() (line []byte, ended bool, err error) {
	scanned := l.start
	for {
		if i := bytes.IndexByte(l.buf[scanned:l.end], l.delim); i >= 0 {
			line = l.buf[l.start : scanned+i]
			l.start = scanned + i + 1
			return line, true, nil
		}
		if l.err != nil {
			if l.start < l.end {
				line = l.buf[l.start:l.end]
				l.start = l.end
				return line, false, nil
			}
			return nil, false, l.err
		}
		scanned = l.end - l.start
		if l.start > 0 {
			copy(l.buf, l.buf[l.start:l.end])
			l.start, l.end = 0, scanned
		}
		if l.end == len(l.buf) {
			l.buf = append(l.buf, make([]byte, len(l.buf))...)
		}
		var n int
		n, l.err = l.r.Read(l.buf[l.end:])
		l.end += n
	}
}

// buffered is how many bytes have been read from the stream and not been returned by next.
func (l *lineReader) buffered() int { return l.end - l.start }

// rest is what is left, what is buffered first.
func (l *lineReader) rest() io.Reader {
	return io.MultiReader(bytes.NewReader(l.buf[l.start:l.end]), l.r)
}

// eachLine calls fn for every line until it returns false. Its error is the stream's, nil at the end.
func eachLine(r io.Reader, delim byte, fn func(line []byte, ended bool) bool) error {
	l := newLineReader(r, delim)
	for {
		line, ended, err := l.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if !fn(line, ended) {
			return nil
		}
	}
}

// readLines reads all lines of a stream into memory of their own.
func readLines(r io.Reader, delim byte) ([][]byte, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return splitLines(data, delim), nil
}

// splitLines cuts data into lines without their delimiters; the last one may lack it.
func splitLines(data []byte, delim byte) [][]byte {
	lines := make([][]byte, 0, bytes.Count(data, []byte{delim})+1)
	for len(data) > 0 {
		i := bytes.IndexByte(data, delim)
		if i < 0 {
			return append(lines, data)
		}
		lines = append(lines, data[:i:i])
		data = data[i+1:]
	}
	return lines
}
