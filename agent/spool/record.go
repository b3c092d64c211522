package spool

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"
)

// MaxData is the most bytes that one record holds; longer writes become several records.
const MaxData = 64 << 10

// A record is a header of 16 bytes (length of the data, stream, three zero bytes, Unix nanoseconds), the data,
// and the length once more, so that the file can be read backwards.
const (
	headerSize  = 16
	trailerSize = 4
)

// Record is one piece of output.
type Record struct {
	Offset int64 // of the record in the file
	Next   int64 // offset of the record behind it
	Time   time.Time
	Stream uint8 // 1 standard output, 2 standard error
	Data   []byte
}

func recordSize(data int) int64 { return headerSize + int64(data) + trailerSize }

func encode(buf []byte, stream uint8, at time.Time, data []byte) []byte {
	buf = binary.LittleEndian.AppendUint32(buf[:0], uint32(len(data)))
	buf = append(buf, stream, 0, 0, 0)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(at.UnixNano()))
	buf = append(buf, data...)
	return binary.LittleEndian.AppendUint32(buf, uint32(len(data)))
}

// errTorn says that what stands at an offset is not a whole record.
var errTorn = errors.New("torn record")

// readRecord reads the record at offset, its data into buf, which grows as needed; io.EOF where the file ends, errTorn where
// no whole record stands.
func readRecord(f io.ReaderAt, offset int64, buf *[]byte) (Record, error) {
	var header [headerSize]byte
	switch n, err := f.ReadAt(header[:], offset); {
	case n == 0 && errors.Is(err, io.EOF):
		return Record{}, io.EOF
	case n < headerSize && errors.Is(err, io.EOF):
		return Record{}, errTorn
	case n < headerSize:
		return Record{}, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	stream := header[4]
	if length == 0 || length > MaxData || stream == 0 || stream > 2 {
		return Record{}, errTorn
	}
	*buf = slices.Grow((*buf)[:0], int(length)+trailerSize)
	body := (*buf)[:int(length)+trailerSize]
	if n, err := f.ReadAt(body, offset+headerSize); n < len(body) {
		if errors.Is(err, io.EOF) {
			return Record{}, errTorn
		}
		return Record{}, err
	}
	if binary.LittleEndian.Uint32(body[length:]) != length {
		return Record{}, errTorn
	}
	return Record{
		Offset: offset,
		Next:   offset + recordSize(int(length)),
		Time:   time.Unix(0, int64(binary.LittleEndian.Uint64(header[8:]))),
		Stream: stream,
		Data:   body[:length:length],
	}, nil
}

// sound returns the offset behind the last whole record of a file of the given size.
func sound(f io.ReaderAt, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	if r, err := recordBefore(f, size); err == nil {
		return r.Next, nil
	}
	// The tail is torn: only a walk from the start finds the last whole record for certain.
	var at int64
	for {
		r, err := readRecord(f, at, new([]byte))
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			return at, nil
		}
		if err != nil {
			return 0, err
		}
		at = r.Next
	}
}

// recordBefore reads the record that ends at offset.
func recordBefore(f io.ReaderAt, offset int64) (Record, error) {
	if offset < recordSize(1) {
		return Record{}, io.EOF
	}
	var trailer [trailerSize]byte
	if _, err := f.ReadAt(trailer[:], offset-trailerSize); err != nil {
		return Record{}, err
	}
	start := offset - recordSize(int(binary.LittleEndian.Uint32(trailer[:])))
	if start < 0 {
		return Record{}, errTorn
	}
	r, err := readRecord(f, start, new([]byte))
	if err == nil && r.Next != offset {
		err = errTorn
	}
	return r, err
}
