package runtimetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
)

// fakeProcess is a process of a fakeHost.
type fakeProcess struct {
	host      *fakeHost
	container string

	args   []string
	env    []string
	out    agent.Sink
	input  *bufio.Reader
	stdin  *io.PipeWriter // nil: /dev/null
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	pid    int64

	mu    sync.Mutex
	traps map[int]int // signal → exit code, or -1: ignored
}

// killedError is the cause of a killed process's end.
type killedError int

func (e killedError) Error() string { return "killed by signal " + strconv.Itoa(int(e)) }

func newFakeProcess(spec *agentpb.Process, out agent.Sink) *fakeProcess {
	p := &fakeProcess{args: spec.GetArgs(), env: spec.GetEnv(), out: out, done: make(chan struct{}), traps: map[int]int{}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.input = bufio.NewReader(strings.NewReader(""))
	if spec.GetStdin() {
		r, w := io.Pipe()
		p.input, p.stdin = bufio.NewReader(r), w
		context.AfterFunc(p.ctx, func() { r.CloseWithError(context.Cause(p.ctx)) })
	}
	return p
}

func (p *fakeProcess) PID() int64 { return p.pid }

func (p *fakeProcess) Stdin() io.WriteCloser {
	if p.stdin == nil {
		return nil
	}
	return p.stdin
}

func (p *fakeProcess) Signal(n int) error {
	p.mu.Lock()
	code, trapped := p.traps[n]
	p.mu.Unlock()
	switch {
	case !trapped:
		p.die(n)
	case code >= 0:
		p.cancel(exitError(code))
	}
	return nil
}

func (p *fakeProcess) die(n int) { p.cancel(killedError(n)) }

// exitError is the cause of the end of a process whose trap exits.
type exitError int

func (e exitError) Error() string { return "exit " + strconv.Itoa(int(e)) }

// code is the exit code of a process whose context has ended.
func (p *fakeProcess) code() int {
	var code exitError
	if errors.As(context.Cause(p.ctx), &code) {
		return int(code)
	}
	var signal killedError
	errors.As(context.Cause(p.ctx), &signal)
	return 128 + int(signal)
}

func (p *fakeProcess) Resize(uint32, uint32) error { return nil }

func (p *fakeProcess) write(stream uint8, text string) bool {
	_, err := p.out.WriteStream(p.ctx, stream, []byte(text))
	return err == nil
}

// programs are what a fakeHost can run. A program that is killed returns at once.
var programs = map[string]func(p *fakeProcess, args []string) int{
	"true":  func(*fakeProcess, []string) int { return 0 },
	"false": func(*fakeProcess, []string) int { return 1 },
	"cat":   func(p *fakeProcess, _ []string) int { return p.cat() },
	"sleep": func(p *fakeProcess, args []string) int { return p.sleep(args[1:]) },
	"echo": func(p *fakeProcess, args []string) int {
		p.write(agent.Stdout, strings.Join(args[1:], " ")+"\n")
		return 0
	},
	"env": func(p *fakeProcess, _ []string) int {
		p.write(agent.Stdout, strings.Join(p.env, "\n")+"\n")
		return 0
	},
	"sh":      func(p *fakeProcess, args []string) int { return p.script(args[len(args)-1]) },
	"listen":  func(p *fakeProcess, args []string) int { return p.listen(args[1], args[2]) },
	"dial":    func(p *fakeProcess, args []string) int { return p.dial(args[1], args[2], args[3]) },
	"resolve": func(p *fakeProcess, args []string) int { return p.resolve(args[1]) },
}

func (p *fakeProcess) cat() int {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.input.Read(buf)
		if n > 0 && !p.write(agent.Stdout, string(buf[:n])) {
			return 1
		}
		if err != nil {
			return 0
		}
	}
}

func (p *fakeProcess) sleep(args []string) int {
	d, err := time.ParseDuration(args[0] + "s")
	if err != nil {
		return 1
	}
	select {
	case <-time.After(d):
	case <-p.ctx.Done():
	}
	return 0
}

// script runs statements separated by semicolons: echo, exit, sleep, cat, read, trap ” TERM.
func (p *fakeProcess) script(text string) int {
	for _, statement := range strings.Split(text, ";") {
		words := strings.Fields(statement)
		if len(words) == 0 {
			continue
		}
		if p.ctx.Err() != nil {
			return 0
		}
		switch words[0] {
		case "exit":
			code, err := strconv.Atoi(words[1])
			if err != nil {
				return 2
			}
			return code
		case "trap":
			code := -1
			if words[1] == "'exit" {
				if _, err := fmt.Sscanf(words[2], "%d'", &code); err != nil {
					return 2
				}
			}
			p.mu.Lock()
			p.traps[15] = code
			p.mu.Unlock()
		case "while": // the suite's only loop is endless
			<-p.ctx.Done()
		case "read":
			if _, err := p.input.ReadString('\n'); err != nil {
				return 1
			}
		case "echo":
			stream, rest := agent.Stdout, words[1:]
			if rest[len(rest)-1] == ">&2" {
				stream, rest = agent.Stderr, rest[:len(rest)-1]
			}
			p.write(stream, strings.Join(rest, " ")+"\n")
		case "sleep":
			p.sleep(words[1:])
		case "cat":
			p.cat()
		default:
			p.write(agent.Stderr, fmt.Sprintf("sh: %s: not found\n", words[0]))
			return 127
		}
	}
	return 0
}
