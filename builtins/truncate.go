package builtins

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
)

var truncateUsage = usage{
	synopsis: "OPTION... FILE...",
	about:    "Shrink or extend the size of each FILE to the specified size.",
	options:  []string{"c no-create", "o io-blocks", "r reference=", "s size="},
}

func truncate(p *Process) int {
	opts, operands, status, done := p.parse(truncateUsage)
	if done {
		return status
	}
	var noCreate, has bool
	size, mode := int64(0), byte(0)
	var base int64 = -1
	for _, o := range opts {
		switch o.name {
		case "c":
			noCreate = true
		case "o":
			p.Errorf("option -o is not supported by this implementation")
			return 1
		case "r":
			info, err := p.Files.Stat(o.value)
			if err != nil {
				p.Errorf("cannot stat %s: %s", quoteName(o.value), strerror(err))
				return 1
			}
			base, has = info.Size(), true
		case "s":
			text := strings.TrimSpace(o.value)
			if text != "" && strings.IndexByte("+-<>/%", text[0]) >= 0 {
				mode, text = text[0], text[1:]
			}
			n, err := parseSize(text)
			if err != nil {
				p.Errorf("Invalid number: %s", quote(o.value))
				return 1
			}
			if (mode == '/' || mode == '%') && n == 0 {
				p.Errorf("division by zero")
				return 1
			}
			size, has = n, true
		}
	}
	if !has {
		p.Errorf("you must specify either %s or %s", quote("--size"), quote("--reference"))
		return p.tryHelp(truncateUsage)
	}
	if len(operands) == 0 {
		p.Errorf("missing file operand")
		return p.tryHelp(truncateUsage)
	}
	for _, name := range operands {
		flag := os.O_WRONLY | os.O_CREATE
		if noCreate {
			flag = os.O_WRONLY
		}
		file, err := p.Files.OpenFile(name, flag, 0o666)
		if err != nil {
			if noCreate && errors.Is(err, syscall.ENOENT) {
				continue
			}
			p.Errorf("cannot open %s for writing: %s", quoteName(name), strerror(err))
			status = 1
			continue
		}
		old := base
		if info, err := file.Stat(); err == nil && old < 0 {
			old = info.Size()
		}
		to := newSize(mode, old, size)
		if mode == 0 && base >= 0 && size == 0 {
			to = base
		}
		if err := file.Truncate(to); err != nil {
			p.Errorf("failed to truncate %s at %d bytes: %s", quoteName(name), to, strerror(err))
			status = 1
		}
		file.Close()
	}
	return status
}

func newSize(mode byte, old, size int64) int64 {
	switch mode {
	case '+':
		return old + size
	case '-':
		return max(0, old-size)
	case '<':
		return min(old, size)
	case '>':
		return max(old, size)
	case '/':
		return old / size * size
	case '%':
		return (old + size - 1) / size * size
	}
	return size
}

var mkfifoUsage = usage{synopsis: "[OPTION]... NAME...", about: "Create named pipes (FIFOs) with the given NAMEs.", options: []string{"m mode="}}

func mkfifo(p *Process) int {
	opts, operands, status, done := p.parse(mkfifoUsage)
	if done {
		return status
	}
	if len(operands) == 0 {
		return p.missingOperand(mkfifoUsage)
	}
	mode, explicit, ok := p.nodeMode(opts)
	if !ok {
		return 1
	}
	for _, name := range operands {
		if err := p.Files.Mknod(name, fs.ModeNamedPipe|mode, 0); err != nil {
			p.Errorf("cannot create fifo %s: %s", quoteName(name), strerror(err))
			status = 1
		} else if explicit {
			p.Files.Chmod(name, mode)
		}
	}
	return status
}

// nodeMode reads -m of mkfifo and mknod.
func (p *Process) nodeMode(opts []option) (mode fs.FileMode, explicit, ok bool) {
	mode = 0o666
	for _, o := range opts {
		change, err := parseMode(o.value)
		if err != nil {
			p.Errorf("invalid mode")
			return 0, false, false
		}
		mode, explicit = change.apply(0o666, false, p.Files.Umask()), true
	}
	return mode, explicit, true
}

var mknodUsage = usage{synopsis: "[OPTION]... NAME TYPE [MAJOR MINOR]", about: "Create the special file NAME of the given TYPE.", options: []string{"m mode="}}

func mknod(p *Process) int {
	opts, operands, status, done := p.parse(mknodUsage)
	if done {
		return status
	}
	mode, explicit, ok := p.nodeMode(opts)
	if !ok {
		return 1
	}
	if len(operands) < 2 {
		return p.missingOperand(mknodUsage, operands...)
	}
	want := 4
	if operands[1] == "p" {
		want = 2
	}
	if len(operands) < want {
		p.Errorf("missing operand after %s", quote(operands[len(operands)-1]))
		if want == 4 && len(operands) == 2 {
			p.Stderr.Write([]byte("Special files require major and minor device numbers.\n"))
		}
		return p.tryHelp(mknodUsage)
	}
	if len(operands) > want {
		return p.extraOperand(mknodUsage, operands[want])
	}
	name, kind, device := operands[0], fs.FileMode(0), uint64(0)
	switch operands[1] {
	case "p":
		kind = fs.ModeNamedPipe
	case "b", "c", "u":
		kind = fs.ModeDevice
		if operands[1] != "b" {
			kind |= fs.ModeCharDevice
		}
		major, err1 := strconv.ParseUint(operands[2], 0, 32)
		minor, err2 := strconv.ParseUint(operands[3], 0, 32)
		if err1 != nil || err2 != nil {
			p.Errorf("invalid device %s %s", operands[2], operands[3])
			return 1
		}
		device = rootfs.Mkdev(uint32(major), uint32(minor))
	default:
		p.Errorf("invalid device type %s", quote(operands[1]))
		return p.tryHelp(mknodUsage)
	}
	if err := p.Files.Mknod(name, kind|mode, device); err != nil {
		p.Errorf("%s: %s", quoteWord(name), strerror(err))
		return 1
	}
	if explicit {
		p.Files.Chmod(name, mode)
	}
	return status
}

var syncUsage = usage{synopsis: "[OPTION] [FILE]...", about: "Synchronize cached writes to persistent storage.", options: []string{"d data", "f file-system"}}

func syncCommand(p *Process) int {
	_, operands, status, done := p.parse(syncUsage)
	if done {
		return status
	}
	for _, name := range operands {
		file, err := p.Files.Open(name)
		if err != nil {
			p.Errorf("error opening %s: %s", quoteName(name), strerror(err))
			status = 1
			continue
		}
		if err := file.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
			p.Errorf("error syncing %s: %s", quoteName(name), strerror(err))
			status = 1
		}
		file.Close()
	}
	return status
}
