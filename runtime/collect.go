package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// collector brings the output of a run to this machine, as it comes, where its agent is elsewhere: once, however many clients
// read it, and so that it is there when the agent is not any more. Clients read the spool here.
type collector struct {
	run   int64
	spool *spool.Writer
	done  chan struct{} // closed when the output is whole
}

// retryCollect is the pause before a stream of output that has broken off is begun again.
const retryCollect = 200 * time.Millisecond

// collect brings a run's output here, unless its agent writes it here itself or it is on its way already. r is the record of
// the run: after a start of the server the collector goes on where the last one was. c.mu is held.
func (e *Engine) collect(c *container, r *record, l *link) error {
	switch {
	case !l.backend.Limits().OutputElsewhere:
		c.collector = nil
		return nil
	case c.collector != nil && c.collector.run == r.Run:
		return nil
	}
	k := &collector{run: r.Run, spool: spool.NewWriter(e.spoolPath(c.id)), done: make(chan struct{})}
	end, err := k.spool.End()
	if err != nil {
		return err
	}
	from := r.AgentOffset + end - r.Offset
	c.collector = k
	e.spawn(func() {
		defer close(k.done)
		err := errors.Join(k.bring(e.ctx, c.id, l, from), k.spool.Close())
		if err != nil && e.ctx.Err() == nil {
			e.log.Error("bring the output of a container here", "container", c.id, "error", err)
		}
	})
	return nil
}

// placeOutput sets where a new run's output begins in the spool here, where it is not the agent's. c.mu is held.
func (e *Engine) placeOutput(c *container, next *record, l *link) (err error) {
	next.AgentOffset = 0
	if l.backend.Limits().OutputElsewhere {
		next.AgentOffset = next.Offset
		next.Offset, err = spool.NewWriter(e.spoolPath(c.id)).End()
	}
	return err
}

// awaitOutput waits until the output of a run that has ended is here, so that who learns of its end can read it all.
func (e *Engine) awaitOutput(c *container, l *link) {
	c.mu.Lock()
	r := c.record()
	err := error(nil)
	if r.running() && r.Agent == l.ID() {
		err = e.collect(c, r, l)
	}
	k := c.collector
	c.mu.Unlock()
	if err != nil {
		e.log.Error("bring the output of a container here", "container", c.id, "error", err)
	}
	if k == nil {
		return
	}
	select {
	case <-k.done:
	case <-e.ctx.Done():
	}
}

// collected is the collector of a container's run; nil where the agent writes the output here itself.
func (c *container) collected() *collector {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.collector
}

// bring copies until the exit; a stream that breaks off is begun again where it was.
func (k *collector) bring(ctx context.Context, id string, l *link, at int64) error {
	for {
		err := k.copy(ctx, id, l, &at)
		if err == nil || ctx.Err() != nil || errors.As(err, new(refusedError)) {
			return err
		}
		select {
		case <-l.Done():
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryCollect):
		}
	}
}

func (k *collector) copy(ctx context.Context, id string, l *link, at *int64) error {
	stream, err := l.Attach(ctx, &agentpb.AttachOpen{Container: id, Offset: *at, Output: true})
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		m, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case m.GetExit() != nil:
			return nil
		case m.GetData() == nil:
			continue
		}
		data := m.GetData()
		if _, err := k.spool.WriteAt(time.Unix(0, data.GetTime()), uint8(data.GetStream()), data.GetData()); err != nil {
			return refusedError{err}
		}
		*at = data.GetOffset()
	}
}

// each calls f for every record from an offset on, until the run's output is whole or ctx ends, and returns the offset behind
// the last one.
func (k *collector) each(ctx context.Context, at int64, f func(spool.Record) error) (int64, error) {
	var reader *spool.Reader // opened at the first output: before that there may be no file
	defer func() {
		if reader != nil {
			_ = reader.Close() // only read
		}
	}()
	for {
		more, err := k.spool.Wait(ctx, at)
		if err != nil || !more {
			return at, err
		}
		if reader == nil {
			if reader, err = spool.OpenReader(k.spool.Path()); err != nil {
				return at, err
			}
		}
		r, err := reader.Next(at)
		if err != nil {
			return at, err
		}
		if err := f(r); err != nil {
			return at, err
		}
		at = r.Next
	}
}
