package builtins

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// errNoCodec says that a compression is not in this program.
var errNoCodec = errors.New("this compression is not supported by this implementation (gzip, zstd, xz and lzma are; bzip2 can be read)")

// methodOf is the compression that a file's name asks for, "" for none.
func methodOf(name string) string {
	for suffix, method := range map[string]string{".gz": "gzip", ".tgz": "gzip", ".taz": "gzip", ".bz2": "bzip2", ".tbz": "bzip2", ".tbz2": "bzip2", ".tz2": "bzip2",
		".xz": "xz", ".txz": "xz", ".zst": "zstd", ".tzst": "zstd", ".lzma": "lzma", ".Z": "compress", ".lz": "lzip"} {
		if strings.HasSuffix(name, suffix) {
			return method
		}
	}
	return ""
}

// compressor writes in a compressed form; closing it does not close w.
func compressor(method string, level int, w io.Writer) (io.WriteCloser, error) {
	switch method {
	case "":
		return nopWriteCloser{w}, nil
	case "gzip":
		return gzip.NewWriterLevel(w, level)
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case "xz":
		return xz.NewWriter(w)
	case "lzma":
		return lzma.NewWriter(w)
	}
	return nil, fmt.Errorf("%s: %w", method, errNoCodec)
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

// decompressor reads what a compressor wrote, which the first bytes tell; method is what the caller asked for, "" to
// take what comes.
func decompressor(method string, r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, blockSize)
	start, _ := in.Peek(6)
	found := ""
	for name, magic := range map[string]string{"gzip": "\x1f\x8b", "bzip2": "BZh", "xz": "\xfd7zXZ\x00", "zstd": "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(start, []byte(magic)) {
			found = name
		}
	}
	if method == "" || found != "" {
		method = found
	}
	switch method {
	case "":
		return in, nil
	case "gzip":
		return gzip.NewReader(in)
	case "bzip2":
		return bzip2.NewReader(in), nil
	case "zstd":
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d, nil
	case "xz":
		return xz.NewReader(in)
	case "lzma":
		return lzma.NewReader(in)
	}
	return nil, fmt.Errorf("%s: %w", method, errNoCodec)
}
