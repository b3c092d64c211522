package builtins

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

// The bits of a mode as stat(2) has them, where fs.FileMode differs.
const (
	modeSetuid = 0o4000
	modeSetgid = 0o2000
	modeSticky = 0o1000
)

// unixMode is st_mode: type and permissions.
func unixMode(m fs.FileMode) uint32 {
	kinds := map[byte]uint32{'-': 0o100000, 'd': 0o040000, 'l': 0o120000, 'c': 0o020000, 'b': 0o060000, 'p': 0o010000, 's': 0o140000}
	return kinds[kindLetter(m)] | rootfs.UnixMode(m)
}

// kindLetter is the first letter of ls -l.
func kindLetter(m fs.FileMode) byte {
	switch {
	case m&fs.ModeDir != 0:
		return 'd'
	case m&fs.ModeSymlink != 0:
		return 'l'
	case m&fs.ModeCharDevice != 0:
		return 'c'
	case m&fs.ModeDevice != 0:
		return 'b'
	case m&fs.ModeNamedPipe != 0:
		return 'p'
	case m&fs.ModeSocket != 0:
		return 's'
	}
	return '-'
}

// modeString is the mode as ls -l shows it: "drwxr-xr-x".
func modeString(m fs.FileMode) string {
	b := []byte("-rwxrwxrwx")
	b[0] = kindLetter(m)
	bits := rootfs.UnixMode(m)
	for i := range 9 {
		if bits&(1<<(8-i)) == 0 {
			b[i+1] = '-'
		}
	}
	special := func(bit uint32, at int, with, without byte) {
		if bits&bit == 0 {
			return
		}
		if b[at] == 'x' {
			b[at] = with
		} else {
			b[at] = without
		}
	}
	special(modeSetuid, 3, 's', 'S')
	special(modeSetgid, 6, 's', 'S')
	special(modeSticky, 9, 't', 'T')
	return string(b)
}

// kindName is what stat and find's messages call a type.
func kindName(m fs.FileMode, size int64) string {
	switch kindLetter(m) {
	case 'd':
		return "directory"
	case 'l':
		return "symbolic link"
	case 'c':
		return "character special file"
	case 'b':
		return "block special file"
	case 'p':
		return "fifo"
	case 's':
		return "socket"
	}
	if size == 0 {
		return "regular empty file"
	}
	return "regular file"
}

// modeChange is a mode as chmod takes it: octal, or symbolic clauses applied in turn.
type modeChange struct {
	octal   bool
	bits    uint32
	digits  int // of the octal form: five and more clear a directory's setuid and setgid too
	clauses []modeClause
}

type modeClause struct {
	who   uint32 // mask of the bits it speaks about, 0 if no one was named
	op    byte
	perms uint32 // of one class, repeated for all: 0o7 → 0o777, with setuid, setgid, sticky bits
	copy  byte   // u, g or o whose bits are copied
	bigX  bool
}

var errInvalidMode = errors.New("invalid mode")

// parseMode reads "755", "u+x,go-w", "a=rX", "u=g".
func parseMode(text string) (modeChange, error) {
	if text != "" && strings.Trim(text, "01234567") == "" {
		bits, err := strconv.ParseUint(text, 8, 32)
		if err != nil || bits > 0o7777 {
			return modeChange{}, errInvalidMode
		}
		return modeChange{octal: true, bits: uint32(bits), digits: len(text)}, nil
	}
	var change modeChange
	for _, part := range strings.Split(text, ",") {
		clauses, err := parseClause(part)
		if err != nil {
			return modeChange{}, err
		}
		change.clauses = append(change.clauses, clauses...)
	}
	return change, nil
}

func parseClause(text string) ([]modeClause, error) {
	var who uint32
	i := 0
	for ; i < len(text) && strings.IndexByte("ugoa", text[i]) >= 0; i++ {
		switch text[i] {
		case 'u':
			who |= modeSetuid | 0o700
		case 'g':
			who |= modeSetgid | 0o070
		case 'o':
			who |= modeSticky | 0o007
		case 'a':
			who |= 0o7777
		}
	}
	var clauses []modeClause
	for i < len(text) && strings.IndexByte("+-=", text[i]) >= 0 {
		c := modeClause{who: who, op: text[i]}
		i++
		start := i
		if i < len(text) && strings.IndexByte("ugo", text[i]) >= 0 {
			c.copy = text[i]
			i++
		} else {
			for ; i < len(text) && strings.IndexByte("rwxXst", text[i]) >= 0; i++ {
				switch text[i] {
				case 'r':
					c.perms |= 0o444
				case 'w':
					c.perms |= 0o222
				case 'x':
					c.perms |= 0o111
				case 'X':
					c.bigX = true
				case 's':
					c.perms |= modeSetuid | modeSetgid
				case 't':
					c.perms |= modeSticky
				}
			}
			if digits := i; digits == start {
				for ; i < len(text) && text[i] >= '0' && text[i] <= '7'; i++ {
				}
				if i > start {
					n, err := strconv.ParseUint(text[start:i], 8, 32)
					if err != nil || n > 0o7777 || who != 0 {
						return nil, errInvalidMode
					}
					c.perms, c.who = uint32(n), 0o7777
				}
			}
		}
		clauses = append(clauses, c)
	}
	if i < len(text) || len(clauses) == 0 {
		return nil, errInvalidMode
	}
	return clauses, nil
}

// apply gives the new permission bits of a file that has the bits old. A clause that names no one leaves what umask
// masks alone.
func (c modeChange) apply(old fs.FileMode, isDir bool, umask fs.FileMode) fs.FileMode {
	bits := rootfs.UnixMode(old)
	if c.octal {
		if isDir && c.digits < 5 {
			// GNU: a numeric mode of up to four digits doesn't clear these of a directory.
			return rootfs.FromUnixMode(c.bits | bits&(modeSetuid|modeSetgid))
		}
		return rootfs.FromUnixMode(c.bits)
	}
	for _, clause := range c.clauses {
		bits = clause.apply(bits, isDir, uint32(umask))
	}
	return rootfs.FromUnixMode(bits)
}

func (c modeClause) apply(bits uint32, isDir bool, umask uint32) uint32 {
	perms := c.perms
	switch c.copy {
	case 'u':
		perms = repeated(bits >> 6)
	case 'g':
		perms = repeated(bits >> 3)
	case 'o':
		perms = repeated(bits)
	}
	if c.bigX && (isDir || bits&0o111 != 0) {
		perms |= 0o111
	}
	who := c.who
	affected := who
	if who == 0 {
		affected = 0o7777 &^ umask
		who = 0o7777 &^ umask
	}
	if isDir && c.op == '=' {
		// Setuid and setgid of a directory stay unless they are named.
		who &^= (modeSetuid | modeSetgid) &^ perms
	}
	perms &= affected
	switch c.op {
	case '+':
		return bits | perms
	case '-':
		return bits &^ perms
	}
	return bits&^who | perms
}

// mentioned are the bits that the mode speaks about, all once it names someone; mkdir -m leaves the others to the umask.
func (c modeChange) mentioned(umask fs.FileMode) uint32 {
	if c.octal {
		return 0o7777
	}
	var bits uint32
	for _, clause := range c.clauses {
		who := clause.who
		if who != 0 {
			return 0o7777
		}
		who = 0o7777 &^ uint32(umask)
		if clause.op != '=' && clause.copy == 0 && !clause.bigX {
			who &= clause.perms
		}
		bits |= who
	}
	return bits
}

// forNew is the mode of a new directory.
func (c modeChange) forNew(umask fs.FileMode) fs.FileMode {
	bits := rootfs.UnixMode(c.apply(0o777, true, umask))
	return rootfs.FromUnixMode(bits &^ (uint32(umask) &^ c.mentioned(umask)))
}

// repeated gives the same three bits to owner, group and others.
func repeated(bits uint32) uint32 {
	bits &= 7
	return bits<<6 | bits<<3 | bits
}
