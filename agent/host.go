package agent

import (
	"context"
	"io"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// A Host is what an agent serves: the processes and files of its containers, virtual ones in a cell of the
// sandbox, real ones inside a container of a cloud. The Server does everything that both share: streams, the
// output spool, exits that wait for their acknowledgement.
//
// Errors carry a class of github.com/containerd/errdefs; an unknown container is errdefs.ErrNotFound.
// A command that cannot be started is a *StartError.
type Host interface {
	// Open makes the container's files reachable; it is idempotent.
	Open(ctx context.Context, c *agentpb.Container) error
	// Close forgets a container that is not running.
	Close(ctx context.Context, container string) error
	// Start runs the container's first process. out receives its output and its end, which may come before Start returns.
	// A process without arguments is that of a twin: nothing runs, and the container counts as running until a signal
	// ends it.
	Start(ctx context.Context, c *agentpb.Container, p *agentpb.Process, out Sink) (Process, error)
	// Exec runs another process in a running container.
	Exec(ctx context.Context, container string, p *agentpb.Process, out Sink) (Process, error)
	// Pause freezes all processes of a container, or lets them go on.
	Pause(ctx context.Context, container string, paused bool) error
	Top(ctx context.Context, container string, args []string) (*agentpb.TopReply, error)
	Stats(ctx context.Context, container string) (*agentpb.StatsReply, error)

	Stat(ctx context.Context, container, path string) (*agentpb.PathStat, error)
	// Get writes path as a tar stream to w, after it has called stat once.
	Get(ctx context.Context, container, path string, stat func(*agentpb.PathStat) error, w io.Writer) error
	// Put unpacks the tar stream r.
	Put(ctx context.Context, open *agentpb.PutOpen, r io.Reader) error
	Changes(ctx context.Context, container string) ([]*agentpb.Change, error)
	// Delta writes what has changed since the last Delta or layer that was Put, as the tar of an OCI layer; see DeltaRequest for
	// what else may be asked for.
	Delta(ctx context.Context, r *agentpb.DeltaRequest, w io.Writer) error
	// Promote tells where the twin of a container is, or why it has none.
	Promote(ctx context.Context, r *agentpb.PromoteRequest) (*agentpb.PromoteReply, error)
	// Network serves the connections of the host's containers over a stream of bytes, until that or ctx ends.
	Network(ctx context.Context, stream io.ReadWriteCloser) error
}

// A Process is a process that a Host started.
type Process interface {
	PID() int64
	// Stdin is the process's standard input or its terminal; nil if it has none. A Write blocks while the
	// process does not read, and fails once it has ended.
	Stdin() io.WriteCloser
	// Signal sends a signal by its Linux number; a negative one goes to the process's whole group.
	Signal(signal int) error
	// Resize sets the window size of the process's terminal; without one it does nothing.
	Resize(rows, columns uint32) error
}

// OutputCloser is a Process whose streams of output can be closed one by one.
type OutputCloser interface {
	// CloseOutput says that nobody reads a stream, Stdout or Stderr, any more: the next write to it fails with EPIPE.
	CloseOutput(stream uint8)
}

// A Sink takes a process's output, in order, and then its end.
type Sink interface {
	// WriteStream takes output of a stream, Stdout or Stderr. It blocks to slow the process down, until ctx ends.
	WriteStream(ctx context.Context, stream uint8, p []byte) (int, error)
	// End tells how the process ended. It is the last call, after all output. A host that can tell what the process has
	// read of its standard input says so in the exit, whoever asks.
	End(exit *agentpb.Exit)
}

// The streams of a process, as Docker's multiplexed streams number them.
const (
	Stdout uint8 = 1
	Stderr uint8 = 2
)

// StartError says why a command did not start.
type StartError struct {
	Code    int    // exit code that a shell or Docker would give: 126 found but cannot run, 127 not found
	Message string // e.g. exec: "foo": executable file not found in $PATH
	Native  string // path of the native program that the sandbox cannot run, where that is why
}

func (e *StartError) Error() string { return e.Message }
