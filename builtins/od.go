package builtins

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// odFormat is one way to show a line's bytes.
type odFormat struct {
	kind  byte // a c d o u x f
	size  int
	width int  // of a field, the blank before it included
	text  bool // the characters beside ("z")
}

func od(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[OPTION]... [FILE]...", about: "Write an unambiguous representation of FILE to standard output.",
		options: []string{"A address-radix=", "j skip-bytes=", "N read-bytes=", "t format=", "v output-duplicates", "w width?", "a", "b", "c", "d", "f", "i", "l", "o", "s", "x"}})
	if done {
		return status
	}
	radix, skip, limit, width, all := byte('o'), int64(0), int64(-1), 16, false
	var formats []odFormat
	add := func(spec string) bool {
		more, ok := parseOdFormats(spec)
		if !ok {
			p.Errorf("invalid character '%s' in type string %s", spec[:1], quote(spec))
			return false
		}
		formats = append(formats, more...)
		return true
	}
	short := map[string]string{"a": "a", "b": "o1", "c": "c", "d": "u2", "f": "fF", "i": "dI", "l": "dL", "o": "o2", "s": "d2", "x": "x2"}
	for _, o := range opts {
		size := func(n *int64) bool {
			v, err := parseSize(strings.TrimPrefix(o.value, "0x"))
			if strings.HasPrefix(o.value, "0x") {
				v, err = strconv.ParseInt(o.value[2:], 16, 64)
			}
			*n = v
			if err != nil {
				p.Errorf("invalid -%s argument %s", o.name, quote(o.value))
			}
			return err == nil
		}
		ok := true
		switch o.name {
		case "A":
			if ok = len(o.value) == 1 && strings.Contains("doxn", o.value); !ok {
				p.Errorf("invalid output address radix '%s'; it must be one character from [doxn]", o.value)
			} else {
				radix = o.value[0]
			}
		case "j":
			ok = size(&skip)
		case "N":
			ok = size(&limit)
		case "t":
			ok = o.value != "" && add(o.value)
		case "v":
			all = true
		case "w":
			if width = 32; o.has && o.value != "" {
				n, err := strconv.Atoi(o.value)
				if ok = err == nil && n > 0; !ok {
					p.Errorf("invalid -w argument %s", quote(o.value))
				}
				width = n
			}
		default:
			ok = add(short[o.name])
		}
		if !ok {
			return 1
		}
	}
	if formats == nil {
		add("o2")
	}
	var input []io.Reader
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		r, err := p.openInput(name)
		if err != nil {
			p.Errorf("%s: %s", quoteWord(name), strerror(err))
			status = 1
			continue
		}
		defer r.Close()
		input = append(input, r)
	}
	var r io.Reader = io.MultiReader(input...)
	if n, _ := io.CopyN(io.Discard, r, skip); n < skip {
		p.Errorf("cannot skip past end of combined input")
		return 1
	}
	if limit >= 0 {
		r = io.LimitReader(r, limit)
	}
	d := odDump{out: p.output(), formats: formats, radix: radix, width: width, all: all, at: skip}
	d.fit()
	if err := d.run(r); err != nil && p.Context.Err() == nil {
		p.Errorf("%s: %s", quoteWord(names[0]), strerror(err))
		status = 1
	}
	return d.out.finish(status)
}

// parseOdFormats reads "x1z", "d4", "fD", several one after another.
func parseOdFormats(spec string) ([]odFormat, bool) {
	var all []odFormat
	for spec != "" {
		f := odFormat{kind: spec[0], size: 4}
		spec = spec[1:]
		switch f.kind {
		case 'a', 'c':
			f.size = 1
		case 'd', 'o', 'u', 'x', 'f':
			if f.kind == 'f' {
				f.size = 8
			}
			sizes := map[byte]int{'C': 1, 'S': 2, 'I': 4, 'L': 8, 'F': 4, 'D': 8, '1': 1, '2': 2, '4': 4, '8': 8}
			if spec != "" && sizes[spec[0]] > 0 {
				f.size = sizes[spec[0]]
				spec = spec[1:]
			}
		default:
			return nil, false
		}
		if strings.HasPrefix(spec, "z") {
			f.text = true
			spec = spec[1:]
		}
		f.width = f.natural()
		all = append(all, f)
	}
	return all, true
}

// natural is the width of a field with one blank before it.
func (f odFormat) natural() int {
	n := map[byte]map[int]int{
		'd': {1: 4, 2: 6, 4: 11, 8: 20}, 'u': {1: 3, 2: 5, 4: 10, 8: 20},
		'o': {1: 3, 2: 6, 4: 11, 8: 22}, 'x': {1: 2, 2: 4, 4: 8, 8: 16}, 'f': {4: 15, 8: 24}, 'a': {1: 3}, 'c': {1: 3},
	}
	return n[f.kind][f.size] + 1
}

// odDump writes lines of width bytes.
type odDump struct {
	out     *output
	formats []odFormat
	radix   byte
	width   int
	all     bool
	at      int64
}

// fit makes the fields as wide as the widest format needs for the same bytes.
func (d *odDump) fit() {
	most := 0
	for _, f := range d.formats {
		most = max(most, f.width*8/f.size)
	}
	for i := range d.formats {
		d.formats[i].width = most * d.formats[i].size / 8
	}
}

func (d *odDump) address() string {
	switch d.radix {
	case 'd':
		return fmt.Sprintf("%07d", d.at)
	case 'x':
		return fmt.Sprintf("%06x", d.at)
	case 'n':
		return ""
	}
	return fmt.Sprintf("%07o", d.at)
}

func (d *odDump) run(r io.Reader) error {
	line := make([]byte, d.width)
	last := ""
	starred := false
	for {
		n, err := io.ReadFull(r, line)
		if n == d.width && string(line) == last && !d.all {
			if !starred {
				d.out.WriteString("*\n")
				starred = true
			}
		} else if n > 0 {
			starred, last = false, string(line[:n])
			d.line(line[:n])
		}
		d.at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if a := d.address(); a != "" {
				d.out.WriteString(a + "\n")
			}
			return nil
		}
		if err != nil || d.out.broken() {
			return err
		}
	}
}

func (d *odDump) line(b []byte) {
	for i, f := range d.formats {
		if a := d.address(); i == 0 {
			d.out.WriteString(a)
		} else {
			d.out.WriteString(strings.Repeat(" ", len(a)))
		}
		fields := (len(b) + f.size - 1) / f.size
		padded := append(append([]byte{}, b...), make([]byte, f.size)...)
		for j := range fields {
			fmt.Fprintf(d.out, "%*s", f.width, f.show(padded[j*f.size:(j+1)*f.size]))
		}
		if f.text {
			d.out.WriteString(strings.Repeat(" ", (d.width/f.size-fields)*f.width) + "  >")
			for _, c := range b {
				if c < 32 || c > 126 {
					c = '.'
				}
				d.out.WriteByte(c)
			}
			d.out.WriteByte('<')
		}
		d.out.WriteByte('\n')
	}
}

func (f odFormat) show(b []byte) string {
	var wide [8]byte
	copy(wide[:], b)
	n := binary.LittleEndian.Uint64(wide[:])
	bits := uint(64 - 8*f.size)
	switch f.kind {
	case 'a':
		names := strings.Fields("nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp")
		if c := b[0] & 127; c < 33 {
			return names[c]
		} else if c == 127 {
			return "del"
		}
		return string(b[0] & 127)
	case 'c':
		switch c := b[0]; {
		case c == 0:
			return `\0`
		case c >= 7 && c <= 13:
			return `\` + string("abtnvfr"[c-7])
		case c < 32 || c > 126:
			return fmt.Sprintf("%03o", c)
		}
		return string(b[0])
	case 'd':
		return strconv.FormatInt(int64(n<<bits)>>bits, 10)
	case 'u':
		return strconv.FormatUint(n, 10)
	case 'f':
		if f.size == 4 {
			return strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32)
		}
		return strconv.FormatFloat(math.Float64frombits(n), 'g', -1, 64)
	case 'x':
		return fmt.Sprintf("%0*x", 2*f.size, n)
	}
	return fmt.Sprintf("%0*o", (8*f.size+2)/3, n)
}
