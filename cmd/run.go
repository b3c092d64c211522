package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/spf13/pflag"
)

const runUsage = "run [OPTIONS] IMAGE [COMMAND] [ARG...]"

// runOptions are the flags of `sockerless run`, those of `docker run` by the same names.
type runOptions struct {
	interactive, tty, remove bool
	env, volumes             []string
	workdir, user, name      string
	entrypoint               string
	dataDir                  string
}

func (o *runOptions) flags(f *pflag.FlagSet) {
	f.SetInterspersed(false) // what follows IMAGE is the container's
	f.BoolVarP(&o.interactive, "interactive", "i", false, "pass standard input on")
	f.BoolVarP(&o.tty, "tty", "t", false, "give the container a terminal")
	f.StringArrayVarP(&o.env, "env", "e", nil, "`NAME=VALUE` for the environment; NAME alone takes today's value")
	f.StringArrayVarP(&o.volumes, "volume", "v", nil, "`SOURCE:TARGET[:ro]`, a folder of this machine or a named volume")
	f.StringVarP(&o.workdir, "workdir", "w", "", "working `FOLDER` in the container")
	f.StringVarP(&o.user, "user", "u", "", "`USER[:GROUP]` to run as")
	f.StringVar(&o.entrypoint, "entrypoint", "", "`COMMAND` instead of the image's entry point")
	f.StringVar(&o.name, "name", "", "`NAME` of the container")
	f.BoolVar(&o.remove, "rm", false, "remove the container when it has ended")
	f.StringVar(&o.dataDir, "data-dir", "", "`FOLDER` of images and containers where no DOCKER_HOST is set")
}

// runContainer runs one container: through the engine at DOCKER_HOST, or through an engine in this process.
func runContainer(ctx context.Context, s streams, args []string) error {
	var o runOptions
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.flags(f)
	if err := parse(f, s, runUsage, args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("the IMAGE is missing")}
	}
	options := []client.Opt{client.FromEnv}
	if os.Getenv("DOCKER_HOST") == "" {
		host, stop, err := o.engine(ctx, s)
		if err != nil {
			return err
		}
		defer stop()
		options = []client.Opt{client.WithHost(host)}
	}
	docker, err := client.New(options...)
	if err != nil {
		return err
	}
	defer docker.Close()
	return o.run(ctx, s, docker, f.Arg(0), f.Args()[1:])
}

// run creates the container, attaches, starts it and waits, in the order of `docker run`.
func (o *runOptions) run(ctx context.Context, s streams, docker *client.Client, image string, command []string) error {
	create, err := o.create(image, command)
	if err != nil {
		return err
	}
	created, err := docker.ContainerCreate(ctx, create)
	if errdefs.IsNotFound(err) {
		if err := pull(ctx, docker, image, s.err); err != nil {
			return err
		}
		created, err = docker.ContainerCreate(ctx, create)
	}
	if err != nil {
		return err
	}
	for _, w := range created.Warnings {
		fmt.Fprintln(s.err, "WARNING:", w)
	}
	attached, err := docker.ContainerAttach(ctx, created.ID, client.ContainerAttachOptions{
		Stream: true, Stdin: o.interactive, Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	defer attached.Close()
	condition := container.WaitConditionNextExit
	if o.remove {
		condition = container.WaitConditionRemoved
	}
	exit := docker.ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: condition})
	if o.tty {
		restore, err := rawTerminal()
		if err != nil {
			return err
		}
		defer restore()
	}
	output := make(chan error, 1)
	go func() { output <- o.copyOutput(s, attached.Reader) }()
	if _, err := docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		if o.remove {
			_, _ = docker.ContainerRemove(ctx, created.ID, client.ContainerRemoveOptions{Force: true}) // the start's error is what counts
		}
		return startError(err)
	}
	if o.interactive {
		go func() { // ends with the process: a read of standard input cannot be taken back
			_, _ = io.Copy(attached.Conn, s.in) // the other side has closed: the container has ended
			_ = attached.CloseWrite()
		}()
	}
	forwarding, stop := context.WithCancel(ctx)
	defer stop()
	if o.tty {
		go resizeTerminal(forwarding, docker, created.ID)
	} else {
		go forwardSignals(forwarding, docker, created.ID)
	}
	if err := <-output; err != nil {
		return fmt.Errorf("read the container's output: %w", err)
	}
	select {
	case result := <-exit.Result:
		if result.Error != nil {
			return errors.New(result.Error.Message)
		}
		if result.StatusCode != 0 {
			return exitError{code: int(result.StatusCode)}
		}
		return nil
	case err := <-exit.Error:
		return fmt.Errorf("wait for the container: %w", err)
	}
}

// create is the request of the flags.
func (o *runOptions) create(image string, command []string) (client.ContainerCreateOptions, error) {
	config := &container.Config{
		Image: image, Cmd: command, WorkingDir: o.workdir, User: o.user, Tty: o.tty,
		AttachStdin: o.interactive, OpenStdin: o.interactive, StdinOnce: o.interactive, AttachStdout: true, AttachStderr: true,
	}
	if o.entrypoint != "" {
		config.Entrypoint = []string{o.entrypoint}
	}
	for _, e := range o.env {
		if !strings.Contains(e, "=") {
			value, ok := os.LookupEnv(e)
			if !ok {
				continue
			}
			e += "=" + value
		}
		config.Env = append(config.Env, e)
	}
	host := &container.HostConfig{AutoRemove: o.remove}
	for _, v := range o.volumes {
		if source, rest, ok := strings.Cut(v, ":"); ok && strings.HasPrefix(source, ".") {
			abs, err := filepath.Abs(source)
			if err != nil {
				return client.ContainerCreateOptions{}, err
			}
			v = abs + ":" + rest
		}
		host.Binds = append(host.Binds, v)
	}
	return client.ContainerCreateOptions{Config: config, HostConfig: host, Name: o.name}, nil
}

func (o *runOptions) copyOutput(s streams, r io.Reader) error {
	if o.tty {
		_, err := io.Copy(s.out, r)
		return err
	}
	_, err := stdcopy.StdCopy(s.out, s.err, r)
	return err
}

// startError gives a container that could not be started the exit code that a shell gives: 126 or 127.
func startError(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory"):
		return exitError{127, err}
	case strings.Contains(text, "permission denied"), strings.Contains(text, "is a directory"):
		return exitError{126, err}
	}
	return err
}

// forwardSignals passes on what would end this process.
func forwardSignals(ctx context.Context, docker *client.Client, id string) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			number, ok := s.(syscall.Signal)
			if !ok {
				continue
			}
			// A container that has just ended cannot be signalled, and need not be.
			_, _ = docker.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: fmt.Sprint(int(number))})
		}
	}
}

// pull shows the steps of each layer on w, one line each.
func pull(ctx context.Context, docker *client.Client, image string, w io.Writer) error {
	response, err := docker.ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	defer response.Close()
	for message, err := range response.JSONMessages(ctx) {
		switch {
		case err != nil:
			return err
		case message.Error != nil:
			return errors.New(message.Error.Message)
		case message.Progress != nil && message.Progress.Total > 0:
		case message.ID != "":
			fmt.Fprintf(w, "%s: %s\n", message.ID, message.Status)
		default:
			fmt.Fprintln(w, message.Status)
		}
	}
	return nil
}
