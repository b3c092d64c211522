package builtins

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jqMaxDepth is how deep arrays and objects may be in one another, jq's own bound.
const jqMaxDepth = 10000

// jqReader reads JSON values that follow one another.
type jqReader struct {
	r      *bufio.Reader
	line   int // complete lines so far
	column int
}

func newJQReader(r io.Reader) *jqReader { return &jqReader{r: bufio.NewReaderSize(r, blockSize)} }

func (j *jqReader) byte() (byte, error) {
	c, err := j.r.ReadByte()
	if c == '\n' && err == nil {
		j.line++
		j.column = 0
	} else if err == nil {
		j.column++
	}
	return c, err
}

func (j *jqReader) unread(c byte) {
	_ = j.r.UnreadByte()
	if c == '\n' {
		j.line--
	} else {
		j.column--
	}
}

func (j *jqReader) fail(format string, a ...any) error {
	return fmt.Errorf("%s at line %d, column %d", fmt.Sprintf(format, a...), j.line+1, j.column)
}

func (j *jqReader) skip() (byte, error) {
	for {
		c, err := j.byte()
		if err != nil || c != ' ' && c != '\t' && c != '\r' && c != '\n' && c != 0x1e {
			return c, err
		}
	}
}

// next reads a value; io.EOF says that there is none.
func (j *jqReader) next() (any, error) {
	c, err := j.skip()
	if err == nil && c == 0xef && j.line == 0 && j.column == 1 {
		if mark, _ := j.r.Peek(2); string(mark) == "\xbb\xbf" {
			_, _ = j.r.Discard(2)
			c, err = j.skip()
		}
	}
	if err != nil {
		return nil, err
	}
	v, err := j.value(c, 0)
	if errors.Is(err, io.EOF) {
		err = j.fail("Unfinished JSON term")
	}
	return v, err
}

func (j *jqReader) value(c byte, depth int) (any, error) {
	if depth > jqMaxDepth {
		return nil, j.fail("Exceeds depth limit for parsing")
	}
	switch c {
	case '"':
		return j.text()
	case '[':
		return j.array(depth)
	case '{':
		return j.object(depth)
	case ']', '}':
		return nil, j.fail("Unmatched '%c'", c)
	case ',':
		return nil, j.fail("Expected value before ','")
	case ':':
		return nil, j.fail("':' not as part of an object")
	}
	return j.word(c)
}

func (j *jqReader) array(depth int) (any, error) {
	list := []any{}
	for {
		c, err := j.skip()
		if err != nil {
			return nil, err
		}
		if c == ']' && len(list) == 0 {
			return list, nil
		}
		v, err := j.value(c, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if c, err = j.skip(); err != nil {
			return nil, err
		}
		if c == ']' {
			return list, nil
		}
		if c != ',' {
			return nil, j.fail("Expected separator between values")
		}
	}
}

func (j *jqReader) object(depth int) (any, error) {
	o := &jqObject{}
	for {
		c, err := j.skip()
		if err != nil {
			return nil, err
		}
		if c == '}' && len(o.keys) == 0 {
			return o, nil
		}
		if c != '"' {
			return nil, j.fail("Object keys must be strings")
		}
		key, err := j.text()
		if err != nil {
			return nil, err
		}
		if c, err = j.skip(); err != nil {
			return nil, err
		}
		if c != ':' {
			return nil, j.fail("Objects must consist of key:value pairs")
		}
		if c, err = j.skip(); err != nil {
			return nil, err
		}
		v, err := j.value(c, depth+1)
		if err != nil {
			return nil, err
		}
		o.put(key, v)
		if c, err = j.skip(); err != nil {
			return nil, err
		}
		if c == '}' {
			return o, nil
		}
		if c != ',' {
			return nil, j.fail("Expected separator between values")
		}
	}
}

func (j *jqReader) word(c byte) (any, error) {
	word := []byte{c}
	for {
		c, err := j.byte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if strings.IndexByte(" \t\r\n,:[]{}\"", c) >= 0 {
			j.unread(c)
			break
		}
		word = append(word, c)
	}
	switch s := string(word); s {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "nan":
		return math.NaN(), nil
	default:
		f, ok := jqParseNumber(s)
		if !ok {
			if strings.IndexByte("nft", c) >= 0 {
				return nil, j.fail("Invalid literal")
			}
			return nil, j.fail("Invalid numeric literal")
		}
		return f, nil
	}
}

// jqParseNumber reads a decimal number; one that is too large is infinite.
func jqParseNumber(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// text reads a string after its opening quote.
func (j *jqReader) text() (string, error) {
	var b []byte
	for {
		c, err := j.byte()
		if err != nil {
			return "", err
		}
		switch {
		case c == '"':
			if !utf8.Valid(b) {
				return strings.ToValidUTF8(string(b), "\ufffd"), nil
			}
			return string(b), nil
		case c != '\\':
			b = append(b, c)
			continue
		}
		escaped, err := j.byte()
		if err != nil {
			return "", err
		}
		if c = escaped; c == 'u' {
			r, err := j.unicode()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
			continue
		}
		if at := strings.IndexByte(`"\/bfnrt`, c); at >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[at])
			continue
		}
		return "", j.fail("Invalid escape")
	}
}

// unicode reads what follows \u, the second half of a pair too.
func (j *jqReader) unicode() (rune, error) {
	r, err := j.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	low := rune(-1)
	if next, err := j.r.Peek(2); err == nil && string(next) == `\u` {
		_, _ = j.r.Discard(2)
		j.column += 2
		if low, err = j.hex(); err != nil {
			return 0, err
		}
	}
	return utf16.DecodeRune(r, low), nil
}

func (j *jqReader) hex() (rune, error) {
	var digits [4]byte
	for i := range digits {
		var err error
		if digits[i], err = j.byte(); err != nil {
			return 0, err
		}
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 32)
	if err != nil {
		return 0, j.fail("Invalid escape")
	}
	return rune(n), nil
}

// jqFromJSON reads one value, which must be all that there is.
func jqFromJSON(s string) (any, error) {
	j := newJQReader(strings.NewReader(s))
	v, err := j.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if _, err := j.next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("Unexpected extra JSON values")
	}
	return v, nil
}
