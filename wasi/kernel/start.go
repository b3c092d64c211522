package kernel

import "github.com/sockerless/sockerless/store/rootfs"

// StartOptions describe a process that is started from outside the container.
type StartOptions struct {
	Path  string
	Args  []string
	Env   []string
	Files *rootfs.View // working directory and credentials; belongs to the process from here on
	// Descriptors 0, 1, 2. The process takes references of its own.
	Stdin, Stdout, Stderr *File
	Terminal              *TTY // controlling terminal, if there is one
	// Ended is called once when the process has ended and closed its descriptors; for process 1, when all others have
	// ended too. It may be called before Start returns.
	Ended func(WaitStatus)
}

// Start runs a program: as process 1 the first time, later as another one without a parent. The error is an *ExecError,
// EAGAIN (limit of processes) or ENOMEM (process 1 has ended).
func (t *Table) Start(o StartOptions) (*Process, error) {
	i, err := t.load(o.Files, o.Path, o.Args, o.Env)
	if err != nil {
		return nil, err
	}
	p := t.newProcess(i, o.Files)
	p.ended, p.orphan = o.Ended, true
	t.mu.Lock()
	if err := t.add(p); err != nil {
		t.mu.Unlock()
		return nil, err
	}
	p.group, p.session, p.tty = p.pid, p.pid, o.Terminal
	if p.tty != nil {
		p.tty.adopt(t, p)
	}
	t.mu.Unlock()
	for fd, f := range []*File{o.Stdin, o.Stdout, o.Stderr} {
		if f != nil {
			p.fds.set(fd, f.Ref(), false)
		}
	}
	p.launch()
	return p, nil
}
