package builtins

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

// strerror is the Linux text of an error, without the operation and the path that a PathError adds.
func strerror(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	case errors.As(err, &call):
		err = call.Err
	}
	return rootfs.Strerror(err)
}

// endsOutput says whether a write error means that the reader has gone, which a command does not complain about.
func endsOutput(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// quote is gnulib's quote() in the C locale: 'name', with C escapes inside.
func quote(s string) string {
	return "'" + escapeC(s, '\'') + "'"
}

// escapeC writes s with C escapes: \n and its like, octal for other bytes that are not printable ASCII, a backslash
// before quoteMark and backslash.
func escapeC(s string, quoteMark byte) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' || (c == quoteMark && quoteMark != 0):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= 7 && c <= 13:
			b.WriteByte('\\')
			b.WriteByte("abtnvfr"[c-7])
		case c < 32 || c >= 127:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// quoteName is gnulib's quoteaf(): always between quotes, such that a shell reads the name back.
func quoteName(s string) string {
	if !strings.Contains(s, "'") && printable(s) {
		return "'" + s + "'"
	}
	if strings.Contains(s, "'") && printable(s) && !strings.ContainsAny(s, "\"$`\\!") {
		return `"` + s + `"`
	}
	return shellEscape(s)
}

// quoteWord is gnulib's shell-escape style (quotef): the name as it is unless a shell needs quotes for it.
func quoteWord(s string) string {
	if s != "" && printable(s) && !strings.ContainsAny(s, " !\"$&'()*;<=>?[\\^`|") && s[0] != '#' && s[0] != '~' && s != "{" && s != "}" {
		return s
	}
	return quoteName(s)
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 32 || s[i] >= 127 {
			return false
		}
	}
	return true
}

// shellEscape quotes with '…' and $'…' for what is not printable.
func shellEscape(s string) string {
	var b strings.Builder
	dollar := false
	b.WriteByte('\'')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 32 || c >= 127 {
			if !dollar {
				b.WriteString("'$'")
				dollar = true
			}
			if c >= 7 && c <= 13 {
				b.WriteByte('\\')
				b.WriteByte("abtnvfr"[c-7])
			} else {
				fmt.Fprintf(&b, "\\%03o", c)
			}
			continue
		}
		if dollar {
			b.WriteString("''")
			dollar = false
		}
		if c == '\'' {
			b.WriteString(`'\''`)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
