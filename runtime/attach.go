package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// AttachOptions of [Engine.ContainerAttach].
type AttachOptions struct {
	Logs, Stream, Stdin, Stdout, Stderr bool
	DetachKeys                          string // empty: ctrl-p,ctrl-q
}

// Attachment is a client's hold on the streams of a container or an exec, registered when it is returned. Either Run or
// Close must be called.
type Attachment struct {
	tty  bool
	run  func(ctx context.Context, stdin io.Reader, out Output) error
	stop func()
}

// Output takes output of stream 1 or 2, one call at a time; p is valid only during the call. After an error it is not
// called again.
type Output = func(stream byte, p []byte) error

// TTY tells whether the streams are those of a terminal: one raw stream, not multiplexed.
func (a *Attachment) TTY() bool { return a.tty }

// Run copies until the process has ended, the client detached, ctx ended or out failed; the first two are no error.
// stdin may be nil; its end closes the process's standard input where Docker does. When Run has returned, a Read of
// stdin may still be under way: the caller ends it by closing the connection.
func (a *Attachment) Run(ctx context.Context, stdin io.Reader, out Output) error {
	defer a.stop()
	return a.run(ctx, stdin, out)
}

// Close gives up an attachment that was never run.
func (a *Attachment) Close() { a.stop() }

// containerStream is an attachment to a container.
type containerStream struct {
	engine    *Engine
	container *container
	opts      AttachOptions
	keys      []byte
	tty       bool
	hasStdin  bool // the container has one
	closes    bool // the end of the client's input ends the container's

	begun  chan struct{} // closed when there is something to stream, or nothing any more
	once   sync.Once
	link   *link // nil: nothing comes
	offset int64 // of the spool; -1: from now on
}

// ContainerAttach registers a client for the streams of a container, also of one that does not run yet: such a client
// gets the next run's output from its first byte. Errors: errdefs.ErrNotFound, ErrConflict, ErrInvalidArgument.
func (e *Engine) ContainerAttach(_ context.Context, name string, opts AttachOptions) (*Attachment, error) {
	keys, err := parseDetachKeys(opts.DetachKeys)
	if err != nil {
		return nil, err
	}
	c, err := e.lookup(name)
	if err != nil {
		return nil, err
	}
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	s := &containerStream{
		engine: e, container: c, opts: opts, keys: keys, tty: d.Config.Tty, hasStdin: d.Config.OpenStdin,
		closes: d.Config.StdinOnce && !d.Config.Tty, begun: make(chan struct{}), offset: -1,
	}
	c.mu.Lock()
	r := c.record()
	switch {
	case r.Status == types.StatePaused:
		err = conflict("container %s is paused, unpause the container before attach", name)
	case r.Status == types.StateRestarting:
		err = conflict("container %s is restarting, wait until the container is running", name)
	case c.removed:
		err = notFound("No such container: %s", name)
	case opts.Stream && r.running():
		c.attached++
		s.start(e.agentOf(r), -1)
	case opts.Stream:
		c.attached++
		c.attachments = append(c.attachments, s)
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if opts.Stream {
		e.containerEvent(c, d, events.ActionAttach)
	}
	return &Attachment{tty: s.tty, run: s.run, stop: sync.OnceFunc(s.leave)}, nil
}

// start lets the stream begin, on an agent; nil is the end of the container.
func (s *containerStream) start(l *link, offset int64) {
	s.once.Do(func() {
		s.link, s.offset = l, offset
		close(s.begun)
	})
}

// leave is the end of an attachment, run or not.
func (s *containerStream) leave() {
	if !s.opts.Stream {
		return
	}
	c := s.container
	c.mu.Lock()
	c.attachments = slices.DeleteFunc(c.attachments, func(other *containerStream) bool { return other == s })
	c.mu.Unlock()
	c.left()
}

// joined counts a client that is joined to output of the container, or of an exec, until it has left.
func (c *container) joined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attached++
}

func (c *container) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attached--; c.attached == 0 && c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
}

// outputDelivered is closed once no attached client has output to come.
func (c *container) outputDelivered() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attached > 0 {
		if c.drained == nil {
			c.drained = make(chan struct{})
		}
		return c.drained
	}
	none := make(chan struct{})
	close(none)
	return none
}

// dropAttachments ends those that wait for a start: the container is gone.
func (c *container) dropAttachments() {
	c.mu.Lock()
	waiting := c.attachments
	c.attachments = nil
	c.mu.Unlock()
	for _, s := range waiting {
		s.start(nil, 0)
	}
}

func (s *containerStream) wants(stream uint32) bool {
	return stream == uint32(agent.Stdout) && s.opts.Stdout || stream == uint32(agent.Stderr) && s.opts.Stderr
}

func (s *containerStream) run(ctx context.Context, stdin io.Reader, out Output) error {
	replayed := int64(-1)
	if s.opts.Logs {
		var err error
		if replayed, err = s.replay(0, out); err != nil {
			return err
		}
	}
	if !s.opts.Stream {
		return nil
	}
	select {
	case <-s.begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.link == nil {
		return nil
	}
	if s.offset < 0 && replayed >= 0 {
		s.offset = replayed
	}
	k := s.container.collected()
	output := k == nil && (s.opts.Stdout || s.opts.Stderr)
	stream, err := s.link.Attach(ctx, &agentpb.AttachOpen{
		Container: s.container.id, Offset: s.offset, Stdin: s.opts.Stdin && s.hasStdin, Output: output, Follow: output,
	})
	if err != nil {
		return s.rest(ctx, out, err)
	}
	defer stream.Close()
	input := make(chan error, 1)
	if s.opts.Stdin && s.hasStdin && stdin != nil {
		if s.tty {
			stdin = &detachReader{from: stdin, keys: s.keys}
		}
		go sendInput(stream, stdin, s.closes, input) // ends with the client's connection, see Run
	}
	ended := make(chan error, 1)
	reading, leave := context.WithCancel(ctx)
	defer leave()
	if k != nil {
		go func() { ended <- s.collectedOutput(reading, k, out) }() // ends with reading
	} else {
		go func() { ended <- s.output(stream, out) }() // ends with the stream
	}
	select {
	case err = <-ended:
	case err = <-input:
		leaveStream(stream, err)
		leave()
		<-ended
		if errors.Is(err, errDetach) {
			s.engine.event(s.container, events.ActionDetach)
		}
		return nil
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	var refused refusedError
	if errors.As(err, &refused) {
		return refused.error
	}
	return s.rest(ctx, out, err)
}

// refusedError is an error of the client's side: it took no more output.
type refusedError struct{ error }

// output passes output on until the exit. The agent only says up to where the spool has grown, which is on this machine; one of
// an earlier version sends the output.
func (s *containerStream) output(stream *agent.Stream, out Output) error {
	var reader *spool.Reader // opened at the first output: before that there may be no file
	defer func() {
		if reader != nil {
			_ = reader.Close() // only read
		}
	}()
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if m.GetExit() != nil {
			return nil
		}
		data := m.GetData()
		if data == nil {
			continue
		}
		if len(data.GetData()) > 0 {
			s.offset = data.GetOffset()
			if err := s.pass(uint8(data.GetStream()), data.GetData(), out); err != nil {
				return err
			}
			continue
		}
		if s.offset < 0 {
			s.offset = data.GetOffset()
		}
		for s.offset < data.GetOffset() {
			if reader == nil {
				if reader, err = spool.OpenReader(s.engine.spoolPath(s.container.id)); err != nil {
					return err
				}
			}
			r, err := reader.Next(s.offset)
			if err != nil {
				return fmt.Errorf("read the output at %d, which the agent has at %d: %w", s.offset, data.GetOffset(), err)
			}
			s.offset = r.Next
			if err := s.pass(r.Stream, r.Data, out); err != nil {
				return err
			}
		}
	}
}

// pass gives the client what it wants to have.
func (s *containerStream) pass(stream uint8, data []byte, out Output) error {
	if !s.wants(uint32(stream)) {
		return nil
	}
	if err := out(stream, data); err != nil {
		return refusedError{err}
	}
	return nil
}

// collectedOutput passes on output that is brought here from the agent.
func (s *containerStream) collectedOutput(ctx context.Context, k *collector, out Output) (err error) {
	if s.offset < 0 {
		if s.offset, err = k.spool.End(); err != nil {
			return err
		}
	}
	s.offset, err = k.each(ctx, s.offset, func(r spool.Record) error {
		return s.pass(r.Stream, r.Data, out)
	})
	return err
}

// sendInput passes a client's input on. left is told when the client has thereby left, as moby's
// container/stream/attach.go has it: the end of the input closes the process's where closes is set, and otherwise is
// the end of the attachment. The end of the process is not the client's leaving: its output is still to be delivered.
func sendInput(stream *agent.Stream, stdin io.Reader, closes bool, left chan<- error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := stdin.Read(buf)
		if n > 0 && stream.Stdin(buf[:n]) != nil {
			return
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && closes:
			_ = stream.CloseStdin() // fails only where the process has ended
			return
		default:
			left <- err
			return
		}
	}
}

// leaveStream leaves a process that goes on. A client that was cut off leaves without a word, which ends the input of
// a process that is for one client only.
func leaveStream(stream *agent.Stream, why error) {
	if errors.Is(why, io.EOF) || errors.Is(why, errDetach) {
		_ = stream.Detach() // the close counts
	}
	stream.Close()
}

// rest delivers what the agent cannot any more, from the spool: it is gone, or has closed the container.
func (s *containerStream) rest(ctx context.Context, out Output, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.container.record().running() && s.engine.agentOf(s.container.record()) != nil {
		return fmt.Errorf("attach to container %s: %w", s.container.id, cause)
	}
	if s.offset < 0 {
		return nil
	}
	_, err := s.replay(s.offset, out)
	return err
}

// replay sends what the spool has from an offset on, and returns the offset behind it.
func (s *containerStream) replay(at int64, out Output) (int64, error) {
	reader, err := spool.OpenReader(s.engine.spoolPath(s.container.id))
	if err != nil {
		return at, err
	}
	defer func() { _ = reader.Close() }() // only read
	for {
		r, err := reader.Next(at)
		if errors.Is(err, io.EOF) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		at = r.Next
		if s.wants(uint32(r.Stream)) {
			if err := out(r.Stream, r.Data); err != nil {
				return at, err
			}
		}
	}
}
