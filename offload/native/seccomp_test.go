//go:build linux

package native

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write syscalls.txt anew")

// TestSyscallTable compares the table with golang.org/x/sys/unix.
func TestSyscallTable(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	must(t, err)
	table := map[string][]string{
		"breakpoint": {"-", "-", "-", "983041", "-"}, "cacheflush": {"-", "-", "-", "983042", "-"}, "set_tls": {"-", "-", "-", "983045", "-"},
	}
	arches := []string{"amd64", "386", "arm64", "arm", "riscv64"}
	line := regexp.MustCompile(`(?m)^\tSYS_(\w+)\s*=\s*(\d+)$`)
	for i, a := range arches {
		source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "unix/zsysnum_linux_"+a+".go"))
		must(t, err)
		for _, m := range line.FindAllStringSubmatch(string(source), -1) {
			name := strings.ToLower(m[1])
			if name == "syscall_mask" {
				continue // no call
			}
			if table[name] == nil {
				table[name] = []string{"-", "-", "-", "-", "-"}
			}
			table[name][i] = m[2]
		}
	}
	var b strings.Builder
	fmt.Fprintln(&b, "# name", strings.Join(arches, " "))
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(&b, name, strings.Join(table[name], " "))
	}
	if *update {
		must(t, os.WriteFile("syscalls.txt", []byte(b.String()), 0o644))
	} else if b.String() != syscallTable {
		t.Error("syscalls.txt is out of date: go test -run TestSyscallTable -update")
	}
}

// interpret runs a filter as the kernel does.
func interpret(t *testing.T, code []unix.SockFilter, nr, audit uint32, args ...uint64) uint32 {
	t.Helper()
	data := binary.LittleEndian.AppendUint32(nil, nr)
	data = binary.LittleEndian.AppendUint32(data, audit)
	data = binary.LittleEndian.AppendUint64(data, 0)
	for i := range 6 {
		v := uint64(0)
		if i < len(args) {
			v = args[i]
		}
		data = binary.LittleEndian.AppendUint64(data, v)
	}
	acc := uint32(0)
	for pc := 0; ; pc++ {
		c := code[pc]
		taken := false
		switch c.Code {
		case unix.BPF_RET | unix.BPF_K:
			return c.K
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.LittleEndian.Uint32(data[c.K:])
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= c.K
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(c.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			taken = acc == c.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			taken = acc > c.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			taken = acc >= c.K
		default:
			t.Fatalf("instruction %x", c.Code)
		}
		if taken {
			pc += int(c.Jt)
		} else {
			pc += int(c.Jf)
		}
	}
}

// TestDefaultFilter compares what the compiled filter answers with the profile, for every call of every machine.
func TestDefaultFilter(t *testing.T) {
	const errno = unix.SECCOMP_RET_ERRNO
	for _, goarch := range []string{"amd64", "arm64", "riscv64"} {
		p, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
		must(t, err)
		for _, a := range abis(goarch) { // the profile that is loaded here is this machine's
			p.Architectures = append(p.Architectures, a.arch)
		}
		code, err := compile(p, goarch)
		must(t, err)
		for _, a := range abis(goarch) {
			allowed := map[string]bool{}
			for _, s := range p.Syscalls {
				for _, name := range s.Names {
					if s.Action == specs.ActAllow && len(s.Args) == 0 {
						allowed[name] = true
					}
				}
			}
			numbers := syscallNumbers(a.column)
			for name, n := range numbers {
				want := errno | uint32(unix.EPERM)
				switch {
				case allowed[name]:
					want = unix.SECCOMP_RET_ALLOW
				case name == "clone3", n >= 0xf0000: // arm's own, which only the profile of an arm machine has
					want = errno | uint32(unix.ENOSYS)
				case name == "clone", name == "personality": // with flags 0
					want = unix.SECCOMP_RET_ALLOW
				case name == "socket":
					continue
				}
				if got := interpret(t, code, n, a.audit); got != want {
					t.Errorf("%s %s: %x, want %x", a.arch, name, got, want)
				}
			}
			for _, c := range []struct {
				name string
				args []uint64
				want uint32
			}{
				{"clone", []uint64{unix.CLONE_NEWUSER}, errno | uint32(unix.EPERM)},
				{"clone", []uint64{unix.CLONE_VM | 1<<40}, unix.SECCOMP_RET_ALLOW},
				{"personality", []uint64{0x20008}, unix.SECCOMP_RET_ALLOW},
				{"personality", []uint64{0x20008 | 1<<32}, errno | uint32(unix.EPERM)},
				{"personality", []uint64{1}, errno | uint32(unix.EPERM)},
				{"socket", []uint64{unix.AF_INET}, unix.SECCOMP_RET_ALLOW},
				{"socket", []uint64{unix.AF_VSOCK}, errno | uint32(unix.EPERM)},
			} {
				if got := interpret(t, code, numbers[c.name], a.audit, c.args...); got != c.want {
					t.Errorf("%s %s %x: %x, want %x", a.arch, c.name, c.args, got, c.want)
				}
			}
			if got := interpret(t, code, 5000, a.audit); got != errno|uint32(unix.ENOSYS) {
				t.Errorf("%s: a call that is not known: %x", a.arch, got)
			}
		}
		if got := interpret(t, code, 0, unix.AUDIT_ARCH_S390X); got != unix.SECCOMP_RET_KILL_PROCESS {
			t.Errorf("another machine: %x", got)
		}
	}
}

func TestOperators(t *testing.T) {
	const big = 5<<32 | 7
	for _, c := range []struct {
		op           specs.LinuxSeccompOperator
		matches, not []uint64
	}{
		{specs.OpEqualTo, []uint64{big}, []uint64{7, 5 << 32, big + 1}},
		{specs.OpNotEqual, []uint64{7, 5 << 32, big + 1}, []uint64{big}},
		{specs.OpLessThan, []uint64{0, big - 1, 4<<32 | 9}, []uint64{big, big + 1, 6 << 32}},
		{specs.OpLessEqual, []uint64{0, big, 4<<32 | 9}, []uint64{big + 1, 6 << 32}},
		{specs.OpGreaterThan, []uint64{big + 1, 6 << 32}, []uint64{0, big, 4<<32 | 9}},
		{specs.OpGreaterEqual, []uint64{big, big + 1, 6 << 32}, []uint64{0, big - 1, 4<<32 | 9}},
		{specs.OpMaskedEqual, []uint64{4 << 32, 4<<32 | 8}, []uint64{0, 5 << 32, 4<<32 | 1}},
	} {
		zero := uint(38)
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &zero, Syscalls: []specs.LinuxSyscall{{
			Names: []string{"read"}, Action: specs.ActAllow,
			// The second condition shows that jumps out of the first one go far enough.
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: big, ValueTwo: 4 << 32, Op: c.op}, {Index: 2, Value: 3, Op: specs.OpEqualTo}},
		}}}
		code, err := compile(p, "amd64")
		must(t, err)
		answer := func(v, second uint64) bool {
			return interpret(t, code, 0, unix.AUDIT_ARCH_X86_64, 0, v, second) == unix.SECCOMP_RET_ALLOW
		}
		for _, v := range c.matches {
			if !answer(v, 3) || answer(v, 4) {
				t.Errorf("%s: %x does not match", c.op, v)
			}
		}
		for _, v := range c.not {
			if answer(v, 3) {
				t.Errorf("%s: %x matches", c.op, v)
			}
		}
	}
	if _, err := seccompFilter(`{"defaultAction":"SCMP_ACT_NOTIFY","syscalls":[]}`, 0); err == nil {
		t.Error("SCMP_ACT_NOTIFY is not refused")
	}
}
