package inside

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sockerless/sockerless/agent"
)

// Run serves the container that this process is in until ctx ends or there is nothing more to do: a server has asked it
// to end, its lease is over, it is idle, or it was told to by a signal while nothing ran. Processes that still run at the
// end are killed. Signals that this process gets go to the container's first process while there is one.
func Run(ctx context.Context, config Config) error {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.ID == "" {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		config.ID = hex.EncodeToString(b[:])
	}
	host, err := New(config)
	if err != nil {
		return err
	}
	server := agent.NewServer(host, agent.ServerConfig{ID: config.ID, Version: config.Version, Directory: config.Directory, Deadline: config.Deadline})
	serving, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, len(config.Listeners))
	for _, l := range config.Listeners {
		go func() {
			err := server.Serve(serving, l)
			if err != nil {
				err = fmt.Errorf("serve %s: %w", l.Addr(), err)
				stop()
			}
			served <- err
		}()
	}
	config.Log.Info("agent serves", "container", config.Container, "version", config.Version)
	reason := watch(serving, config, server, host.Terminated())
	config.Log.Info("agent ends", "reason", reason)
	stop()
	var errs []error
	for range config.Listeners {
		errs = append(errs, <-served)
	}
	host.Shutdown()
	for _, l := range config.Listeners { // what was still said goes out
		if w, ok := l.(interface{ Wait() }); ok {
			w.Wait()
		}
	}
	return errors.Join(errs...)
}
