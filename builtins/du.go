package builtins

import (
	"strconv"

	"github.com/sockerless/sockerless/store/rootfs"
)

var duUsage = usage{
	synopsis: "[OPTION]... [FILE]...",
	about:    "Summarize device usage of the set of FILEs, recursively for directories.",
	options: []string{"0 null", "a all", "apparent-size", "B block-size=", "b bytes", "c total", "D H dereference-args", "d max-depth=", "h human-readable", "k", "L dereference", "l count-links",
		"m", "P no-dereference", "S separate-dirs", "si", "s summarize", "t threshold=", "x one-file-system", "exclude=", "X exclude-from="},
}

// diskUsage is one run of du.
type diskUsage struct {
	p         *Process
	out       *output
	all       bool
	apparent  bool
	depth     int // -1: no limit
	human     int64
	block     int64
	follow    byte
	links     bool
	separate  bool
	oneDevice bool
	threshold int64
	exclude   []string
	end       string
	seen      map[[2]uint64]bool
	status    int
}

func du(p *Process) int {
	opts, operands, status, done := p.parse(duUsage)
	if done {
		return status
	}
	d := &diskUsage{p: p, out: p.output(), depth: -1, block: 1024, end: "\n", seen: map[[2]uint64]bool{}}
	var total, summarize bool
	for _, o := range opts {
		switch o.name {
		case "0":
			d.end = "\x00"
		case "a":
			d.all = true
		case "apparent-size":
			d.apparent = true
		case "B", "t":
			n, err := parseSize(o.value)
			if err != nil || n <= 0 {
				p.Errorf("invalid -%s argument %s", o.name, quote(o.value))
				return 1
			}
			if o.name == "B" {
				d.block, d.human = n, 0
			} else {
				d.threshold = n
			}
		case "b":
			d.apparent, d.block, d.human = true, 1, 0
		case "c":
			total = true
		case "D":
			d.follow = 'D'
		case "d":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 0 {
				p.Errorf("invalid maximum depth %s", quote(o.value))
				return p.tryHelp(duUsage)
			}
			d.depth = n
		case "h":
			d.human = 1024
		case "si":
			d.human = 1000
		case "k":
			d.block, d.human = 1024, 0
		case "m":
			d.block, d.human = 1<<20, 0
		case "L", "P":
			d.follow = o.name[0]
		case "l":
			d.links = true
		case "S":
			d.separate = true
		case "s":
			summarize = true
		case "x":
			d.oneDevice = true
		case "exclude":
			d.exclude = append(d.exclude, o.value)
		case "X":
			data, err := p.Files.ReadFile(o.value)
			if err != nil {
				p.Errorf("%s: %s", quoteWord(o.value), strerror(err))
				return 1
			}
			for _, line := range splitLines(data, '\n') {
				d.exclude = append(d.exclude, string(line))
			}
		}
	}
	if summarize && d.all {
		p.Errorf("cannot both summarize and show all entries")
		return p.tryHelp(duUsage)
	}
	if summarize {
		d.depth = 0
	}
	if len(operands) == 0 {
		operands = []string{"."}
	}
	sum := int64(0)
	for _, name := range operands {
		sum += d.measure(name, 0, 0)
	}
	if total {
		d.print(sum, "total")
	}
	return d.out.finish(max(d.status, status))
}

func (d *diskUsage) fail(format string, args ...any) {
	d.out.Flush()
	d.p.Errorf(format, args...)
	d.status = 1
}

// measure gives the size of a tree and prints its lines.
func (d *diskUsage) measure(name string, depth int, device uint64) int64 {
	for _, pattern := range d.exclude {
		if fnmatch(pattern, name, 0) || fnmatch(pattern, lastElement(name), 0) {
			return 0
		}
	}
	stat := d.p.Files.Lstat
	if d.follow == 'L' || d.follow == 'D' && depth == 0 {
		stat = d.p.Files.Stat
	}
	info, err := stat(name)
	if err != nil {
		d.fail("cannot access %s: %s", quoteName(name), strerror(err))
		return 0
	}
	if depth == 0 {
		device = info.Dev()
	}
	if d.oneDevice && info.Dev() != device || d.p.Context.Err() != nil {
		return 0
	}
	if !d.links && (info.Nlink() > 1 || info.IsDir()) {
		if d.seen[inodeKey(info)] {
			return 0
		}
		d.seen[inodeKey(info)] = true
	}
	size := d.size(info)
	shown := size
	if info.IsDir() {
		entries, err := d.p.Files.ReadDir(name)
		if err != nil {
			d.fail("cannot read directory %s: %s", quoteName(name), strerror(err))
		}
		for _, e := range entries {
			below := d.measure(joinName(name, e.Name()), depth+1, device)
			size += below
			if !d.separate || !e.IsDir() {
				shown += below
			}
		}
	}
	if (info.IsDir() || d.all || depth == 0) && (d.depth < 0 || depth <= d.depth) && shown >= d.threshold {
		d.print(shown, name)
	}
	return size
}

func (d *diskUsage) size(info *rootfs.Info) int64 {
	if !d.apparent {
		return info.Blocks() * 512
	}
	if info.IsDir() || info.Mode().IsRegular() || kindLetter(info.Mode()) == 'l' {
		return info.Size()
	}
	return 0
}

func (d *diskUsage) print(size int64, name string) {
	text := ""
	if d.human != 0 {
		text = humanSize(size, d.human)
	} else {
		text = strconv.FormatInt((size+d.block-1)/d.block, 10)
	}
	d.out.WriteString(text + "\t" + name + d.end)
}
