package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/sockerless/sockerless/wasi"
)

const serveUsage = "serve [OPTIONS]"

// drainTime is how long requests under way have at the end of the server.
const drainTime = 10 * time.Second

// serve answers the Docker Engine API until a signal ends it.
func serve(ctx context.Context, s streams, args []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	var config Config
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	file := config.flags(f)
	if err := parse(f, s, serveUsage, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", f.Arg(0))}
	}
	if err := config.load(f, *file); err != nil {
		return err
	}
	log := config.logger(s.err)
	system, err := openSystem(ctx, &config, log)
	if err != nil {
		return err
	}
	listeners, err := config.listen()
	if err != nil {
		return errors.Join(err, system.Close())
	}
	stopWatching := watchPolicy(ctx, system.policy, log)
	defer stopWatching()
	served := make(chan error, len(listeners)+1)
	go func() { served <- system.api.Serve(system.inside) }()
	for i, l := range listeners {
		go func() { served <- system.api.Serve(l) }()
		log.Info("listening", "address", config.Listen[i])
	}
	if _, err := fmt.Fprintf(s.out, "export DOCKER_HOST=%s\n", address(config.Listen[0], listeners[0])); err != nil {
		log.Warn("cannot print the address", "error", err)
	}
	pending := len(listeners) + 1
	select {
	case <-ctx.Done():
		log.Info("ending: requests under way may finish, containers go on")
	case err = <-served: // a listener that fails ends the server: half a server is worse than a restart
		pending--
		log.Error("listening failed", "error", err)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if drainErr := system.api.Shutdown(drain); drainErr != nil {
		log.Warn("cut off requests that took too long", "error", drainErr)
	}
	for range pending {
		<-served
	}
	return errors.Join(err, system.Close())
}

// address is where a client finds a listener; a port 0 has become a real one.
func address(configured string, l net.Listener) string {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return "tcp://" + a.String()
	}
	return configured
}

// cell is the process in which containers run; the server starts it.
func cell(ctx context.Context, s streams, args []string) error {
	var config wasi.CellConfig
	f := pflag.NewFlagSet("cell", pflag.ContinueOnError)
	f.StringVar(&config.Socket, "socket", "", "`PATH` of the socket to serve")
	f.StringVar(&config.Version, "build", "", "what the server calls the build of this binary")
	if err := parse(f, s, "cell --socket PATH", args); err != nil {
		return err
	}
	if config.Socket == "" {
		return usageError{errors.New("--socket is missing")}
	}
	config.Ready, config.Log = s.out, slog.New(slog.NewTextHandler(s.err, nil))
	return wasi.RunCell(ctx, config)
}

// engine starts a server in this process, on a socket of its own, for one `sockerless run`.
func (o *runOptions) engine(ctx context.Context, s streams) (host string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "sockerless")
	if err != nil {
		return "", nil, err
	}
	config := Config{
		Listen:  []string{"unix://" + filepath.ToSlash(filepath.Join(dir, "s"))},
		DataDir: o.dataDir, LogFormat: "text", LogLevel: "warn",
	}
	if config.DataDir == "" {
		config.DataDir = defaultDataDir()
	}
	log := config.logger(s.err)
	var system *system
	var listeners []net.Listener
	if err = config.check(); err == nil {
		system, err = openSystem(ctx, &config, log)
	}
	if err == nil {
		if listeners, err = config.listen(); err != nil {
			err = errors.Join(err, system.Close())
		}
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	served := make(chan error, 2)
	for _, l := range []net.Listener{listeners[0], system.inside} {
		go func() { served <- system.api.Serve(l) }()
	}
	return config.Listen[0], func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err := system.api.Shutdown(drain)
		<-served
		<-served
		if err = errors.Join(err, system.Close(), os.RemoveAll(dir)); err != nil {
			log.Warn("ending the engine", "error", err)
		}
	}, nil
}
