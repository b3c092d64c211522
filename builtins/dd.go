package builtins

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// blockCopy is one run of dd.
type blockCopy struct {
	p                  *Process
	in                 io.Reader
	out                io.Writer
	inSize, outSize    int64
	count              int64 // -1: to the end
	countBytes         bool
	skip, seek         int64
	skipBytes          bool
	seekBytes          bool
	conv               map[string]bool
	fullBlock          bool
	status             string
	inFull, inPartial  int64
	outFull, outPart   int64
	bytes              int64
	started            time.Time
	appendOut          bool
	inName, outName    string
	synced, hadTrouble bool
}

func dd(p *Process) int {
	d := &blockCopy{p: p, inSize: 512, outSize: 512, count: -1, conv: map[string]bool{}, started: p.System.Now(), in: liveReader{p.Context, p.Stdin}, out: p.Stdout}
	for _, arg := range p.Args[1:] {
		if arg == "--help" || arg == "--version" {
			_, _, status, _ := p.parseArgs(usage{synopsis: "[OPERAND]...", about: "Copy a file, converting and formatting according to the operands."}, []string{arg})
			return status
		}
		if arg == "--" {
			continue
		}
		name, value, has := strings.Cut(arg, "=")
		if !has || !d.set(name, value) {
			p.Errorf("unrecognized operand %s", quote(arg))
			return p.tryHelp(usage{})
		}
		if d.hadTrouble {
			return 1
		}
	}
	closeFiles, ok := d.open()
	if !ok {
		return 1
	}
	status := d.run()
	if err := closeFiles(); err != nil {
		p.Errorf("closing output file %s: %s", quoteName(d.outName), strerror(err))
		status = 1
	}
	d.report()
	return status
}

// set reads an operand; false for an unknown one.
func (d *blockCopy) set(name, value string) bool {
	number := func() int64 {
		total := int64(1)
		for _, factor := range strings.Split(value, "x") {
			n, err := parseSize(factor)
			if err != nil {
				d.p.Errorf("invalid number: %s", quote(value))
				d.hadTrouble = true
				return 1
			}
			total *= n
		}
		return total
	}
	bytes := strings.HasSuffix(value, "B") && strings.Trim(strings.TrimSuffix(value, "B"), "0123456789") == ""
	if bytes && (name == "count" || name == "skip" || name == "seek") {
		value = strings.TrimSuffix(value, "B")
	}
	switch name {
	case "if":
		d.inName = value
	case "of":
		d.outName = value
	case "bs":
		d.inSize = number()
		d.outSize, d.synced = d.inSize, true
	case "ibs":
		d.inSize = number()
	case "obs":
		d.outSize = number()
	case "count":
		d.count, d.countBytes = number(), d.countBytes || bytes
	case "skip", "iseek":
		d.skip, d.skipBytes = number(), d.skipBytes || bytes
	case "seek", "oseek":
		d.seek, d.seekBytes = number(), d.seekBytes || bytes
	case "status":
		if value != "none" && value != "noxfer" && value != "progress" {
			d.p.Errorf("invalid status level: %s", quote(value))
			d.p.tryHelp(usage{})
			d.hadTrouble = true
		}
		d.status = value
	case "conv":
		for _, word := range strings.Split(value, ",") {
			if !strings.Contains(" notrunc sync noerror fsync fdatasync lcase ucase swab excl nocreat sparse ", " "+word+" ") {
				d.p.Errorf("invalid conversion: %s", quote(word))
				d.p.tryHelp(usage{})
				d.hadTrouble = true
				return true
			}
			d.conv[word] = true
		}
	case "iflag", "oflag":
		for _, word := range strings.Split(value, ",") {
			switch word {
			case "fullblock":
				d.fullBlock = true
			case "count_bytes":
				d.countBytes = true
			case "skip_bytes":
				d.skipBytes = true
			case "seek_bytes":
				d.seekBytes = true
			case "append":
				d.appendOut = true
			case "sync", "dsync", "direct", "nonblock", "noatime", "nocache", "binary":
			default:
				d.p.Errorf("invalid %s flag: %s", map[string]string{"iflag": "input", "oflag": "output"}[name], quote(word))
				d.p.tryHelp(usage{})
				d.hadTrouble = true
			}
		}
	default:
		return false
	}
	if d.inSize <= 0 || d.outSize <= 0 {
		d.p.Errorf("invalid number: %s", quote(value))
		d.hadTrouble = true
	}
	return true
}

// open opens the files and goes to where reading and writing begin.
func (d *blockCopy) open() (closeFiles func() error, ok bool) {
	var closers []io.Closer
	closeFiles = func() error {
		var errs []error
		for _, c := range closers {
			errs = append(errs, c.Close())
		}
		return errors.Join(errs...)
	}
	skip := d.skip
	if !d.skipBytes {
		skip *= d.inSize
	}
	if d.inName != "" {
		in, err := d.p.Files.Open(d.inName)
		if err != nil {
			d.p.Errorf("failed to open %s: %s", quoteName(d.inName), strerror(err))
			return nil, false
		}
		closers = append(closers, in)
		d.in = liveReader{d.p.Context, in}
		if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
			if info.Size() < skip {
				d.p.Errorf("%s: cannot skip to specified offset", quoteName(d.inName))
			}
			if _, err := in.Seek(skip, io.SeekStart); err == nil {
				skip = 0
			}
		}
	}
	if _, err := io.CopyN(io.Discard, d.in, skip); err != nil && err != io.EOF {
		d.p.Errorf("error reading %s: %s", quoteName(d.inName), strerror(err))
		return nil, false
	}
	seek := d.seek
	if !d.seekBytes {
		seek *= d.outSize
	}
	if d.outName == "" {
		return closeFiles, true
	}
	flag := os.O_WRONLY | os.O_CREATE
	if d.conv["nocreat"] {
		flag &^= os.O_CREATE
	}
	if d.conv["excl"] {
		flag |= os.O_EXCL
	}
	if d.appendOut {
		flag |= os.O_APPEND
	}
	if !d.conv["notrunc"] && seek == 0 {
		flag |= os.O_TRUNC
	}
	out, err := d.p.Files.OpenFile(d.outName, flag, 0o666)
	if err != nil {
		d.p.Errorf("failed to open %s: %s", quoteName(d.outName), strerror(err))
		return nil, false
	}
	closers = append(closers, out)
	if seek > 0 {
		if !d.conv["notrunc"] {
			if err := out.Truncate(seek); err != nil {
				d.p.Errorf("failed to truncate to %d bytes in output file %s: %s", seek, quoteName(d.outName), strerror(err))
				return nil, false
			}
		}
		if _, err := out.Seek(seek, io.SeekStart); err != nil {
			d.p.Errorf("%s: cannot seek: %s", quoteName(d.outName), strerror(err))
			return nil, false
		}
	}
	d.out = out
	return closeFiles, true
}

func (d *blockCopy) run() int {
	block := make([]byte, d.inSize)
	var pending []byte
	left := d.count
	for left != 0 && d.p.Context.Err() == nil {
		want := block
		if d.countBytes && left > 0 && left < int64(len(want)) {
			want = want[:left]
		}
		n, err := d.readBlock(want)
		if n > 0 {
			if int64(n) == d.inSize {
				d.inFull++
			} else {
				d.inPartial++
			}
			switch {
			case left > 0 && d.countBytes:
				left -= int64(n)
			case left > 0:
				left--
			}
			data := d.convert(block[:n])
			if d.synced {
				if !d.write(data) {
					return 1
				}
			} else {
				pending = append(pending, data...)
				for int64(len(pending)) >= d.outSize {
					if !d.write(pending[:d.outSize]) {
						return 1
					}
					pending = pending[d.outSize:]
				}
			}
		}
		if err == io.EOF || n == 0 && err == nil {
			break
		}
		if err != nil {
			name := d.inName
			if name == "" {
				name = "standard input"
			}
			d.p.Errorf("error reading %s: %s", quoteName(name), strerror(err))
			if len(pending) > 0 {
				d.write(pending)
			}
			return 1
		}
	}
	if len(pending) > 0 && !d.write(pending) {
		return 1
	}
	return 0
}

// readBlock reads once, or with fullblock until the block is full.
func (d *blockCopy) readBlock(block []byte) (int, error) {
	if !d.fullBlock {
		return d.in.Read(block)
	}
	n, err := io.ReadFull(d.in, block)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

func (d *blockCopy) convert(data []byte) []byte {
	if d.conv["sync"] {
		for int64(len(data)) < d.inSize {
			data = append(data, 0)
		}
	}
	for i, c := range data {
		if d.conv["lcase"] && c >= 'A' && c <= 'Z' {
			data[i] = c + 32
		}
		if d.conv["ucase"] && c >= 'a' && c <= 'z' {
			data[i] = c - 32
		}
	}
	if d.conv["swab"] {
		for i := 0; i+1 < len(data); i += 2 {
			data[i], data[i+1] = data[i+1], data[i]
		}
	}
	return data
}

func (d *blockCopy) write(data []byte) bool {
	n, err := d.out.Write(data)
	d.bytes += int64(n)
	if err != nil {
		if !endsOutput(err) {
			name := d.outName
			if name == "" {
				name = "standard output"
			}
			d.p.Errorf("error writing %s: %s", quoteName(name), strerror(err))
		}
		return false
	}
	if int64(n) == d.outSize {
		d.outFull++
	} else {
		d.outPart++
	}
	return true
}

// report prints the counts, unless status=none.
func (d *blockCopy) report() {
	if d.status == "none" {
		return
	}
	fmt.Fprintf(d.p.Stderr, "%d+%d records in\n%d+%d records out\n", d.inFull, d.inPartial, d.outFull, d.outPart)
	if d.status == "noxfer" {
		return
	}
	seconds := max(d.p.System.Now().Sub(d.started).Seconds(), 1e-9)
	size := strconv.FormatInt(d.bytes, 10) + " bytes"
	if d.bytes == 1 {
		size = "1 byte"
	}
	if d.bytes >= 1000 {
		si := decimalSize(float64(d.bytes), 1000, "kMGTPE")
		size += " (" + si + "B"
		if d.bytes >= 1024 {
			size += ", " + decimalSize(float64(d.bytes), 1024, "KMGTPE") + "iB"
		}
		size += ")"
	}
	fmt.Fprintf(d.p.Stderr, "%s copied, %s s, %sB/s\n", size, strconv.FormatFloat(seconds, 'g', 6, 64), rate(float64(d.bytes)/seconds))
}

// rate is a speed with three digits: "35.3 k".
func rate(n float64) string {
	unit := -1
	for n >= 999.5 && unit < 5 {
		n /= 1000
		unit++
	}
	text := strconv.FormatFloat(n, 'g', 3, 64)
	if unit < 0 {
		return text + " "
	}
	return text + " " + "kMGTPE"[unit:unit+1]
}

// decimalSize is a number with two digits and a unit: "1.0 k", "12 M".
func decimalSize(n, base float64, units string) string {
	unit := -1
	for n >= base && unit < len(units)-1 {
		n /= base
		unit++
	}
	text := strconv.FormatFloat(n, 'f', 0, 64)
	if n < 9.95 {
		text = strconv.FormatFloat(n, 'f', 1, 64)
	}
	if unit < 0 {
		return text + " "
	}
	return text + " " + units[unit:unit+1]
}
