package kernel

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
)

// A Resolver finds the program behind a path as execve(2) does, with the credentials and the working directory of
// files. It returns the arguments to call it with, which differ from args for a script. Its errors are *ExecError.
type Resolver func(files *rootfs.View, path string, args []string) (Program, []string, error)

// Limits are those of a container; 0 is no limit.
type Limits struct {
	Memory    int64 // bytes: what /proc/meminfo shows and what a guest may have
	Processes int   // processes
	CPUs      int   // what /proc/cpuinfo shows
}

// TableConfig is what a table is made of.
type TableConfig struct {
	Tree       *rootfs.Tree
	Hostname   string
	Domainname string
	Limits     Limits
	Exec       Resolver
	// Network is what is beyond the container; nil is no network but loopback. Addresses are the container's own in it.
	Network   Network
	Addresses []netip.Addr
	// Socket connects to the socket of the file tree that has this number on the device [SocketDev]; nil where there are none.
	Socket func(ctx context.Context, number uint64) (net.Conn, error)
	// Grace is how long a killed process may take to notice, before it counts as ended; 0 is 10 s.
	Grace time.Duration
}

// Table is a container's process table, a pid namespace: its first process has pid 1, and when that ends all end.
// All methods may be called from any goroutine.
type Table struct {
	config TableConfig
	booted int64 // Unix nanoseconds

	mu        sync.Mutex
	processes []*Process // by pid; zombies too
	last      int        // pid that was given last
	alive     int        // processes that are no zombies
	paused    bool
	closing   bool          // process 1 has ended
	empty     chan struct{} // closed when process 1 is the only one alive; made when it ends
	fifos     map[inode]*fifo
	spent     Usage // of the processes that are gone
	forks     atomic.Int64
	memory    atomic.Int64 // bytes that guests have
	ports     ports
}

// Usage is what processes have used.
type Usage struct {
	CPU       time.Duration
	Read      int64 // bytes through descriptors
	Written   int64
	Processes int   // alive
	Memory    int64 // bytes that guests have
}

const (
	maxPID       = 4194304
	defaultGrace = 10 * time.Second
)

// NewTable makes a table without processes.
func NewTable(config TableConfig) *Table {
	if config.Grace == 0 {
		config.Grace = defaultGrace
	}
	return &Table{config: config, booted: time.Now().UnixNano()}
}

// Tree returns the container's files.
func (t *Table) Tree() *rootfs.Tree { return t.config.Tree }

// Hostname returns the container's host name.
func (t *Table) Hostname() string { return t.config.Hostname }

// Domainname returns the container's domain name.
func (t *Table) Domainname() string { return t.config.Domainname }

// Limits returns the container's limits.
func (t *Table) Limits() Limits { return t.config.Limits }

// Boot returns when the table was made.
func (t *Table) Boot() time.Time { return time.Unix(0, t.booted) }

// Find returns a process that has not been waited for yet, nil if there is none.
func (t *Table) Find(pid int) *Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(pid)
}

func (t *Table) find(pid int) *Process {
	if i, ok := t.position(pid); ok {
		return t.processes[i]
	}
	return nil
}

func (t *Table) position(pid int) (int, bool) {
	return slices.BinarySearchFunc(t.processes, pid, func(p *Process, pid int) int { return p.pid - pid })
}

// groupIn says whether a process group exists, in the session if that is not 0.
func (t *Table) groupIn(group, session int) bool {
	return slices.ContainsFunc(t.processes, func(p *Process) bool {
		return p.group == group && (session == 0 || p.session == session)
	})
}

// add gives the process a pid and enters it.
func (t *Table) add(p *Process) error {
	if t.closing {
		return syscall.ENOMEM
	}
	if t.config.Limits.Processes > 0 && len(t.processes) >= t.config.Limits.Processes {
		return syscall.EAGAIN
	}
	pid := t.last + 1
	for ; ; pid++ {
		if pid > maxPID {
			pid = 2
		}
		if i, taken := t.position(pid); !taken {
			t.processes = slices.Insert(t.processes, i, p)
			break
		}
	}
	t.last, p.pid = pid, pid
	t.alive++
	if t.paused {
		p.state.Store(statePaused)
	}
	t.forks.Add(1)
	return nil
}

// remove forgets a process that has been waited for.
func (t *Table) remove(p *Process) {
	if i, ok := t.position(p.pid); ok {
		t.processes = slices.Delete(t.processes, i, i+1)
	}
	if p.parent != nil {
		p.parent.removeChild(p)
	}
	t.spent.CPU += time.Duration(p.cpu.Load())
	t.spent.Read += p.read.Load()
	t.spent.Written += p.written.Load()
}

// Usage sums up what the processes, those that have ended too, have used.
func (t *Table) Usage() Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.spent
	for _, p := range t.processes {
		u.CPU += p.CPU()
		u.Read += p.read.Load()
		u.Written += p.written.Load()
	}
	u.Processes, u.Memory = t.alive, t.memory.Load()
	return u
}

// AddMemory accounts memory of a guest, in bytes; less than 0 gives it back. The error is ENOMEM at the limit.
func (t *Table) AddMemory(bytes int64) error {
	if now := t.memory.Add(bytes); bytes > 0 && t.config.Limits.Memory > 0 && now > t.config.Limits.Memory {
		t.memory.Add(-bytes)
		return syscall.ENOMEM
	}
	return nil
}

// Pause stops all processes where they next wait or go through a gate, or lets them go on.
func (t *Table) Pause(paused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = paused
	for _, p := range t.processes {
		if paused {
			p.state.Or(statePaused)
		} else {
			p.state.And(^statePaused)
			p.openGate()
		}
	}
}

// Paused says whether the container is paused.
func (t *Table) Paused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paused
}

// Info is what ps shows of a process.
type Info struct {
	PID, PPID, PGID, SID int
	UID, GID             uint32
	State                byte // as in /proc/<pid>/stat: R S T Z
	Started              time.Time
	CPU                  time.Duration
	TTY                  string // "pts/0"; "" without a terminal
	Foreground           int    // the terminal's foreground group, -1 without a terminal
	Path                 string
	Args                 []string
}

// Processes lists the processes in the order of their pids.
func (t *Table) Processes() []Info {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Info, 0, len(t.processes))
	for _, p := range t.processes {
		list = append(list, p.info())
	}
	return list
}

// info describes the process; the table's lock is held.
func (p *Process) info() Info {
	cred := p.view.Cred()
	i := Info{
		PID: p.pid, PPID: p.ppid(), PGID: p.group, SID: p.session, UID: cred.UID, GID: cred.GID,
		State: 'S', Started: p.Started(), CPU: p.CPU(), Path: p.image.path, Args: p.image.args, Foreground: -1,
	}
	switch {
	case p.dead:
		i.State = 'Z'
	case p.state.Load()&stateStopped != 0:
		i.State = 'T'
	case p.running.Load() != 0 && p.state.Load()&statePaused == 0:
		i.State = 'R'
	}
	if p.tty != nil {
		i.TTY, i.Foreground = p.tty.Name(), p.tty.Foreground()
	}
	return i
}
