package wasi

import (
	"fmt"
	"syscall"

	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
	"github.com/sockerless/sockerless/wasi/placement"
)

// programs are what runs what the sandbox has.
type programs struct {
	shell kernel.Program
	guest func(module []byte, p *kernel.Process) int
	// Those who look ahead at what a process comes to: ownBash where an image's bash is not replaced.
	plain, ownBash *placement.Analyzer
}

func newPrograms(shell kernel.Program, guest func(module []byte, p *kernel.Process) int) programs {
	return programs{
		shell: shell, guest: guest,
		plain:   placement.New(placement.Options{Finder: finder(false, true)}),
		ownBash: placement.New(placement.Options{Finder: finder(true, true)}),
	}
}

func (r *programs) analyzer(nativeBash bool) *placement.Analyzer {
	if nativeBash {
		return r.ownBash
	}
	return r.plain
}

// finder knows what the sandbox has; runnable says that native programs can be run.
func finder(nativeBash, runnable bool) placement.Finder {
	return placement.Finder{NativeBash: nativeBash, Builtin: func(name string, own bool) bool {
		if own {
			return builtins.Replaces(name, runnable)
		}
		return builtins.Lookup(name) != nil
	}}
}

// resolve is the container's kernel.Resolver: what is native runs in its twin, if it may have one.
func (c *container) resolve(files *rootfs.View, name string, args []string) (kernel.Program, []string, error) {
	native := c.spec.GetNative()
	found, err := finder(native.GetBash(), native.GetPromote()).Find(files, name, args)
	if err != nil {
		return nil, nil, err
	}
	switch found.Kind {
	case placement.Shell:
		return c.cell.programs.shell, found.Args, nil
	case placement.Builtin:
		return builtinProgram(builtins.Lookup(found.Name)), found.Args, nil
	case placement.Guest:
		// execve(2) needs no permission to read.
		reader := files.Clone()
		reader.SetCred(rootfs.Cred{})
		module, err := reader.ReadFile(found.Path)
		if err != nil {
			return nil, nil, &kernel.ExecError{Code: 126, Err: rootfs.Errno(err)}
		}
		return func(p *kernel.Process) int { return c.cell.programs.guest(module, p) }, found.Args, nil
	}
	if real, err := files.Resolve(found.Path); err == nil {
		found.Path = real
	}
	if found.Own && native.GetPromote() {
		return c.nativeProgram(found.Path, found.Why()), found.Args, nil
	}
	return nil, nil, nativeError(&found, native.GetRefusal())
}

// nativeError says what a native program is, why it does not run, and what would let it.
func nativeError(found *placement.Found, refusal string) error {
	what := found.Why()
	if found.Own {
		if refusal == "" {
			refusal = "no offload is configured"
		}
		what += ", which the sandbox cannot run: " + refusal
	}
	// The docker CLI knows by the words "permission denied" that the exit code is 126.
	return &kernel.ExecError{
		Code: 126, Err: syscall.EACCES, Message: fmt.Sprintf("exec: %q: permission denied: %s is %s", found.Invoked, found.Path, what),
	}
}
