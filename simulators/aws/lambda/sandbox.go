package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/aws/logs"
	"github.com/sockerless/sockerless/simulators/aws/wire"
)

const (
	sandboxUser  = "993:990"             // sbx_user1051
	sandboxLabel = "aws.lambda"          // of the containers
	initLimit    = 10 * time.Second      // of the first attempt to initialize
	idleLimit    = 5 * time.Minute       // after which a frozen sandbox ends
	quiet        = 10 * time.Millisecond // without a line, after which a frozen sandbox has no more to tell
)

// sandbox is a container that runs one invocation after the other.
type sandbox struct {
	l      *Lambda
	d      *deployment
	id     string // of the container
	stream string // of its log
	began  time.Time
	ready  time.Duration // from began until it first asked for work
	expiry *time.Timer

	free       chan struct{}    // has room for one: it has asked for work
	work       chan *invocation // taken by who has asked
	initFailed chan *result     // has room for one
	wrote      chan struct{}    // has room for one: there was a line
	exited     chan struct{}    // closed when it has ended and its output is all there
	exit       exit

	mu      sync.Mutex
	current *invocation
	tail    []byte // what the log got since the invocation began
}

// exit is how a sandbox's process ended.
type exit struct {
	code int64
	oom  bool
}

// failure is an error as the service tells it of a function.
type failure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func (f failure) result() *result {
	text, _ := json.Marshal(f) // of strings
	return &result{payload: text, failed: true}
}

// failureOf is what an invocation whose sandbox has ended comes to.
func (x exit) failureOf(id string) failure {
	f := failure{"Runtime.ExitError", "RequestId: " + id + " Error: Runtime exited "}
	switch {
	case x.oom:
		f.Type = "Runtime.OutOfMemory"
		f.Message += "with error: signal: killed"
	case x.code > 128:
		f.Message += "with error: signal: " + signalNames[x.code-128]
	case x.code > 0:
		f.Message += fmt.Sprintf("with error: exit status %d", x.code)
	default:
		f.Message += "without providing a reason"
	}
	return f
}

// signalNames are those that Go gives to the signals that end processes.
var signalNames = map[int64]string{1: "hangup", 2: "interrupt", 3: "quit", 4: "illegal instruction", 6: "aborted", 7: "bus error", 8: "floating point exception",
	9: "killed", 11: "segmentation fault", 13: "broken pipe", 14: "alarm clock", 15: "terminated"}

// sweep removes the sandboxes of an earlier simulator.
func (l *Lambda) sweep(ctx context.Context) error {
	left, err := l.config.Machine.ContainerList(ctx, runtime.ListOptions{All: true, Filters: runtime.Filters{"label": {sandboxLabel: true}}})
	if err != nil {
		return fmt.Errorf("find the sandboxes of an earlier simulator: %w", err)
	}
	for _, c := range left {
		err := l.config.Machine.ContainerRemove(ctx, c.ID, runtime.RemoveOptions{Force: true, Volumes: true})
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove a sandbox of an earlier simulator: %w", err)
		}
	}
	return nil
}

// newSandbox starts one, with a log stream of its own.
func (l *Lambda) newSandbox(d *deployment) (*sandbox, error) {
	s := &sandbox{l: l, d: d, began: l.config.Now(), free: make(chan struct{}, 1), work: make(chan *invocation), initFailed: make(chan *result, 1),
		wrote: make(chan struct{}, 1), exited: make(chan struct{})}
	s.stream = s.began.UTC().Format("2006/01/02") + "/[" + latest + "]" + strings.ReplaceAll(wire.UUID(), "-", "")
	if err := l.config.Logs.Group(l.ctx, d.Region, s.group()); err != nil {
		return nil, err
	}
	if _, err := l.config.Logs.Stream(l.ctx, d.Region, s.group(), s.stream); err != nil {
		return nil, err
	}
	config := &container.Config{Image: d.Resolved, Entrypoint: d.Entrypoint, Cmd: d.Command, User: sandboxUser, Env: s.environ(), Labels: map[string]string{sandboxLabel: d.Key}}
	if len(d.Entrypoint) == 0 && len(d.Command) > 0 {
		config.Entrypoint, config.Cmd = d.Command[:1], d.Command[1:]
	}
	if r := d.ImageConfigResponse; r != nil && r.ImageConfig != nil {
		config.WorkingDir = aws.ToString(r.ImageConfig.WorkingDirectory)
	}
	host := &container.HostConfig{ReadonlyRootfs: true, Resources: d.resources(),
		ExtraHosts: []string{"host.docker.internal:host-gateway"}, // the internet of a simulated cloud is this machine
		Tmpfs:      map[string]string{"/tmp": fmt.Sprintf("size=%dm,mode=1777", aws.ToInt32(d.EphemeralStorage.Size))}}
	made, err := l.config.Machine.ContainerCreate(l.ctx, runtime.CreateOptions{Config: config, HostConfig: host})
	if err != nil {
		return nil, err
	}
	s.id = made.ID
	l.mu.Lock()
	l.sandboxes[s.id] = s
	l.mu.Unlock()
	if err := l.config.Machine.ContainerStart(l.ctx, s.id, runtime.StartOptions{}); err != nil {
		close(s.exited)
		s.remove()
		return nil, err
	}
	l.lives.Go(s.follow)
	return s, nil
}

// follow brings the output to the log until the container has ended.
func (s *sandbox) follow() {
	defer close(s.exited)
	ctx := context.WithoutCancel(s.l.ctx) // it ends with the container, which ends with the service
	m := s.l.config.Machine
	logs, err := m.ContainerLogs(ctx, s.id, runtime.LogsOptions{Follow: true, Stdout: true, Stderr: true, Timestamps: true, Tail: -1})
	if err == nil {
		err = logs.Each(ctx, func(_ byte, line []byte) error {
			stamp, text, _ := bytes.Cut(line, []byte(" "))
			at, err := time.Parse(time.RFC3339Nano, string(stamp))
			if err != nil {
				return err
			}
			s.write(at, string(bytes.TrimSuffix(text, []byte("\n"))))
			return nil
		})
	}
	if err != nil && !errdefs.IsNotFound(err) {
		s.l.config.Log.Error("bring a sandbox's output to its log", "sandbox", s.id, "error", err)
	}
	waiter, err := m.ContainerWait(ctx, s.id, "")
	if err != nil {
		return // it was removed
	}
	response, _ := waiter.Result(ctx) // ctx does not end
	s.exit.code = response.StatusCode
	if found, err := m.ContainerInspect(ctx, s.id, false); err == nil && found.State != nil {
		s.exit.oom = found.State.OOMKilled
	}
}

// write adds a line to the sandbox's log.
func (s *sandbox) write(at time.Time, line string) {
	s.mu.Lock()
	s.tail = append(append(s.tail, line...), '\n')
	if over := len(s.tail) - 2*mostTail; over > 0 {
		s.tail = bytes.Clone(s.tail[over:])
	}
	s.mu.Unlock()
	select {
	case s.wrote <- struct{}{}:
	default:
	}
	err := s.l.config.Logs.Append(context.WithoutCancel(s.l.ctx), "lambda", s.d.Region, s.group(), s.stream, []logs.Line{{At: at, Text: line}})
	if err != nil {
		s.l.config.Log.Error("write to a function's log", "function", s.d.Key, "error", err)
	}
}

func (s *sandbox) group() string { return aws.ToString(s.d.LoggingConfig.LogGroup) }

func (s *sandbox) say(format string, args ...any) {
	s.write(s.l.config.Now(), fmt.Sprintf(format, args...))
}

// memory is what a sandbox uses, in MB.
func (s *sandbox) memory() int64 {
	stats, err := s.l.config.Machine.ContainerStats(s.l.ctx, s.id, runtime.StatsOptions{OneShot: true})
	if err != nil {
		return 0
	}
	now, err := stats.Next(s.l.ctx)
	if err != nil {
		return 0
	}
	return int64(now.MemoryStats.Usage+1<<20-1) >> 20
}

// freeze stops a sandbox between two invocations, and waits for the output that is on its way.
func (s *sandbox) freeze() error {
	if err := s.l.config.Machine.ContainerPause(s.l.ctx, s.id); err != nil {
		return err
	}
	for {
		select {
		case <-s.wrote:
		case <-time.After(quiet):
			return nil
		}
	}
}

// end kills a sandbox and removes it once its output is all there.
func (s *sandbox) end() {
	ctx := context.WithoutCancel(s.l.ctx)
	m := s.l.config.Machine
	if err := m.ContainerKill(ctx, s.id, "KILL"); err != nil && !errdefs.IsConflict(err) {
		s.remove() // by force
		<-s.exited
		return
	}
	<-s.exited
	s.remove()
}

func (s *sandbox) remove() {
	s.l.mu.Lock()
	delete(s.l.sandboxes, s.id)
	s.l.mu.Unlock()
	err := s.l.config.Machine.ContainerRemove(context.WithoutCancel(s.l.ctx), s.id, runtime.RemoveOptions{Force: true, Volumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		s.l.config.Log.Error("remove a sandbox", "sandbox", s.id, "error", err)
	}
}

// warm takes a frozen sandbox of a deployment and lets it go on; nil without one.
func (l *Lambda) warm(d *deployment) *sandbox {
	for {
		l.mu.Lock()
		list := l.idle[d.Key]
		var s *sandbox
		for i, other := range list {
			if aws.ToString(other.d.RevisionId) == aws.ToString(d.RevisionId) {
				s = other
				l.idle[d.Key] = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		l.mu.Unlock()
		if s == nil {
			return nil
		}
		s.expiry.Stop()
		if err := l.config.Machine.ContainerUnpause(l.ctx, s.id); err == nil {
			return s
		}
		s.end()
	}
}

// rest keeps a frozen sandbox for the next invocation.
func (l *Lambda) rest(s *sandbox) {
	l.mu.Lock()
	if l.idle == nil {
		l.mu.Unlock()
		s.end()
		return
	}
	defer l.mu.Unlock()
	s.expiry = time.AfterFunc(idleLimit, func() {
		if l.take(s) {
			s.end()
		}
	})
	l.idle[s.d.Key] = append(l.idle[s.d.Key], s)
}

// take takes one certain sandbox out of those that are idle.
func (l *Lambda) take(s *sandbox) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.idle[s.d.Key]
	for i, other := range list {
		if other == s {
			l.idle[s.d.Key] = append(list[:i:i], list[i+1:]...)
			return true
		}
	}
	return false
}

// retire ends the frozen sandboxes of a function that are not of what it serves now.
func (l *Lambda) retire(key string) {
	revision := ""
	if f, ok := l.functions.Get(key); ok && f.Serving != nil {
		revision = aws.ToString(f.Serving.RevisionId)
	}
	l.mu.Lock()
	var keep, old []*sandbox
	for _, s := range l.idle[key] {
		if aws.ToString(s.d.RevisionId) == revision {
			keep = append(keep, s)
		} else {
			old = append(old, s)
		}
	}
	if len(l.idle[key]) > 0 {
		l.idle[key] = keep
	}
	l.mu.Unlock()
	l.lives.Go(func() {
		for _, s := range old {
			s.expiry.Stop()
			s.end()
		}
	})
}
