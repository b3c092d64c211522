package builtins

import (
	"context"
	"sync/atomic"
	"time"
)

var timeoutUsage = usage{
	synopsis: "[OPTION] DURATION COMMAND [ARG]...",
	about:    "Start COMMAND, and kill it if still running after DURATION.",
	status:   125,
	inOrder:  true,
	options:  []string{"preserve-status", "foreground", "k kill-after=", "s signal=", "v verbose"},
}

func timeout(p *Process) int {
	opts, operands, status, done := p.parse(timeoutUsage)
	if done {
		return status
	}
	var preserve, foreground, verbose bool
	signal, killAfter := sigTERM, time.Duration(0)
	for _, o := range opts {
		ok := true
		switch o.name {
		case "preserve-status":
			preserve = true
		case "foreground":
			foreground = true
		case "v":
			verbose = true
		case "k":
			if killAfter, ok = parseInterval(o.value); !ok {
				p.Errorf("invalid time interval %s", quote(o.value))
			}
		case "s":
			if signal, ok = parseSignal(o.value); !ok {
				p.Errorf("%s: invalid signal", quote(o.value))
			}
		}
		if !ok {
			return p.tryHelp(timeoutUsage)
		}
	}
	if len(operands) < 2 {
		return p.tryHelp(timeoutUsage)
	}
	limit, ok := parseInterval(operands[0])
	if !ok {
		p.Errorf("invalid time interval %s", quote(operands[0]))
		return p.tryHelp(timeoutUsage)
	}
	ctx, cancel := context.WithCancel(p.Context)
	defer cancel()
	var fired, killed atomic.Bool
	watched := make(chan struct{})
	started := make(chan int, 1)
	go func() {
		defer close(watched)
		pid := 0
		select {
		case pid = <-started:
		case <-ctx.Done():
			return
		}
		if limit == 0 || !waitFor(ctx, limit) {
			return
		}
		target := pid
		if !foreground {
			target = -pid
		}
		send := func(sig int) {
			if verbose {
				p.Errorf("sending signal %s to command %s", signalName(sig), quote(operands[1]))
			}
			if p.System.Kill(target, sig) != nil {
				p.System.Kill(pid, sig)
			}
			if sig != sigKILL && sig != sigCONT {
				p.System.Kill(target, sigCONT)
			}
		}
		fired.Store(true)
		killed.Store(signal == sigKILL)
		send(signal)
		if killAfter > 0 && waitFor(ctx, killAfter) {
			killed.Store(true)
			send(sigKILL)
		}
	}()
	status, err := p.System.Run(ctx, Command{Args: operands[1:], Env: p.Env, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, NewGroup: !foreground,
		Started: func(pid int) { started <- pid }})
	cancel()
	<-watched
	switch {
	case err != nil:
		return p.cannotRun("failed to run command %s: %s", operands[1], err)
	case killed.Load() && status == 128+sigKILL:
		return status
	case fired.Load() && !preserve:
		return 124
	}
	return status
}

// waitFor waits and says whether the time is over; false if the context ended first.
func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
