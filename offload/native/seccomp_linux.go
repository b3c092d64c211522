package native

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/containerd/errdefs"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// syscallTable has the numbers of system calls, a line a name, "-" where a machine does not have it: those of
// golang.org/x/sys/unix, which the tests compare, and the private ones of arm.
//
//go:embed syscalls.txt
var syscallTable string

// abi is one of the calling conventions that a kernel serves.
type abi struct {
	arch   specs.Arch
	audit  uint32 // AUDIT_ARCH_…, as seccomp_data has it
	column int    // in the table
}

// abis are those of the processors that this project is built for, the machine's own before the 32 bit one.
func abis(goarch string) []abi {
	switch goarch {
	case "amd64":
		return []abi{{specs.ArchX86_64, unix.AUDIT_ARCH_X86_64, 1}, {specs.ArchX86, unix.AUDIT_ARCH_I386, 2}}
	case "arm64":
		return []abi{{specs.ArchAARCH64, unix.AUDIT_ARCH_AARCH64, 3}, {specs.ArchARM, unix.AUDIT_ARCH_ARM, 4}}
	case "riscv64":
		return []abi{{specs.ArchRISCV64, unix.AUDIT_ARCH_RISCV64, 5}}
	}
	return nil
}

func syscallNumbers(column int) map[string]uint32 {
	all := map[string]uint32{}
	for line := range strings.Lines(syscallTable) {
		f := strings.Fields(line)
		if n, err := strconv.ParseUint(f[column], 10, 32); err == nil {
			all[f[0]] = uint32(n)
		}
	}
	return all
}

// seccompFilter compiles a profile, Docker's default if it is "", to a program of classic BPF for the machine. As for
// Docker what a profile has depends on the capabilities. Nil is a profile that filters nothing.
func seccompFilter(profile string, caps capSet) ([]byte, error) {
	spec := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps.names()}}}
	var p *specs.LinuxSeccomp
	var err error
	if profile == "" {
		p, err = seccomp.GetDefaultProfile(spec)
	} else {
		p, err = seccomp.LoadProfile(profile, spec)
	}
	if err == nil && p == nil {
		return nil, nil
	}
	var code []unix.SockFilter
	if err == nil {
		code, err = compile(p, runtime.GOARCH)
	}
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w: %w", err, errdefs.ErrInvalidArgument)
	}
	return encodeFilter(code), nil
}

// rule is what happens to a system call whose arguments match.
type rule struct {
	args   []specs.LinuxSeccompArg // all of them
	action uint32
}

// compile makes the filter: for each ABI a decision tree over the numbers, with the rules at its leaves in the order of
// the profile. Calls of an ABI that is not listed end the process, as with libseccomp. Calls that are newer than the
// table get ENOSYS where the default is an error number, as with runc, so that C libraries fall back to older ones.
func compile(p *specs.LinuxSeccomp, goarch string) ([]unix.SockFilter, error) {
	machine := abis(goarch)
	if machine == nil {
		return nil, fmt.Errorf("not known for %s", goarch)
	}
	fallback, err := action(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	for _, flag := range p.Flags {
		if flag != specs.LinuxSeccompFlagLog && flag != specs.LinuxSeccompFlagSpecAllow {
			return nil, fmt.Errorf("flag %s is not supported", flag)
		}
	}
	const archOffset = 4
	code := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: archOffset}}
	for i, a := range machine {
		if i > 0 && !lists(p.Architectures, a.arch) {
			continue
		}
		rules, last, err := collect(p, a)
		if err != nil {
			return nil, err
		}
		body := section(rules, last, fallback)
		// If the architecture is another one, jump over this part.
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: a.audit},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(body))})
		code = append(code, body...)
	}
	code = append(code, ret(unix.SECCOMP_RET_KILL_PROCESS))
	if len(code) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("%d instructions, the kernel takes %d", len(code), unix.BPF_MAXINSNS)
	}
	return code, nil
}

func lists(archs []specs.Arch, a specs.Arch) bool {
	for _, x := range archs {
		if x == a {
			return true
		}
	}
	return false
}

// collect gives the rules by number, and the highest number that the ABI has.
func collect(p *specs.LinuxSeccomp, a abi) (map[uint32][]rule, uint32, error) {
	const private = 0x0f0000 // of arm
	numbers := syscallNumbers(a.column)
	last := uint32(0)
	for _, n := range numbers {
		if n < private {
			last = max(last, n)
		}
	}
	rules := map[uint32][]rule{}
	for _, s := range p.Syscalls {
		act, err := action(s.Action, s.ErrnoRet)
		if err != nil {
			return nil, 0, fmt.Errorf("%v: %w", s.Names, err)
		}
		for _, arg := range s.Args {
			if _, known := operators[arg.Op]; !known || arg.Index > 5 {
				return nil, 0, fmt.Errorf("%v: argument %d %s", s.Names, arg.Index, arg.Op)
			}
		}
		for _, name := range s.Names {
			n, known := numbers[name]
			if !known {
				continue // another machine's, or newer than the table
			}
			if repeated(s.Args) { // conditions on one argument are alternatives, as for runc
				for _, arg := range s.Args {
					rules[n] = append(rules[n], rule{[]specs.LinuxSeccompArg{arg}, act})
				}
				continue
			}
			rules[n] = append(rules[n], rule{s.Args, act})
		}
	}
	return rules, last, nil
}

func repeated(args []specs.LinuxSeccompArg) bool {
	seen := [6]bool{}
	for _, a := range args {
		if seen[a.Index] {
			return true
		}
		seen[a.Index] = true
	}
	return false
}

func action(a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	value := uint32(unix.EPERM)
	if errno != nil {
		value = uint32(*errno) & unix.SECCOMP_RET_DATA
	}
	switch a {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActErrno:
		return unix.SECCOMP_RET_ERRNO | value, nil
	case specs.ActTrace:
		return unix.SECCOMP_RET_TRACE | value, nil
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	}
	return 0, fmt.Errorf("action %s is not supported", a)
}

// leaf is a range of numbers, from one up to the next leaf's, for which the same code runs.
type leaf struct {
	from   uint32
	code   []unix.SockFilter
	plain  uint32 // what the code returns, where that is all it does
	simple bool
}

func section(rules map[uint32][]rule, last, fallback uint32) []unix.SockFilter {
	unknown := fallback
	if fallback&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
		unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	var leaves []leaf
	add := func(l leaf) {
		if n := len(leaves); n > 0 && leaves[n-1].simple && l.simple && leaves[n-1].plain == l.plain {
			return
		}
		leaves = append(leaves, l)
	}
	plain := func(from, action uint32) { add(leaf{from, []unix.SockFilter{ret(action)}, action, true}) }
	for n := uint32(0); n <= last; n++ {
		if code, simple := checks(rules[n], fallback); simple {
			plain(n, code[0].K)
		} else {
			add(leaf{from: n, code: code})
		}
	}
	plain(last+1, unknown)
	for _, n := range sortedAbove(rules, last) {
		code, simple := checks(rules[n], fallback)
		add(leaf{n, code, code[0].K, simple})
		plain(n+1, unknown)
	}
	load := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}
	return append([]unix.SockFilter{load}, tree(leaves)...)
}

func sortedAbove(rules map[uint32][]rule, last uint32) []uint32 {
	var above []uint32
	for n := range rules {
		if n > last {
			above = append(above, n)
		}
	}
	for i := range above { // a handful
		for j := i; j > 0 && above[j] < above[j-1]; j-- {
			above[j], above[j-1] = above[j-1], above[j]
		}
	}
	return above
}

// tree finds a number's leaf by halving. Jumps over more than a few instructions are unconditional ones, since those of
// conditions have only 8 bits.
func tree(leaves []leaf) []unix.SockFilter {
	if len(leaves) == 1 {
		return leaves[0].code
	}
	mid := len(leaves) / 2
	low, high := tree(leaves[:mid]), tree(leaves[mid:])
	code := []unix.SockFilter{
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jf: 1, K: leaves[mid].from},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(low))},
	}
	return append(append(code, low...), high...)
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// checks is the code of a leaf: its rules in turn, then the default. simple says that it is one return. A rule without
// conditions counts whatever stands before it, as with libseccomp.
func checks(rules []rule, fallback uint32) (code []unix.SockFilter, simple bool) {
	for _, r := range rules {
		if len(r.args) == 0 {
			return []unix.SockFilter{ret(r.action)}, true
		}
	}
	for _, r := range rules {
		var body []unix.SockFilter
		for i := len(r.args) - 1; i >= 0; i-- {
			body = append(compare(r.args[i], len(body)+1), body...)
		}
		code = append(append(code, body...), ret(r.action))
	}
	return append(code, ret(fallback)), len(rules) == 0
}

var operators = map[specs.LinuxSeccompOperator]bool{
	specs.OpNotEqual: true, specs.OpLessThan: true, specs.OpLessEqual: true, specs.OpEqualTo: true,
	specs.OpGreaterEqual: true, specs.OpGreaterThan: true, specs.OpMaskedEqual: true,
}

// compare is the code that goes on behind itself if an argument matches, and otherwise jumps over so many instructions
// that follow. Arguments are 64 bits, in two words; all machines here have the low one first.
func compare(a specs.LinuxSeccompArg, skip int) []unix.SockFilter {
	low := uint32(16 + 8*a.Index)
	high := low + 4
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	and := func(mask uint64) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: uint32(mask)}
	}
	jump := func(op uint16, k uint64, t, f int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: uint8(t), Jf: uint8(f), K: uint32(k)}
	}
	v := a.Value
	switch a.Op {
	case specs.OpMaskedEqual: // (argument & Value) == ValueTwo
		return []unix.SockFilter{
			load(high), and(v >> 32), jump(unix.BPF_JEQ, a.ValueTwo>>32, 0, 3+skip),
			load(low), and(v), jump(unix.BPF_JEQ, a.ValueTwo, 0, skip),
		}
	case specs.OpEqualTo:
		return []unix.SockFilter{
			load(high), jump(unix.BPF_JEQ, v>>32, 0, 2+skip),
			load(low), jump(unix.BPF_JEQ, v, 0, skip),
		}
	case specs.OpNotEqual:
		return []unix.SockFilter{
			load(high), jump(unix.BPF_JEQ, v>>32, 0, 2),
			load(low), jump(unix.BPF_JEQ, v, skip, 0),
		}
	}
	// Ordered: the high words decide unless they are equal.
	op, greater := uint16(unix.BPF_JGT), true
	switch a.Op {
	case specs.OpGreaterEqual:
		op = unix.BPF_JGE
	case specs.OpLessEqual:
		greater = false // not >
	case specs.OpLessThan:
		op, greater = unix.BPF_JGE, false // not >=
	}
	if greater {
		return []unix.SockFilter{
			load(high), jump(unix.BPF_JGT, v>>32, 3, 0), jump(unix.BPF_JEQ, v>>32, 0, 2+skip),
			load(low), jump(op, v, 0, skip),
		}
	}
	return []unix.SockFilter{
		load(high), jump(unix.BPF_JGT, v>>32, 3+skip, 0), jump(unix.BPF_JEQ, v>>32, 0, 2),
		load(low), jump(op, v, skip, 0),
	}
}

func encodeFilter(code []unix.SockFilter) []byte {
	b := make([]byte, 0, len(code)*8)
	for _, c := range code {
		b = binary.NativeEndian.AppendUint16(b, c.Code)
		b = append(b, c.Jt, c.Jf)
		b = binary.NativeEndian.AppendUint32(b, c.K)
	}
	return b
}

// installFilter puts a filter on the calling thread, which needs CAP_SYS_ADMIN or no_new_privs.
func installFilter(filter []byte) error {
	prog := unix.SockFprog{Len: uint16(len(filter) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0]))}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return errno
	}
	return nil
}
