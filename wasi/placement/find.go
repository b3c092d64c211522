package placement

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"path"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// Mark begins the files of the embedded image that stand for commands of the sandbox.
const Mark = "#sockerless-builtin"

const (
	maxInterpreters = 4   // of scripts that are interpreters of scripts, as Linux has it
	headSize        = 256 // bytes of a file that decide what it is, BINPRM_BUF_SIZE of Linux
)

// systemDirs are where a native program may be replaced by a command of the sandbox: one of the same name elsewhere is
// the user's own.
var systemDirs = map[string]bool{"/bin": true, "/sbin": true, "/usr/bin": true, "/usr/sbin": true}

// Kind is what runs a file.
type Kind uint8

// The kinds of programs.
const (
	Native  Kind = iota // a program for the processor, or a command that the sandbox lacks
	Builtin             // a command of the sandbox
	Shell               // the sandbox's shell
	Guest               // WebAssembly
)

// Finder knows what the sandbox has.
type Finder struct {
	// Builtin says whether a command of the sandbox runs a program of that name, own that the program is one for the
	// processor; nil is never.
	Builtin    func(name string, own bool) bool
	NativeBash bool // an image's own bash is not replaced by the sandbox's shell
}

// Found is what runs a file: the file itself, or the interpreter that its first line names.
type Found struct {
	Kind Kind
	Path string   // of the program: of the interpreter where the file is a script
	Name string   // of the command, where it is a Builtin
	Args []string // of the program: an interpreter's have the script among them

	// Own says that Path is a program for the processor, also where the sandbox has one in its place.
	Own bool

	// Invoked is the name that the program was called by: of the interpreter where the file is a script.
	Invoked string

	script bool
	arch   string // of an ELF file, as Docker names it
}

// Why says what makes a program native, to follow "NAME is".
func (f *Found) Why() string {
	if !f.Own {
		return "a command that this sandbox does not have"
	}
	return "a native linux/" + f.arch + " program (ELF)"
}

// Find follows name, an existing path, through the first lines of scripts to the program that runs it, as execve(2)
// does. args[0] is the name it is called by. The errors are *kernel.ExecError.
func (f Finder) Find(files *rootfs.View, name string, args []string) (Found, error) {
	// execve(2) needs no permission to read.
	reader := files.Clone()
	reader.SetCred(rootfs.Cred{})
	applet := ""
	if len(args) > 1 {
		applet = args[1]
	}
	if err := mayRun(files, name); err != nil {
		return Found{}, err
	}
	found, prefix, dropped, err := f.find(files, reader, name, args[0], applet)
	if err != nil {
		return Found{}, err
	}
	switch {
	case prefix != nil:
		found.Args = append(prefix, args[1+dropped:]...)
	default:
		found.Args = args[dropped:]
	}
	return found, nil
}

// find is Find for arguments that need not be known: prefix takes the place of the first one unless it is nil, dropped
// is the number of those (of busybox) that go. applet is the second argument, "" for none. That name may be executed is
// known.
func (f Finder) find(files, reader *rootfs.View, name, invoked, applet string) (_ Found, prefix []string, dropped int, _ error) {
	found := Found{Invoked: path.Base(invoked)}
	for range maxInterpreters + 1 {
		var buf [headSize]byte
		head, err := readHead(reader, name, &buf)
		if err != nil {
			return Found{}, nil, 0, err
		}
		found.Path = name
		switch {
		case bytes.HasPrefix(head, []byte("#!")):
			interpreter, arg, ok := shebang(head)
			if !ok {
				return Found{}, nil, 0, &kernel.ExecError{Code: 126, Err: syscall.ENOEXEC}
			}
			words := make([]string, 0, 3+len(prefix))
			if words = append(words, interpreter); arg != "" {
				words = append(words, arg)
			}
			words = append(words, name)
			if prefix != nil {
				words = append(words, prefix[1:]...)
			}
			prefix, applet = words, words[1]
			found.script = true
			name, found.Invoked = interpreter, path.Base(interpreter)
			if err := mayRun(files, name); err != nil {
				return Found{}, nil, 0, err
			}
		case bytes.HasPrefix(head, []byte("\x00asm")):
			found.Kind = Guest
			return found, prefix, 0, nil
		case bytes.HasPrefix(head, []byte(elf.ELFMAG)), bytes.HasPrefix(head, []byte(Mark)):
			if found.Own = head[0] == elf.ELFMAG[0]; found.Own {
				found.arch = architecture(head)
			}
			if found.Name, dropped = f.replacement(reader, &found, applet); found.Kind == Native {
				return found, prefix, 0, nil
			}
			if dropped > 0 && prefix != nil {
				prefix, dropped = prefix[1:], 0
			}
			return found, prefix, dropped, nil
		default:
			return Found{}, nil, 0, &kernel.ExecError{Code: 126, Err: syscall.ENOEXEC}
		}
	}
	return Found{}, nil, 0, &kernel.ExecError{Code: 126, Err: syscall.ELOOP}
}

// replacement sets the kind of a program that the sandbox may have its own for, and gives the name of that.
func (f Finder) replacement(reader *rootfs.View, found *Found, applet string) (name string, dropped int) {
	dir, err := reader.Resolve(path.Dir(found.Path))
	if err != nil {
		return "", 0
	}
	base := path.Base(found.Path)
	if !systemDirs[dir] {
		// A link from elsewhere to a system program is that program, by the name of the link: busybox's applets.
		real, err := reader.Resolve(found.Path)
		if err != nil || !systemDirs[path.Dir(real)] || path.Base(real) != base && path.Base(real) != "busybox" {
			return "", 0
		}
	}
	if base == "busybox" && applet != "" && applet[0] != '-' {
		base, dropped = path.Base(applet), 1
	}
	switch {
	case base == "bash" && f.NativeBash && found.Own:
	case base == "sh" || base == "bash" || base == "ash" || base == "dash":
		found.Kind = Shell
	case f.Builtin != nil && f.Builtin(base, found.Own):
		found.Kind = Builtin
	}
	return base, dropped
}

// mayRun checks that a file may be executed.
func mayRun(files *rootfs.View, name string) error {
	info, err := files.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = syscall.EACCES
	}
	if err == nil {
		err = files.Access(name, 1)
	}
	if err == nil {
		return nil
	}
	errno := rootfs.Errno(err)
	code := 126
	if errno == syscall.ENOENT {
		code = 127
	}
	return &kernel.ExecError{Code: code, Err: errno}
}

// readHead reads the beginning of a file.
func readHead(reader *rootfs.View, name string, buf *[headSize]byte) ([]byte, error) {
	f, err := reader.Open(name)
	if err != nil {
		return nil, &kernel.ExecError{Code: 126, Err: rootfs.Errno(err)}
	}
	defer f.Close()
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &kernel.ExecError{Code: 126, Err: rootfs.Errno(err)}
	}
	return buf[:n], nil
}

// shebang takes a script's first line apart: the interpreter, and the rest of the line as one argument.
func shebang(head []byte) (interpreter, arg string, ok bool) {
	line, _, whole := bytes.Cut(head[2:], []byte("\n"))
	if !whole && len(head) == headSize && !bytes.ContainsAny(bytes.TrimLeft(line, " \t"), " \t") {
		return "", "", false // the name of the interpreter itself is cut off
	}
	fields := strings.Trim(string(line), " \t\r")
	if i := strings.IndexAny(fields, " \t"); i >= 0 {
		return fields[:i], strings.Trim(fields[i:], " \t"), i > 0
	}
	return fields, "", fields != ""
}

// machines are the architectures by their names in Go and Docker.
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x", elf.EM_LOONGARCH: "loong64", elf.EM_MIPS: "mips64le",
}

// architecture is that of an ELF file's header.
func architecture(head []byte) string {
	if len(head) < 20 {
		return "unknown"
	}
	machine := elf.Machine(uint16(head[18]) | uint16(head[19])<<8)
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		machine = elf.Machine(uint16(head[19]) | uint16(head[18])<<8)
	}
	if name, ok := machines[machine]; ok {
		return name
	}
	return strings.ToLower(strings.TrimPrefix(machine.String(), "EM_"))
}
