package wasi

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"

	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// BuiltinMark begins the files of the embedded image that stand for commands of the sandbox.
const BuiltinMark = "#sockerless-builtin"

const (
	maxInterpreters = 4   // of scripts that are interpreters of scripts, as Linux has it
	headSize        = 256 // bytes of a file that decide what it is, BINPRM_BUF_SIZE of Linux
)

// systemDirs are where a native program may be replaced by a command of the sandbox: one of the same name elsewhere is
// the user's own.
var systemDirs = map[string]bool{"/bin": true, "/sbin": true, "/usr/bin": true, "/usr/sbin": true}

// programs finds what runs a file.
type programs struct {
	shell kernel.Program
	guest func(module []byte, p *kernel.Process) int
}

// resolve is the kernel.Resolver of all containers: scripts by their interpreter, WebAssembly by a guest, and native
// programs that the sandbox has commands for by those.
func (r *programs) resolve(files *rootfs.View, name string, args []string) (kernel.Program, []string, error) {
	// execve(2) needs no permission to read.
	reader := files.Clone()
	reader.SetCred(rootfs.Cred{})
	invoked := path.Base(args[0])
	for range maxInterpreters + 1 {
		head, err := programHead(files, reader, name)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case bytes.HasPrefix(head, []byte("#!")):
			interpreter, arg, ok := shebang(head)
			if !ok {
				return nil, nil, &kernel.ExecError{Code: 126, Err: syscall.ENOEXEC}
			}
			script := append([]string{interpreter}, arg...)
			args = append(append(script, name), args[1:]...)
			name, invoked = interpreter, path.Base(interpreter)
		case bytes.HasPrefix(head, []byte("\x00asm")):
			module, err := reader.ReadFile(name)
			if err != nil {
				return nil, nil, &kernel.ExecError{Code: 126, Err: rootfs.Errno(err)}
			}
			return func(p *kernel.Process) int { return r.guest(module, p) }, args, nil
		case bytes.HasPrefix(head, []byte(elf.ELFMAG)), bytes.HasPrefix(head, []byte(BuiltinMark)):
			if program, args := r.command(reader, name, args); program != nil {
				return program, args, nil
			}
			return nil, nil, nativeError(reader, name, invoked, head)
		default:
			return nil, nil, &kernel.ExecError{Code: 126, Err: syscall.ENOEXEC}
		}
	}
	return nil, nil, &kernel.ExecError{Code: 126, Err: syscall.ELOOP}
}

// programHead checks that a file may be executed and reads its beginning.
func programHead(files, reader *rootfs.View, name string) ([]byte, error) {
	info, err := files.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = syscall.EACCES
	}
	if err == nil {
		err = files.Access(name, 1)
	}
	if err != nil {
		errno := rootfs.Errno(err)
		code := 126
		if errno == syscall.ENOENT {
			code = 127
		}
		return nil, &kernel.ExecError{Code: code, Err: errno}
	}
	f, err := reader.Open(name)
	if err != nil {
		return nil, &kernel.ExecError{Code: 126, Err: rootfs.Errno(err)}
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &kernel.ExecError{Code: 126, Err: rootfs.Errno(err)}
	}
	return head[:n], nil
}

// shebang takes a script's first line apart: the interpreter, and the rest of the line as one argument.
func shebang(head []byte) (interpreter string, arg []string, ok bool) {
	line, _, whole := bytes.Cut(head[2:], []byte("\n"))
	if !whole && len(head) == headSize && !bytes.ContainsAny(bytes.TrimLeft(line, " \t"), " \t") {
		return "", nil, false // the name of the interpreter itself is cut off
	}
	fields := strings.Trim(string(line), " \t\r")
	interpreter, rest, more := strings.Cut(fields, " ")
	if i := strings.IndexByte(interpreter, '\t'); i >= 0 {
		interpreter, rest, more = fields[:i], fields[i+1:], true
	}
	if rest = strings.Trim(rest, " \t"); more && rest != "" {
		arg = []string{rest}
	}
	return interpreter, arg, interpreter != ""
}

// command is the sandbox's own program in place of a native one, nil if there is none.
func (r *programs) command(reader *rootfs.View, name string, args []string) (kernel.Program, []string) {
	dir, err := reader.Resolve(path.Dir(name))
	if err != nil {
		return nil, nil
	}
	base := path.Base(name)
	if !systemDirs[dir] {
		// A link from elsewhere to a system program is that program, by the name of the link: busybox's applets.
		real, err := reader.Resolve(name)
		if err != nil || !systemDirs[path.Dir(real)] || path.Base(real) != base && path.Base(real) != "busybox" {
			return nil, nil
		}
	}
	if base == "busybox" && len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		args = args[1:]
		base = path.Base(args[0])
	}
	switch base {
	case "sh", "bash", "ash", "dash":
		return r.shell, args
	}
	if f := builtins.Lookup(base); f != nil {
		return builtinProgram(f), args
	}
	return nil, nil
}

// machines are the architectures by their names in Go and Docker.
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x", elf.EM_LOONGARCH: "loong64", elf.EM_MIPS: "mips64le",
}

// nativeError says what a native program is and why it does not run.
func nativeError(reader *rootfs.View, name, invoked string, head []byte) error {
	if real, err := reader.Resolve(name); err == nil {
		name = real
	}
	what := "a command that this sandbox does not have"
	if len(head) >= 20 && bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		machine := elf.Machine(uint16(head[18]) | uint16(head[19])<<8)
		if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
			machine = elf.Machine(uint16(head[19]) | uint16(head[18])<<8)
		}
		architecture, ok := machines[machine]
		if !ok {
			architecture = strings.ToLower(strings.TrimPrefix(machine.String(), "EM_"))
		}
		what = "a native linux/" + architecture + " program (ELF), which the sandbox cannot run, and no offload is configured"
	}
	// The docker CLI knows by the words "permission denied" that the exit code is 126.
	return &kernel.ExecError{
		Code: 126, Err: syscall.EACCES,
		Message: fmt.Sprintf("exec: %q: permission denied: %s is %s", invoked, name, what),
	}
}
