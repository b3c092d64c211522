package builtins

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// digestKind is one of the commands that print checksums.
type digestKind struct {
	tag string
	new func() hash.Hash
}

func (p *Process) digestKind() digestKind {
	switch p.Name() {
	case "md5sum":
		return digestKind{"MD5", md5.New}
	case "b2sum":
		return digestKind{"BLAKE2b", newBlake2b}
	case "sha1sum":
		return digestKind{"SHA1", sha1.New}
	case "sha224sum":
		return digestKind{"SHA224", sha256.New224}
	case "sha384sum":
		return digestKind{"SHA384", sha512.New384}
	case "sha512sum":
		return digestKind{"SHA512", sha512.New}
	}
	return digestKind{"SHA256", sha256.New}
}

// digestFlags are the options of the checksum commands.
type digestFlags struct {
	check, tag, zero, ignore, quiet, status, strict, warn bool
	mode                                                  byte
}

func digest(p *Process) int {
	opts, names, status, done := p.parse(usage{
		synopsis: "[OPTION]... [FILE]...",
		about:    "Print or check checksums.",
		options: []string{"b binary", "c check", "tag", "t text", "z zero", "ignore-missing", "quiet", "status", "strict",
			"w warn"},
	})
	if done {
		return status
	}
	f := digestFlags{mode: ' '}
	for _, o := range opts {
		switch o.name {
		case "b":
			f.mode = '*'
		case "t":
			f.mode = ' '
		case "c":
			f.check = true
		case "tag":
			f.tag = true
		case "z":
			f.zero = true
		case "ignore-missing":
			f.ignore = true
		case "quiet":
			f.quiet = true
		case "status":
			f.status = true
		case "strict":
			f.strict = true
		case "w":
			f.warn = true
		}
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	kind := p.digestKind()
	out := p.output()
	for _, name := range names {
		if f.check {
			status = max(status, f.verify(p, kind, out, name))
			continue
		}
		sum, err := p.digestOf(kind, name)
		if p.Context.Err() != nil {
			return 1
		}
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			status = 1
			continue
		}
		end, shown := "\n", name
		if f.zero {
			end = "\x00"
		} else if strings.ContainsAny(name, "\\\n\r") {
			shown = strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
			out.WriteByte('\\')
		}
		if f.tag {
			fmt.Fprintf(out, "%s (%s) = %s%s", kind.tag, shown, sum, end)
		} else {
			fmt.Fprintf(out, "%s %c%s%s", sum, f.mode, shown, end)
		}
	}
	return out.finish(status)
}

func (p *Process) digestOf(kind digestKind, name string) (string, error) {
	r, err := p.openInput(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := kind.new()
	if _, err := io.CopyBuffer(h, r, make([]byte, copySize)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// verify checks the files that a list names.
func (f digestFlags) verify(p *Process, kind digestKind, out *output, list string) int {
	data, err := p.readAll(list)
	if err != nil {
		p.Errorf("%s: %s", quoteWord(list), strerror(err))
		return 1
	}
	shownList := list
	if list == "-" {
		shownList = "'standard input'"
	}
	bad, unreadable, mismatched, good, matched := 0, 0, 0, 0, 0
	for n, line := range splitLines(data, '\n') {
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		sum, name, ok := digestLine(string(line), kind)
		if !ok {
			bad++
			if f.warn {
				p.Errorf("%s: %d: improperly formatted %s checksum line", shownList, n+1, kind.tag)
			}
			continue
		}
		good++
		have, err := p.digestOf(kind, name)
		if err != nil {
			if f.ignore {
				continue
			}
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			unreadable++
			if !f.status {
				fmt.Fprintf(out, "%s: FAILED open or read\n", quoteWord(name))
			}
			continue
		}
		switch {
		case strings.EqualFold(have, sum):
			matched++
			if !f.quiet && !f.status {
				fmt.Fprintf(out, "%s: OK\n", quoteWord(name))
			}
		default:
			mismatched++
			if !f.status {
				fmt.Fprintf(out, "%s: FAILED\n", quoteWord(name))
			}
		}
	}
	out.Flush()
	if good == 0 {
		p.Errorf("%s: no properly formatted checksum lines found", shownList)
		return 1
	}
	warn := func(n int, one, many string) {
		if n == 1 && !f.status {
			p.Errorf("WARNING: 1 %s", one)
		} else if n > 1 && !f.status {
			p.Errorf("WARNING: %d %s", n, many)
		}
	}
	warn(bad, "line is improperly formatted", "lines are improperly formatted")
	warn(unreadable, "listed file could not be read", "listed files could not be read")
	warn(mismatched, "computed checksum did NOT match", "computed checksums did NOT match")
	if f.ignore && matched == 0 && mismatched == 0 {
		if !f.status {
			p.Errorf("%s: no file was verified", shownList)
		}
		return 1
	}
	return boolInt(unreadable > 0 || mismatched > 0 || f.strict && bad > 0)
}

// digestLine reads "sum  name", "sum *name" or "TAG (name) = sum".
func digestLine(line string, kind digestKind) (sum, name string, ok bool) {
	line, escaped := strings.CutPrefix(strings.TrimSuffix(line, "\r"), `\`)
	if rest, tagged := strings.CutPrefix(line, kind.tag+" ("); tagged {
		i := strings.LastIndex(rest, ") = ")
		if i < 0 {
			return "", "", false
		}
		name, sum = rest[:i], rest[i+4:]
	} else {
		sum, name, ok = strings.Cut(strings.TrimLeft(line, " \t"), " ")
		if !ok || name == "" {
			return "", "", false
		}
		if name[0] == ' ' || name[0] == '*' {
			name = name[1:]
		}
	}
	if escaped {
		name = strings.NewReplacer(`\\`, "\\", `\n`, "\n", `\r`, "\r").Replace(name)
	}
	raw, err := hex.DecodeString(sum)
	return sum, name, err == nil && len(raw) == kind.new().Size()
}

// cksum prints the CRC of POSIX and the length.
func cksum(p *Process) int {
	_, names, status, done := p.parse(usage{synopsis: "[FILE]...", about: "Print CRC checksum and byte counts of each FILE."})
	if done {
		return status
	}
	var table [256]uint32
	for i := range table {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		table[i] = c
	}
	out := p.output()
	named := len(names) > 0
	status = p.forInputs(names, func(name string, r io.Reader) error {
		crc, length := uint32(0), uint64(0)
		buf := make([]byte, blockSize)
		for {
			n, err := r.Read(buf)
			for _, c := range buf[:n] {
				crc = crc<<8 ^ table[byte(crc>>24)^c]
			}
			length += uint64(n)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
		for n := length; n > 0; n >>= 8 {
			crc = crc<<8 ^ table[byte(crc>>24)^byte(n)]
		}
		fmt.Fprintf(out, "%d %d", ^crc, length)
		if named {
			out.WriteString(" " + name)
		}
		out.WriteByte('\n')
		return nil
	})
	return out.finish(status)
}
