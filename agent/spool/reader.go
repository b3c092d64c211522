package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Reader reads a spool that another process may be writing.
type Reader struct {
	file  *os.File
	ahead readAhead
	body  []byte // the last record was read into it
}

// OpenReader opens the spool at path. A spool that does not exist yet is empty.
func OpenReader(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open output spool: %w", err)
	}
	return &Reader{file: f, ahead: readAhead{file: f}}, nil
}

// Next reads the record at offset; io.EOF where there is none (yet). Its data is valid until the next call.
func (r *Reader) Next(offset int64) (Record, error) {
	if r.file == nil {
		return Record{}, io.EOF
	}
	rec, err := readRecord(&r.ahead, offset, &r.body)
	if err != nil {
		r.ahead.forget()
	}
	if errors.Is(err, errTorn) { // being written, or torn by a crash: either way there is no record yet
		err = io.EOF
	}
	return rec, err
}

// Before reads the record that ends at offset; io.EOF at the start of the spool.
func (r *Reader) Before(offset int64) (Record, error) {
	if r.file == nil {
		return Record{}, io.EOF
	}
	return recordBefore(r.file, offset)
}

// End is the offset behind the last whole record.
func (r *Reader) End() (int64, error) {
	if r.file == nil {
		return 0, nil
	}
	info, err := r.file.Stat()
	if err != nil {
		return 0, err
	}
	return sound(r.file, info.Size())
}

// Close releases the file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// readAhead reads a file in larger pieces than it is asked for, so that a log of short lines takes few system calls.
type readAhead struct {
	file  io.ReaderAt
	at    int64 // of piece in the file
	piece []byte
}

// Sizes of what is read at once: little by those who follow a quiet log, more while there is more to read.
const (
	firstAhead = 4 << 10
	fullAhead  = 256 << 10 // some of the longest records
)

// ReadAt reads what is known or, again, the file.
func (a *readAhead) ReadAt(p []byte, offset int64) (int, error) {
	if skip := offset - a.at; skip >= 0 && skip+int64(len(p)) <= int64(len(a.piece)) {
		return copy(p, a.piece[skip:]), nil
	}
	size := max(firstAhead, cap(a.piece), len(p))
	if full := len(a.piece) == cap(a.piece); full && size > firstAhead {
		size = fullAhead
	} else if full && cap(a.piece) > 0 {
		size = 8 * firstAhead
	}
	if cap(a.piece) < size {
		a.piece = make([]byte, 0, size)
	}
	n, err := a.file.ReadAt(a.piece[:cap(a.piece)], offset)
	a.piece, a.at = a.piece[:n], offset
	if n >= len(p) {
		return copy(p, a.piece), nil
	}
	return copy(p, a.piece), err
}

// forget lets what was read be read again: the writer may have taken it back.
func (a *readAhead) forget() { a.piece = a.piece[:0] }
