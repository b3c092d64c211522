package kernel

import (
	"context"
	"io"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// TTY is a terminal: the line discipline between the processes of a container, which have it open, and whoever sits in
// front of it, who types into Master and sees what goes to the output function. Its methods may be called from any
// goroutine.
type TTY struct {
	number int // set when a session gets the terminal
	output func(ctx context.Context, b []byte) (int, error)
	ctx    context.Context // ends at the hang-up
	hangup context.CancelFunc
	screen sync.Mutex // order of the output

	mu         sync.Mutex
	termios    Termios
	rows, cols uint16
	table      *Table // whose session has the terminal
	session    int
	foreground int
	input      []byte // ready to be read
	ends       []int  // canonical mode: where the lines in input end
	line       []byte // being edited
	literal    bool   // the next character is taken as it is (^V)
	changed    chan struct{}
}

// maxInput is how much a terminal keeps that nobody reads (MAX_CANON).
const maxInput = 4096

// NewTTY makes a terminal. output shows what processes write and what is echoed; it blocks to slow them down until its
// context ends.
func NewTTY(output func(ctx context.Context, b []byte) (int, error)) *TTY {
	t := &TTY{output: output, termios: DefaultTermios()}
	t.ctx, t.hangup = context.WithCancel(context.Background())
	return t
}

// Name is the terminal's name below /dev.
func (t *TTY) Name() string { return "pts/" + strconv.Itoa(t.number) }

// Open opens the terminal for processes.
func (t *TTY) Open() *File { return NewFile(&ttyFile{t}) }

// Master is the end of the one who types: Write gives input, Close hangs up.
func (t *TTY) Master() io.WriteCloser { return master{t} }

// Termios returns the settings.
func (t *TTY) Termios() Termios {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.termios
}

// SetTermios changes the settings, for the input that has not been read yet too.
func (t *TTY) SetTermios(s Termios) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.termios.Lflag&ICANON != 0 && s.Lflag&ICANON == 0 {
		t.input = append(t.input, t.line...)
		t.line, t.ends = nil, nil
	}
	if t.termios.Lflag&ICANON == 0 && s.Lflag&ICANON != 0 && len(t.input) > 0 {
		t.ends = []int{len(t.input)}
	}
	t.termios = s
	t.change()
}

// Size returns the window size in characters; 0 is not known.
func (t *TTY) Size() (rows, cols int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.rows), int(t.cols)
}

// Resize sets the window size; the foreground group gets SIGWINCH if it is another one.
func (t *TTY) Resize(rows, cols int) {
	t.mu.Lock()
	same := int(t.rows) == rows && int(t.cols) == cols
	t.rows, t.cols = uint16(rows), uint16(cols)
	table, group := t.table, t.foreground
	t.mu.Unlock()
	if !same && table != nil {
		table.signalGroup(group, SIGWINCH)
	}
}

// Foreground returns the process group that reads from the terminal, 0 if there is none.
func (t *TTY) Foreground() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.foreground
}

func (t *TTY) setForeground(group int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.foreground = group
}

// SetForeground makes a group of p's session the foreground group (tcsetpgrp). A background process gets SIGTTOU first,
// unless it ignores or catches that. ENOTTY: not p's terminal; EPERM: no such group.
func (t *TTY) SetForeground(p *Process, group int) error {
	if err := p.background(t, SIGTTOU, true); err != nil && err != syscall.EIO {
		return err
	}
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if p.tty != t {
		return syscall.ENOTTY
	}
	if !p.table.groupIn(group, p.session) {
		return syscall.EPERM
	}
	t.setForeground(group)
	return nil
}

// adopt makes the terminal that of p's session; the table's lock is held.
func (t *TTY) adopt(table *Table, p *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number = table.freeTerminal()
	t.table, t.session, t.foreground = table, p.session, p.group
}

// Hangup ends the terminal: reads give the end of file, writes EIO, and the session's
// leader and the foreground group get SIGHUP.
func (t *TTY) Hangup() {
	t.hangup()
	t.mu.Lock()
	t.change()
	table, session, foreground := t.table, t.session, t.foreground
	t.mu.Unlock()
	if table == nil {
		return
	}
	table.mu.Lock()
	defer table.mu.Unlock()
	for _, p := range table.snapshot() {
		if p.tty == t && (p.pid == session || p.group == foreground) {
			p.send(SIGHUP, false)
			p.send(SIGCONT, false)
		}
	}
}

// change wakes readers; the lock is held.
func (t *TTY) change() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// background gives a process outside the foreground group what job control has for it: the signal, unless it ignores
// or catches it (then nil with pass, EIO without).
func (p *Process) background(t *TTY, sig Signal, pass bool) error {
	for {
		p.table.mu.Lock()
		foreign := p.tty != t || t.Foreground() == p.group
		refused := p.ignored.has(sig) || p.table.orphaned(p.group) && !p.caught.has(sig)
		if !foreign && !refused {
			p.table.sendGroup(p.group, sig)
		}
		caught := p.caught.has(sig)
		p.table.mu.Unlock()
		switch {
		case foreign:
			return nil
		case refused && pass:
			return nil
		case refused:
			return syscall.EIO
		case caught:
			return syscall.EINTR
		}
		if err := p.Gate(); err != nil {
			return err
		}
	}
}

// ttyFile is the terminal as processes have it open.
type ttyFile struct{ tty *TTY }

func (f *ttyFile) Name() string   { return "/dev/" + f.tty.Name() }
func (f *ttyFile) Close() error   { return nil }
func (f *ttyFile) Readable() bool { return f.tty.readable() }

func (f *ttyFile) allow(p *Process, write bool) error {
	if !write {
		return p.background(f.tty, SIGTTIN, false)
	}
	if f.tty.Termios().Lflag&TOSTOP == 0 {
		return nil
	}
	return p.background(f.tty, SIGTTOU, true)
}

func (f *ttyFile) Write(ctx context.Context, b []byte) (int, error) {
	t := f.tty
	if t.ctx.Err() != nil {
		return 0, syscall.EIO
	}
	t.screen.Lock()
	defer t.screen.Unlock()
	if _, err := t.output(ctx, t.processed(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// processed is output as the screen gets it.
func (t *TTY) processed(b []byte) []byte {
	if flags := t.Termios().Oflag; flags&OPOST == 0 || flags&ONLCR == 0 {
		return b
	}
	var out []byte
	for i, c := range b {
		if c == '\n' {
			if out == nil {
				out = append(make([]byte, 0, len(b)+16), b[:i]...)
			}
			out = append(out, '\r')
		}
		if out != nil {
			out = append(out, c)
		}
	}
	if out == nil {
		return b
	}
	return out
}

func (t *TTY) readable() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready() || t.ctx.Err() != nil
}

// ready says whether there is something to read; the lock is held.
func (t *TTY) ready() bool {
	if t.termios.Lflag&ICANON != 0 {
		return len(t.ends) > 0
	}
	return len(t.input) >= max(1, int(t.termios.CC[VMIN])) || len(t.input) > 0 && t.termios.CC[VTIME] > 0
}

func (f *ttyFile) Read(ctx context.Context, b []byte) (int, error) {
	t := f.tty
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.ready() {
		if t.ctx.Err() != nil {
			return 0, io.EOF
		}
		if t.termios.Lflag&ICANON == 0 && t.termios.CC[VMIN] == 0 {
			return t.timed(ctx, b)
		}
		if err := t.wait(ctx, nil); err != nil {
			return 0, err
		}
	}
	return t.take(b)
}

// timed is a read with VMIN 0: it gives up after VTIME tenths of a second.
func (t *TTY) timed(ctx context.Context, b []byte) (int, error) {
	timer := time.NewTimer(time.Duration(t.termios.CC[VTIME]) * time.Second / 10)
	defer timer.Stop()
	for len(t.input) == 0 {
		switch err := t.wait(ctx, timer.C); err {
		case nil:
		case errTimeout:
			return 0, nil
		default:
			return 0, err
		}
	}
	return t.take(b)
}

const errTimeout = syscall.ETIMEDOUT

func (t *TTY) wait(ctx context.Context, timeout <-chan time.Time) error {
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	changed := t.changed
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-timeout:
		return errTimeout
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take gives input to a reader, at most a line in canonical mode. A line without bytes is the end of file (^D).
func (t *TTY) take(b []byte) (int, error) {
	n := len(t.input)
	canonical := t.termios.Lflag&ICANON != 0
	if canonical {
		n = t.ends[0]
	}
	if n == 0 {
		t.ends = t.ends[1:]
		return 0, io.EOF
	}
	n = copy(b, t.input[:n])
	t.input = t.input[n:]
	if canonical {
		if t.ends[0] == n {
			t.ends = t.ends[1:]
		} else if n == 0 {
			return 0, nil
		}
		for i := range t.ends {
			t.ends[i] -= n
		}
	}
	if len(t.input) == 0 {
		t.input = nil
	}
	t.change()
	return n, nil
}

// terminal finds a terminal of the container by its number.
func (t *Table) terminal(n int) *TTY {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.processes {
		if p.tty != nil && p.tty.number == n {
			return p.tty
		}
	}
	return nil
}

// freeTerminal is the lowest number that no terminal has; the table's lock is held.
func (t *Table) freeTerminal() int {
	taken := map[int]bool{}
	for _, p := range t.processes {
		if p.tty != nil && p.tty.table == t {
			taken[p.tty.number] = true
		}
	}
	n := 0
	for taken[n] {
		n++
	}
	return n
}
