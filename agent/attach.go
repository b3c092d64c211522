package agent

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc/mem"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/spool"
)

// Attach joins the caller to a process's streams until the process has ended or the caller leaves.
func (s *Server) Attach(stream agentpb.Agent_AttachServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	open := first.GetOpen()
	if open == nil {
		return toStatus(errdefs.ErrInvalidArgument.WithMessage("attach: the first message must say to what"))
	}
	t, err := s.attachTo(stream.Context(), open)
	if err != nil {
		return err
	}
	at, err := begin(t, open) // before the caller does anything that makes output
	if err != nil {
		t.leave()
		return err
	}
	if err := stream.Send(&agentpb.AttachOutput{Output: &agentpb.AttachOutput_Started{Started: &agentpb.Started{Pid: t.pid()}}}); err != nil {
		t.leave()
		return err
	}
	out := &attachedStream{Agent_AttachServer: stream}
	go input(out, t, open) // ends with the stream: Recv fails once this call has returned
	var exit *agentpb.Exit
	switch {
	case t.spool == nil:
		exit, err = sendLive(out, t)
	case open.GetFollow():
		exit, err = tellSpool(out, t, at)
	default:
		exit, err = sendSpool(out, t, at, open.GetOutput())
	}
	if err == nil {
		err = out.last(&agentpb.AttachOutput{Output: &agentpb.AttachOutput_Exit{Exit: exit}})
	}
	if err != nil {
		out.shut()
		t.leave()
	}
	return err
}

// attachedStream is an attached stream whose output has two sources: what the process writes, and what is to be said of
// its input. A stream of gRPC is not for two at once, and none may send once the call is over.
type attachedStream struct {
	agentpb.Agent_AttachServer
	mu   sync.Mutex
	over bool
}

// SendMsg sends one message; after the last one nothing is sent and no error is told.
func (s *attachedStream) SendMsg(m any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	return s.Agent_AttachServer.SendMsg(m)
}

// last sends the last message.
func (s *attachedStream) last(m *agentpb.AttachOutput) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	return s.Agent_AttachServer.SendMsg(m)
}

// shut lets nothing more be sent.
func (s *attachedStream) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

// attachTo finds the process, or starts the exec that the caller brings.
func (s *Server) attachTo(ctx context.Context, open *agentpb.AttachOpen) (*task, error) {
	if open.GetProcess() == nil {
		t, err := s.task(open.GetContainer(), open.GetExec())
		if err == nil && t.spool == nil {
			err = toStatus(errdefs.ErrFailedPrecondition.WithMessage("attach: the output of an exec goes to the stream that started it"))
		}
		return t, err
	}
	c, err := s.container(open.GetContainer())
	if err != nil {
		return nil, err
	}
	t := newTask(open.GetProcess())
	t.stdinOnce = !open.GetProcess().GetTty() // a terminal stays open for the next client
	t.detached = !open.GetOutput()
	// The exec outlives this call: only its start is bound to it.
	return t, s.exec(context.WithoutCancel(ctx), c, open.GetExec(), t, open.GetProcess())
}

// input passes on what the caller sends. A caller that is cut off ends a standard input that is for one client only;
// one that leaves in good order says itself whether it ends.
func input(stream *attachedStream, t *task, open *agentpb.AttachOpen) {
	p := t.running()
	stdin := p.Stdin()
	if !open.GetStdin() || stdin == nil {
		stdin = discard{}
	}
	var in receivedInput
	defer in.release()
	var taken int64
	for {
		if err := stream.RecvMsg(&in); err != nil {
			if t.stdinOnce && !errors.Is(err, io.EOF) {
				_ = stdin.Close()
			}
			return
		}
		switch in := in.message.GetInput().(type) {
		case *agentpb.AttachInput_Stdin:
			n, err := stdin.Write(in.Stdin)
			taken += int64(n)
			if err != nil {
				stdin = untaken{} // the process no longer reads: what follows has nowhere to go
			}
			if open.GetCountStdin() {
				// Fails with the stream, which RecvMsg tells too.
				_ = stream.SendMsg(&agentpb.AttachOutput{Output: &agentpb.AttachOutput_Taken{Taken: taken}})
			}
		case *agentpb.AttachInput_CloseStdin:
			_ = stdin.Close()
		case *agentpb.AttachInput_Resize:
			_ = p.Resize(in.Resize.GetRows(), in.Resize.GetColumns()) // fails only for a process that has ended
		case *agentpb.AttachInput_CloseOutput:
			if c, ok := p.(OutputCloser); ok && t.spool == nil { // what a container prints is kept, whoever reads it
				c.CloseOutput(uint8(in.CloseOutput))
			}
		}
	}
}

// discard is the standard input of a process that has none.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// untaken is the standard input of a process that has stopped to read: nothing more is on its way.
type untaken struct{ discard }

func (untaken) Write([]byte) (int, error) { return 0, nil }

// send sends output, and gives its buffer back to the pool when the connection has taken it.
func send(stream agentpb.Agent_AttachServer, o *bulkOutput, data *[]byte) error {
	o.data = mem.NewBuffer(data, buffers)
	return stream.SendMsg(o)
}

// sendLive sends the output of an exec as it comes.
func sendLive(stream agentpb.Agent_AttachServer, t *task) (*agentpb.Exit, error) {
	for {
		output, exit, err := t.take(stream.Context())
		if exit != nil || err != nil {
			return exit, err
		}
		for _, o := range output {
			if err := send(stream, &bulkOutput{stream: o.stream}, o.data); err != nil {
				return nil, err
			}
		}
	}
}

// begin is the offset from which on a caller wants a container's output; the output of an exec has none.
func begin(t *task, open *agentpb.AttachOpen) (int64, error) {
	if at := open.GetOffset(); at >= 0 || t.spool == nil {
		return at, nil
	}
	end, err := t.spool.End()
	return end, toStatus(err)
}

// often is how soon after one another a caller is told that the spool has grown: to tell it of each small write costs more than
// the output itself.
const often = time.Millisecond

// tellSpool tells up to where the spool has grown, to a caller that reads it itself.
func tellSpool(stream agentpb.Agent_AttachServer, t *task, at int64) (*agentpb.Exit, error) {
	for {
		if err := stream.SendMsg(&agentpb.AttachOutput{Output: &agentpb.AttachOutput_Data{Data: &agentpb.Output{Offset: at}}}); err != nil {
			return nil, err
		}
		told := time.Now()
		more, err := t.spool.Wait(stream.Context(), at)
		if err != nil {
			return nil, err
		}
		if !more {
			return t.exited(), nil
		}
		if early := often - time.Since(told); early > 0 {
			select {
			case <-time.After(early):
			case <-stream.Context().Done():
				return nil, stream.Context().Err()
			}
		}
		if at, err = t.spool.End(); err != nil {
			return nil, toStatus(err)
		}
	}
}

// sendSpool sends a container's output from an offset on, as it grows.
func sendSpool(stream agentpb.Agent_AttachServer, t *task, at int64, output bool) (*agentpb.Exit, error) {
	var reader *spool.Reader // opened at the first output: before that there may be no file
	defer func() {
		if reader != nil {
			_ = reader.Close()
		}
	}()
	for {
		more, err := t.spool.Wait(stream.Context(), at)
		if err != nil {
			return nil, err
		}
		if !more {
			return t.exited(), nil
		}
		if reader == nil {
			if reader, err = spool.OpenReader(t.spool.Path()); err != nil {
				return nil, toStatus(err)
			}
		}
		for {
			r, err := reader.Next(at)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, toStatus(err)
			}
			at = r.Next
			if !output {
				continue
			}
			data := buffers.Get(len(r.Data))
			copy(*data, r.Data)
			if err := send(stream, &bulkOutput{offset: r.Next, time: r.Time.UnixNano(), stream: r.Stream}, data); err != nil {
				return nil, err
			}
		}
	}
}
