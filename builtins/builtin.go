package builtins

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Func is a command. It runs as p and returns the exit status, 0 to 255.
type Func func(p *Process) int

// Lookup returns the command of that name, nil if there is none. The name is the last element of a program's path.
func Lookup(name string) Func { return commands[name].run }

// Replaces says whether the command of that name runs in the place of an image's own native program; runnable says that
// the program could be run somewhere.
func Replaces(name string, runnable bool) bool {
	c, ok := commands[name]
	return ok && !c.absent && !(c.yields && runnable)
}

// Names returns the names of all commands, sorted.
func Names() []string { return slices.Sorted(maps.Keys(commands)) }

// Process is a running command: its arguments, its environment, its files and the system below it.
type Process struct {
	Context context.Context // ends when the process is killed; reads of Stdin fail then
	Args    []string        // Args[0] is the name that it was called by
	Env     []string        // NAME=value
	Files   *rootfs.View    // working directory, credentials, umask
	Stdin   io.Reader
	Stdout  io.Writer // unbuffered; a write to a closed pipe gives syscall.EPIPE, and the command returns soon after
	Stderr  io.Writer
	System  System
}

// System is what the kernel gives a command besides files.
type System interface {
	// Run starts a program, looked up in the PATH of the Env given, and waits for it. The status is the one a shell
	// would see (128+n after a signal). err says that it could not be started: ENOENT, EACCES, ENOEXEC, E2BIG.
	Run(ctx context.Context, c Command) (status int, err error)
	// Processes lists the processes of the container in the order of their pids.
	Processes() []ProcessInfo
	// Kill is kill(2): pid 0 is the own group, -n the group n, -1 every process; signal 0 only checks.
	Kill(pid int, signal int) error
	PID() int
	Hostname() string
	// IsTerminal says whether descriptor fd (0, 1 or 2) is a terminal, TerminalSize how large.
	IsTerminal(fd int) bool
	TerminalSize(fd int) (rows, cols int, ok bool)
	Now() time.Time
	Boot() time.Time
	// Block calls wait, during which the process counts as asleep: for what waits on anything but its streams.
	Block(wait func())
	CPUs() int
	// Memory gives the container's memory in bytes.
	Memory() (total, available int64)
	// Dial connects to "host:port" over "tcp" or "udp", or to a socket of the file tree over "unix"; a connection over TCP has CloseWrite. The errors are syscall.Errno
	// of connect(2), and *net.DNSError for a host that has no address.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Listen accepts connections at "host:port" of the container, at all its addresses without a host. Over "udp" a
	// connection is the datagrams of one sender.
	Listen(network, address string) (net.Listener, error)
	// LookupHost returns the addresses of a name, those of the container's /etc/hosts first; or a *net.DNSError.
	LookupHost(ctx context.Context, name string) ([]netip.Addr, error)
}

// Command is a program to run.
type Command struct {
	Args           []string
	Env            []string
	Dir            string // the caller's working directory if empty
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// ReplacesCaller marks an exec without a fork (env, nohup, nice): the program has the caller's pid and gets its
	// signals.
	ReplacesCaller bool
	// NewSession gives the program a session and a process group of its own (setsid), NewGroup only a group (timeout).
	NewSession, NewGroup bool
	// Ignore lists signals that the program starts with ignored (nohup).
	Ignore []int
	// Started is called with the pid once the program runs, before Run waits for it.
	Started func(pid int)
}

// ProcessInfo is what ps knows of a process.
type ProcessInfo struct {
	PID, PPID, PGID, SID int
	UID, GID             uint32
	State                byte // as in /proc/<pid>/stat: R S T Z
	Started              time.Time
	CPU                  time.Duration
	TTY                  string // "pts/0"; "" without a terminal
	Args                 []string
}

// Getenv returns the value of a variable, "" if it is not set.
func (p *Process) Getenv(name string) string {
	value, _ := p.LookupEnv(name)
	return value
}

// LookupEnv returns the value of a variable and whether it is set. The last one counts if there are several.
func (p *Process) LookupEnv(name string) (string, bool) {
	for i := len(p.Env) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(p.Env[i], name); ok && strings.HasPrefix(rest, "=") {
			return rest[1:], true
		}
	}
	return "", false
}

// Name is the last element of the name that the command was called by.
func (p *Process) Name() string {
	if len(p.Args) == 0 {
		return "builtin"
	}
	name := p.Args[0]
	return name[strings.LastIndexByte(name, '/')+1:]
}

// Errorf prints "name: message" and a newline to Stderr.
func (p *Process) Errorf(format string, args ...any) {
	io.WriteString(p.Stderr, p.Name()+": "+fmt.Sprintf(format, args...)+"\n")
}
