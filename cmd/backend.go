package cmd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
	"github.com/spf13/pflag"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/image"
)

const backendUsage = "backend check [OPTIONS] NAME"

// backendCommand asks a running server whether a backend has all that it needs.
func backendCommand(ctx context.Context, s streams, args []string) error {
	if len(args) == 0 || args[0] != "check" && !strings.HasPrefix(args[0], "-") {
		return usageError{errors.New("say what to do with the backend: check")}
	}
	var config Config
	f := pflag.NewFlagSet("backend check", pflag.ContinueOnError)
	file := config.flags(f)
	asJSON := f.Bool("json", false, "print JSON, a line for each thing")
	if err := parse(f, s, backendUsage, args[1:]); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return usageError{errors.New("name one backend")}
	}
	if err := config.load(f, *file); err != nil {
		return err
	}
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = config.Listen[0]
	}
	docker, err := client.New(client.WithHost(host))
	if err != nil {
		return err
	}
	defer docker.Close()
	answer, err := askForCheck(ctx, docker, f.Arg(0))
	if err != nil {
		return fmt.Errorf("check backend %s (a server must run at %s): %w", f.Arg(0), host, err)
	}
	defer answer.Close()
	return printFindings(s, answer, *asJSON)
}

// askForCheck gives the server's findings, one JSON value after the other.
func askForCheck(ctx context.Context, docker *client.Client, name string) (io.ReadCloser, error) {
	dial := docker.Dialer()
	http1 := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/backends/"+url.PathEscape(name)+"/check", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http1.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		var refused struct{ Message string }
		if err := json.NewDecoder(answer.Body).Decode(&refused); err != nil || refused.Message == "" {
			return nil, fmt.Errorf("the server answers %s: is it one of sockerless?", answer.Status)
		}
		return nil, errors.New(refused.Message)
	}
	return answer.Body, nil
}

// printFindings prints what comes, as it comes. The error tells that something is missing.
func printFindings(s streams, findings io.Reader, asJSON bool) error {
	missing := 0
	for in := json.NewDecoder(findings); ; {
		var f offload.Finding
		err := in.Decode(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read what the server has found: %w", err)
		}
		if f.Verdict == offload.Absent {
			missing++
		}
		if asJSON {
			err = json.NewEncoder(s.out).Encode(f)
		} else {
			_, err = fmt.Fprintf(s.out, "%-8s %-24s %s\n", f.Verdict, f.What, f.Detail)
		}
		if err != nil {
			return err
		}
	}
	if missing > 0 {
		return exitError{code: 1}
	}
	return nil
}

// checker lets a server check its backends, each with a task of the image that is always there.
func checker(scheduler *offload.Scheduler, images *image.Store, dataDir string) func(ctx context.Context, backend string, report func(any)) error {
	return func(ctx context.Context, backend string, report func(any)) (err error) {
		base, release, err := images.Acquire(image.BaseName)
		if err != nil {
			return err
		}
		defer release()
		layers, err := images.Layers(base.ID)
		if err != nil {
			return err
		}
		id := "check-" + strings.ToLower(rand.Text())
		dir := filepath.Join(dataDir, "containers", id)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		t := runtime.Task{
			Container: &agentpb.Container{Id: id, Hostname: "check", Directory: dir, Layers: layers},
			Image:     runtime.Image{ID: base.ID.String(), Name: image.BaseName, Platform: path.Join(base.Spec.OS, base.Spec.Architecture)}}
		return scheduler.CheckBackend(ctx, backend, t, func(f offload.Finding) { report(f) })
	}
}
