// Sockerless-cloud is what speaks to clouds: the drivers of backends, and simulators. It is a program of its own so that the
// server, its cells and the containers of this machine do not carry the SDKs; the server and `sockerless sim` run it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/simulators/aws"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "native-init" {
		os.Exit(native.Init())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sockerless-cloud:", err)
		os.Exit(1)
	}
}

const usage = `usage: sockerless sim aws [flags]

Runs a simulator of a cloud on this machine: its services answer as the real ones do, and tasks really run.

`

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "driver" {
		return serveDriver(ctx)
	}
	if len(args) < 2 || args[0] != "sim" || args[1] != "aws" {
		return errors.New(usage)
	}
	flags := pflag.NewFlagSet("sim aws", pflag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage+flags.FlagUsages()) }
	address := flags.String("listen", "127.0.0.1:4566", "where to serve")
	data := flags.String("data-dir", "sockerless-aws", "folder of images, tasks and records; it is made")
	key := flags.String("access-key", "test", "id of the access key of clients")
	secret := flags.String("secret-key", "test", "its secret")
	if err := flags.Parse(args[2:]); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir, err := filepath.Abs(*data)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := aws.Open(ctx, aws.Config{
		DataDir: dir, RuntimeDir: sockets(dir), Native: native.Config{Executable: self, Arguments: []string{"native-init"}},
		Agent: offload.AgentPrograms(self), Keys: map[string]string{*key: *secret}, Log: log}, l)
	if err != nil {
		return err
	}
	log.Info("AWS is simulated", "endpoint", "http://"+s.Host(), "account", aws.Account)
	<-ctx.Done()
	return s.Close(context.WithoutCancel(ctx))
}

// sockets is a folder for sockets, which need short paths: not in the data folder, but named after it.
func sockets(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return filepath.Join(os.TempDir(), "sockerless-"+hex.EncodeToString(sum[:6]))
}
