package inside

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent"
)

// Config is how an agent runs.
type Config struct {
	// Listeners are where servers connect. They are closed at the end; for one with a method Wait, Run ends only after that.
	Listeners []net.Listener
	Container string // id of the container; empty takes the first one that a server names
	Directory string // for the agent's own files; empty is the container's Container.directory
	// Upper is the upper directory of the overlay that the container's root is, where it can be seen in the container. Changes
	// are then read from it; without it they are found by comparing with how the files were at first.
	Upper string
	// Lower has the files of the container's image. With it, what Upper has is known to be new or changed without fail.
	Lower string
	// Cgroup is a directory of cgroup v2 for the container's processes, without the agent. It freezes and counts them.
	Cgroup  string
	ID      string // instance id of the agent
	Version string // of the binary
	// Lease is how long an agent lives on, with its processes, without a server; 0 is for ever.
	Lease time.Duration
	// Idle is how long an agent lives on without running processes, unacknowledged exits and a server; 0 is for ever.
	Idle time.Duration
	// Deadline is when the container ends, whatever happens: by its platform, or else by the agent; zero is never.
	Deadline time.Time
	// Device is the descriptor of the network device that the container's programs have (package agent/netdev); 0 is none.
	Device int
	// MakeDevice has the agent make that device, for which it needs CAP_NET_ADMIN and /dev/net/tun, and write the files that name
	// the container and its name server.
	MakeDevice bool
	// Withhold are capabilities of the agent that the container's processes do not get: NET_ADMIN.
	Withhold []string
	// Admitted is told when a server has let an agent in that dials back, and Refused when it ends because none does. Nil is nobody.
	Admitted, Refused func()
	Log               *slog.Logger

	unwanted chan struct{} // closed when no server lets it in
}

// endBy makes the deadline no later than at.
func (c *Config) endBy(at time.Time) {
	if c.Deadline.IsZero() || at.Before(c.Deadline) {
		c.Deadline = at
	}
}

// CopiesPath is the folder of what the container may only read and the agent writes: what is mounted for reading only as mount N of
// the container is there a second time, as the folder N.
const CopiesPath = "/.sockerless/run/copies"

// Command is the command sockerless-agent: it serves with the settings of args until it is done.
func Command(ctx context.Context, args []string, build string, stderr io.Writer) error {
	secrets, err := takeSecrets()
	if err != nil {
		return err
	}
	switch {
	case len(args) == 2 && args[0] == "connect":
		return connect(ctx, args[1], os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "invoked":
		return invoked(ctx, build, stderr)
	}
	return serve(ctx, args, build, stderr, secrets, func(*Config) {})
}

// serve is an agent with the settings of args, changed by what else is known.
func serve(ctx context.Context, args []string, build string, stderr io.Writer, secrets secrets, change func(*Config)) (err error) {
	config := Config{Version: build, Log: slog.New(slog.NewTextHandler(stderr, nil)), unwanted: make(chan struct{})}
	f := flag.NewFlagSet("sockerless-agent", flag.ContinueOnError)
	f.SetOutput(stderr)
	var ways ways
	ways.flags(f)
	f.StringVar(&config.Container, "container", "", "`ID` of the container")
	f.StringVar(&config.Directory, "directory", "/.sockerless/run", "`DIR` for the agent's own files")
	f.StringVar(&config.Upper, "upper", "", "upper `DIR` of the root's overlay, as the container sees it, if it is there")
	f.StringVar(&config.Lower, "lower", "", "`DIR` with the files of the image, as the container sees it")
	f.StringVar(&config.Cgroup, "cgroup", "", "cgroup v2 `DIR` for the container's processes")
	f.StringVar(&config.ID, "id", "", "instance `ID` of the agent")
	f.StringVar(&config.Version, "build", build, "`VERSION` to tell servers")
	f.DurationVar(&config.Lease, "lease", 0, "end, with all processes, after that long without a server")
	f.DurationVar(&config.Idle, "idle", 0, "end after that long with nothing to do and no server")
	deadline := f.Int64("deadline", 0, "Unix `TIME` at which the platform ends the container")
	f.IntVar(&config.Device, "device", 0, "`DESCRIPTOR` of the network device, which was made already")
	f.BoolVar(&config.MakeDevice, "make-device", false, "make the network device")
	f.Func("withhold", "do not give the container's processes these `CAPABILITIES`: NET_ADMIN,SETUID", func(list string) error {
		config.Withhold = strings.Split(list, ",")
		return nil
	})
	lasts := f.Duration("max-duration", 0, "end, with all processes, after that long")
	version := f.Bool("version", false, "print the version")
	if err := f.Parse(args); err != nil {
		return errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	switch {
	case *version:
		_, err := fmt.Fprintln(stderr, config.Version)
		return err
	case f.NArg() > 0:
		return errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("unexpected argument %q", f.Arg(0)))
	}
	if *deadline != 0 {
		config.Deadline = time.Unix(*deadline, 0)
	}
	if *lasts > 0 {
		config.endBy(time.Now().Add(*lasts))
	}
	change(&config)
	if _, err := os.Stat(config.Upper); err != nil {
		config.Upper, config.Lower = "", "" // the root is no overlay
	}
	if config.Listeners, err = ways.open(ctx, secrets, config); err != nil {
		return err
	}
	return Run(ctx, config)
}

// connect joins standard input and output with the socket of an agent: the way to it for who can only run a program in its
// container.
func connect(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("connect to the agent: %w", err)
	}
	defer conn.Close()
	go func() { // ends with the process
		_, _ = io.Copy(conn, in)
		_ = conn.(*net.UnixConn).CloseWrite() // the agent is gone where this fails
	}()
	_, err = io.Copy(out, conn)
	return err
}

// activity is what a running agent.Server tells of itself.
type activity interface {
	Activity() (running, connected int)
	Unacknowledged() int
	Changed() <-chan struct{}
	Stopped() <-chan struct{}
}

var _ activity = (*agent.Server)(nil)

// warning is how long before the platform's deadline the log says that it is near.
const warning = time.Minute

// watch returns why the agent has to end.
func watch(ctx context.Context, config Config, server activity, terminated <-chan os.Signal) string {
	lease, idle, deadline := stoppedTimer(), stoppedTimer(), stoppedTimer()
	defer lease.Stop()
	defer idle.Stop()
	defer deadline.Stop()
	if !config.Deadline.IsZero() {
		deadline.Reset(time.Until(config.Deadline) - warning)
	}
	alone := false // the lease runs
	for {
		changed := server.Changed()
		running, connected := server.Activity()
		switch {
		case connected > 0:
			lease.Stop()
			alone = false
		case !alone && config.Lease > 0:
			lease.Reset(config.Lease)
			alone = true
		}
		idle.Stop()
		if config.Idle > 0 && running == 0 && connected == 0 && server.Unacknowledged() == 0 {
			idle.Reset(config.Idle)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "told to"
		case <-server.Stopped():
			return "told to by its server"
		case <-config.unwanted:
			if config.Refused != nil {
				config.Refused()
			}
			return "no server lets it in"
		case s := <-terminated:
			return s.String()
		case <-lease.C:
			return "no server for " + config.Lease.String()
		case <-idle.C:
			return "idle"
		case <-deadline.C:
			left := time.Until(config.Deadline)
			if left <= 0 {
				return "its time is over"
			}
			config.Log.Warn("this container ends soon", "at", config.Deadline)
			deadline.Reset(left)
		}
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
