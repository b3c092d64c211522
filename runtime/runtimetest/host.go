package runtimetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/network"
)

// fakeHost runs the few programs that the suite needs, as goroutines.
type fakeHost struct {
	mu         sync.Mutex
	containers map[string]*fakeContainer
	listeners  map[listening]string // where on this machine a container's port really is
	net        *network.Agent
	cut        context.CancelFunc // ends the latest stream of connections
	silent     bool               // crashed: nothing is told any more
	pid        int64
}

type fakeContainer struct {
	files     map[string][]byte // regular files by path
	processes map[*fakeProcess]bool
	main      *fakeProcess
}

func newFakeHost() *fakeHost {
	h := &fakeHost{containers: map[string]*fakeContainer{}, listeners: map[listening]string{}}
	h.net = network.NewAgent(h)
	return h
}

// silence ends all processes without telling anybody.
func (h *fakeHost) silence() {
	h.mu.Lock()
	h.silent = true
	var all []*fakeProcess
	for _, c := range h.containers {
		for p := range c.processes {
			all = append(all, p)
		}
	}
	h.mu.Unlock()
	for _, p := range all {
		p.die(9)
	}
}

func (h *fakeHost) Open(_ context.Context, c *agentpb.Container) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.containers[c.GetId()] == nil {
		h.containers[c.GetId()] = &fakeContainer{files: map[string][]byte{}, processes: map[*fakeProcess]bool{}}
	}
	return nil
}

func (h *fakeHost) Close(_ context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.containers, id)
	return nil
}

func (h *fakeHost) Promote(context.Context, *agentpb.PromoteRequest) (*agentpb.PromoteReply, error) {
	return nil, errdefs.ErrNotImplemented.WithMessage("the fake has no native programs")
}

func (h *fakeHost) Delta(context.Context, *agentpb.DeltaRequest, io.Writer) error {
	return errdefs.ErrNotImplemented.WithMessage("the fake keeps no changes")
}

func (h *fakeHost) get(id string) (*fakeContainer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.containers[id]; c != nil {
		return c, nil
	}
	return nil, errdefs.ErrNotFound.WithMessage("no container " + id)
}

func (h *fakeHost) Start(ctx context.Context, c *agentpb.Container, p *agentpb.Process, out agent.Sink) (agent.Process, error) {
	if err := h.Open(ctx, c); err != nil {
		return nil, err
	}
	return h.run(c.GetId(), p, out, true)
}

func (h *fakeHost) Exec(_ context.Context, id string, p *agentpb.Process, out agent.Sink) (agent.Process, error) {
	return h.run(id, p, out, false)
}

func (h *fakeHost) run(id string, spec *agentpb.Process, out agent.Sink, first bool) (agent.Process, error) {
	c, err := h.get(id)
	if err != nil {
		return nil, err
	}
	program := programs[spec.GetArgs()[0]]
	if program == nil {
		return nil, &agent.StartError{Code: 127, Message: `exec: "` + spec.GetArgs()[0] + `": executable file not found in $PATH`}
	}
	p := newFakeProcess(spec, out)
	p.host, p.container = h, id
	h.mu.Lock()
	h.pid++
	p.pid = h.pid
	c.processes[p] = true
	if first {
		c.main = p
	}
	h.mu.Unlock()
	go func() {
		code := program(p, spec.GetArgs())
		if p.ctx.Err() != nil {
			code = p.code()
		}
		h.ended(c, p, first)
		h.mu.Lock()
		silent := h.silent
		h.mu.Unlock()
		if !silent {
			out.End(&agentpb.Exit{Code: int32(code), Time: time.Now().UnixNano()})
		}
		close(p.done)
	}()
	return p, nil
}

// ended takes a process off the table; the first one takes the others with it.
func (h *fakeHost) ended(c *fakeContainer, p *fakeProcess, first bool) {
	h.mu.Lock()
	delete(c.processes, p)
	var others []*fakeProcess
	if first {
		for other := range c.processes {
			others = append(others, other)
		}
	}
	h.mu.Unlock()
	for _, other := range others {
		other.die(9)
		<-other.done
	}
}

func (h *fakeHost) Pause(_ context.Context, id string, _ bool) error {
	_, err := h.get(id)
	return err
}

func (h *fakeHost) Top(_ context.Context, id string, _ []string) (*agentpb.TopReply, error) {
	c, err := h.get(id)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	reply := &agentpb.TopReply{Titles: []string{"PID", "CMD"}}
	for p := range c.processes {
		reply.Processes = append(reply.Processes, &agentpb.TopReply_Row{Cells: []string{"1", strings.Join(p.args, " ")}})
	}
	return reply, nil
}

func (h *fakeHost) Stats(context.Context, string) (*agentpb.StatsReply, error) {
	return &agentpb.StatsReply{Time: time.Now().UnixNano()}, nil
}

// folder tells whether a path is a folder: the root, /tmp, or the parent of a file.
func (c *fakeContainer) folder(name string) bool {
	if name == "/" || name == "/tmp" {
		return true
	}
	for file := range c.files {
		if strings.HasPrefix(file, name+"/") {
			return true
		}
	}
	return false
}

func (h *fakeHost) Stat(_ context.Context, id, name string) (*agentpb.PathStat, error) {
	c, err := h.get(id)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	name = path.Clean(name)
	if data, ok := c.files[name]; ok {
		return &agentpb.PathStat{Name: path.Base(name), Size: int64(len(data)), Mode: 0o644}, nil
	}
	if c.folder(name) {
		return &agentpb.PathStat{Name: path.Base(name), Mode: uint32(fs.ModeDir | 0o755)}, nil
	}
	return nil, errdefs.ErrNotFound.WithMessage("no such file or directory")
}

func (h *fakeHost) Get(ctx context.Context, id, name string, stat func(*agentpb.PathStat) error, w io.Writer) error {
	s, err := h.Stat(ctx, id, name)
	if err != nil {
		return err
	}
	if err := stat(s); err != nil {
		return err
	}
	c, err := h.get(id)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	out := tar.NewWriter(w)
	var names []string
	for file := range c.files {
		if file == name || strings.HasPrefix(file, strings.TrimSuffix(name, "/")+"/") {
			names = append(names, file)
		}
	}
	slices.Sort(names)
	for _, file := range names {
		rel := strings.TrimPrefix(file, path.Dir(path.Clean(name)))
		header := &tar.Header{Name: strings.TrimPrefix(rel, "/"), Mode: 0o644, Size: int64(len(c.files[file]))}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(c.files[file]); err != nil {
			return err
		}
	}
	return out.Close()
}

func (h *fakeHost) Put(_ context.Context, open *agentpb.PutOpen, r io.Reader) error {
	c, err := h.get(open.GetContainer())
	if err != nil {
		return err
	}
	for in := tar.NewReader(r); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var data bytes.Buffer
		if _, err := io.Copy(&data, in); err != nil {
			return err
		}
		h.mu.Lock()
		c.files[path.Join(open.GetPath(), header.Name)] = data.Bytes()
		h.mu.Unlock()
	}
}

func (h *fakeHost) Changes(_ context.Context, id string) ([]*agentpb.Change, error) {
	c, err := h.get(id)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var changes []*agentpb.Change
	for file := range c.files {
		changes = append(changes, &agentpb.Change{Kind: agentpb.Change_ADDED, Path: file})
	}
	slices.SortFunc(changes, func(a, b *agentpb.Change) int { return strings.Compare(a.Path, b.Path) })
	return changes, nil
}
