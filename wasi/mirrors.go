package wasi

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/store/mirror"
	"github.com/sockerless/sockerless/store/rootfs"
)

// mirrored is a volume or folder of which the twin has a copy.
type mirrored struct {
	*mirror.Mirror
	copy agent.Mounted
}

// beginMirrors sends the twin the container's volumes and folders, which it does not see.
func (c *container) beginMirrors(ctx context.Context, t *twin, limit int64) (all rootfs.DeltaStats, err error) {
	for _, m := range c.spec.GetMounts() {
		if m.GetType() == agentpb.Mount_TMPFS {
			continue
		}
		opened, err := mirror.Open(mirror.Config{
			Source: m.GetSource(), Volume: m.GetType() == agentpb.Mount_VOLUME, ReadOnly: m.GetReadOnly(), Limit: limit})
		if err != nil {
			return all, err
		}
		t.mirrors = append(t.mirrors, mirrored{opened, agent.Mounted{Client: t.client, Container: c.spec.GetId(), Target: path.Clean(m.GetTarget())}})
	}
	for _, m := range t.mirrors {
		stats, err := m.Begin(ctx, m.copy)
		if all.Bytes += stats.Sent; err != nil {
			return all, err
		}
	}
	return all, nil
}

// exchange brings the twin's volumes and folders, and those here, together. t.sync is held.
func (t *twin) exchange(ctx context.Context, conflict func(name string)) error {
	for _, m := range t.mirrors {
		_, err := m.Exchange(ctx, m.copy, func(name string) { conflict(path.Join(m.copy.Target, name)) })
		if err != nil {
			return fmt.Errorf("%s: %w", m.copy.Target, err)
		}
	}
	return nil
}

// lastExchange is how long the end of a container may wait for what its twin has changed in volumes.
const lastExchange = 5 * time.Minute

// last is the exchange at the end of the container, whose output says what went wrong.
func (t *twin) last(out agent.Sink) {
	if len(t.mirrors) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastExchange)
	defer cancel()
	say := func(text string) {
		_, _ = out.WriteStream(ctx, agent.Stderr, []byte("sockerless: "+text+"\n")) // to a log that cannot be written nothing can be said
	}
	t.sync.Lock()
	defer t.sync.Unlock()
	err := t.exchange(ctx, func(name string) {
		say(name + " was changed by a native program and in the sandbox at once: the one of the native program is kept")
	})
	if err != nil {
		say("what native programs changed last is lost: " + err.Error())
	}
}

// close lets go of the twin, which is the server's to end.
func (t *twin) close() error {
	err := t.client.Close()
	for _, m := range t.mirrors {
		err = errors.Join(err, m.Close())
	}
	return err
}
