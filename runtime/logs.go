package runtime

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// LogsOptions of [Engine.ContainerLogs].
type LogsOptions struct {
	Follow, Stdout, Stderr, Timestamps, Details bool
	Since, Until                                time.Time // zero: no limit
	Tail                                        int       // lines of both streams together; -1: all
}

// Logs is the output of a container so far, and with Follow what comes.
type Logs struct {
	engine    *Engine
	container *container
	opts      LogsOptions
	tty       bool
}

func (e *Engine) spoolPath(id string) string {
	return filepath.Join(e.directory(id), agent.SpoolName)
}

// ContainerLogs opens the log of a container. Errors: errdefs.ErrNotFound; ErrInvalidArgument if no stream is chosen.
func (e *Engine) ContainerLogs(_ context.Context, name string, opts LogsOptions) (*Logs, error) {
	if !opts.Stdout && !opts.Stderr {
		return nil, invalid("Bad parameters: you must choose at least one stream")
	}
	c, err := e.lookup(name)
	if err != nil {
		return nil, err
	}
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	if d.HostConfig.LogConfig.Type == "none" {
		return nil, errdefs.ErrNotImplemented.WithMessage("configured logging driver does not support reading")
	}
	return &Logs{engine: e, container: c, opts: opts, tty: d.Config.Tty}, nil
}

// TTY tells whether the container has a terminal: one raw stream, not multiplexed.
func (l *Logs) TTY() bool { return l.tty }

// errUntil ends a log at its time limit.
var errUntil = errors.New("until")

// Each calls f for each line and its stream, 1 or 2: with its newline, if it had one, and with the timestamp where
// asked for. A line of more than 16 KiB comes in pieces, as in dockerd's logs. line is valid only during the call. With
// Follow it returns when the container stops.
func (l *Logs) Each(ctx context.Context, f func(stream byte, line []byte) error) error {
	reader, err := spool.OpenReader(l.engine.spoolPath(l.container.id))
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // only read
	// Asked before the first read: output that comes later is the agent's to deliver.
	r := l.container.record()
	follow := l.opts.Follow && r.running()
	var buf []byte
	p := &lines{emit: func(m message) error {
		if !l.opts.Until.IsZero() && m.at.After(l.opts.Until) {
			return errUntil
		}
		if m.at.Before(l.opts.Since) || m.stream == agent.Stdout && !l.opts.Stdout || m.stream == agent.Stderr && !l.opts.Stderr {
			return nil
		}
		buf = l.format(buf[:0], m)
		return f(m.stream, buf)
	}}
	at, err := l.past(reader, p)
	if err == nil && follow {
		err = l.follow(ctx, r, at, p)
	}
	if err == nil {
		err = p.flush()
	}
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

// timestampFormat is RFC 3339 with all nine digits, so that lines stand in columns.
const timestampFormat = "2006-01-02T15:04:05.000000000Z07:00"

func (l *Logs) format(buf []byte, m message) []byte {
	if l.opts.Timestamps {
		buf = append(m.at.UTC().AppendFormat(buf, timestampFormat), ' ')
	}
	if l.opts.Details { // of the attributes of the log driver, there are none
		buf = append(buf, ' ')
	}
	return append(buf, m.text...)
}

// past reads what is there, all or its tail, and returns the offset behind it.
func (l *Logs) past(reader *spool.Reader, p *lines) (int64, error) {
	switch {
	case l.opts.Tail == 0:
		return reader.End()
	case l.opts.Tail > 0:
		return tail(reader, l.opts.Tail, p)
	}
	return p.read(reader, 0, -1)
}

// follow passes on what the container writes until it stops.
func (l *Logs) follow(ctx context.Context, r *record, at int64, p *lines) error {
	link := l.engine.agentOf(r)
	if link == nil {
		return nil
	}
	if !l.opts.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, l.opts.Until, errUntil)
		defer cancel()
	}
	var err error
	if k := l.container.collected(); k != nil {
		at, err = k.each(ctx, at, func(r spool.Record) error { return p.taken(r.Stream, r.Time, r.Data) })
	} else {
		at, err = l.followAgent(ctx, link, at, p)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var refused refusedError
	if errors.As(err, &refused) {
		return refused.error
	}
	if err == nil || errors.Is(err, errUntil) {
		return err
	}
	// The agent is gone, or has closed the container: the file has the rest.
	reader, err := spool.OpenReader(l.engine.spoolPath(l.container.id))
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // only read
	_, err = p.read(reader, at, -1)
	return err
}

// taken adds output for a client; its refusal is told from errors of the source.
func (p *lines) taken(stream uint8, at time.Time, data []byte) error {
	err := p.add(stream, at, data)
	if err == nil || errors.Is(err, errUntil) {
		return err
	}
	return refusedError{err}
}

// followAgent reads what the agent has from an offset on, and returns the offset behind it.
func (l *Logs) followAgent(ctx context.Context, link *link, at int64, p *lines) (int64, error) {
	stream, err := link.Attach(ctx, &agentpb.AttachOpen{Container: l.container.id, Offset: at, Output: true})
	if err != nil {
		return at, err
	}
	defer stream.Close()
	for {
		m, err := stream.Recv()
		if err != nil {
			return at, err
		}
		if m.GetExit() != nil {
			return at, nil
		}
		if data := m.GetData(); data != nil {
			at = data.GetOffset()
			if err := p.taken(uint8(data.GetStream()), time.Unix(0, data.GetTime()), data.GetData()); err != nil {
				return at, err
			}
		}
	}
}

// read adds the records from an offset on, up to an offset or, with -1, the end, and returns the offset behind them.
func (p *lines) read(reader *spool.Reader, at, end int64) (int64, error) {
	for end < 0 || at < end {
		r, err := reader.Next(at)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return at, err
		}
		if err := p.add(r.Stream, r.Time, r.Data); err != nil {
			return at, err
		}
		at = r.Next
	}
	return at, nil
}
