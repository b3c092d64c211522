package agent

import (
	"context"
	"errors"
	"io"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Mounted is what is mounted at a target of a container: the other side of a directory that both have.
type Mounted struct {
	Client            *Client
	Container, Target string
}

// Put applies the tar of a layer.
func (m Mounted) Put(ctx context.Context, layer io.Reader) error {
	return m.Client.Put(ctx, &agentpb.PutOpen{Container: m.Container, Path: m.Target, Layer: true}, layer)
}

// Changes gives what has changed since the last Put or Forget, or the last Changes that was Taken, as the tar of a layer.
func (m Mounted) Changes(ctx context.Context) (io.ReadCloser, error) {
	return m.Client.Delta(ctx, &agentpb.DeltaRequest{Container: m.Container, Path: m.Target, Hold: true})
}

// Taken says that what Changes gave is here.
func (m Mounted) Taken(ctx context.Context) error {
	return m.say(ctx, &agentpb.DeltaRequest{Container: m.Container, Path: m.Target, Taken: true})
}

// Forget lets what has changed so far be no change.
func (m Mounted) Forget(ctx context.Context) error {
	return m.say(ctx, &agentpb.DeltaRequest{Container: m.Container, Path: m.Target, Forget: true})
}

func (m Mounted) say(ctx context.Context, r *agentpb.DeltaRequest) error {
	answer, err := m.Client.Delta(ctx, r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer)
	return errors.Join(err, answer.Close())
}
