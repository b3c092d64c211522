package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/placement"
)

const policyUsage = "policy explain [OPTIONS] IMAGE [COMMAND] [ARG...]"

// explanation is what would happen to a container, and why.
type explanation struct {
	offload.Explanation
	Plan   placement.Plan `json:"plan"`
	Result string         `json:"result"` // in a sentence
}

// policyCommand says what would happen to a container. The image is a running server's; the files of its layers and the
// policy are read here.
func policyCommand(ctx context.Context, s streams, args []string) error {
	if len(args) == 0 || args[0] != "explain" && !strings.HasPrefix(args[0], "-") {
		return usageError{errors.New("say what to do with the policy: explain")}
	}
	var config Config
	f := pflag.NewFlagSet("policy explain", pflag.ContinueOnError)
	f.SetInterspersed(false)
	file := config.flags(f)
	labels := f.StringToStringP("label", "l", nil, "`KEY=VALUE` of the container (may be repeated)")
	asJSON := f.Bool("json", false, "print JSON")
	if err := parse(f, s, policyUsage, args[1:]); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("the IMAGE is missing")}
	}
	if err := config.load(f, *file); err != nil {
		return err
	}
	e, err := explain(ctx, &config, *labels, f.Arg(0), f.Args()[1:])
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(s.out)
		out.SetIndent("", "  ")
		return out.Encode(e)
	}
	return e.print(s)
}

func explain(ctx context.Context, config *Config, labels map[string]string, name string, command []string) (_ *explanation, err error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	log := slog.New(slog.DiscardHandler)
	source, err := offload.NewSource(config.file, log)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data-dir: %w", err)
	}
	probed, err := os.MkdirTemp(config.DataDir, "explain-") // beside the one of a server that runs
	if err != nil {
		return nil, err
	}
	support, stopProbe := probe(ctx, executable, probed, log)
	defer func() { err = errors.Join(err, stopProbe()) }()
	scheduler, closeDrivers := offloadConfig{
		dataDir: config.DataDir, runtimeDir: config.DataDir, executable: executable, source: source,
		support: support, log: log}.open(ctx)
	defer func() { err = errors.Join(err, closeDrivers()) }()
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = config.Listen[0]
	}
	docker, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, err
	}
	defer docker.Close()
	img, err := docker.ImageInspect(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at image %s (a server must run at %s and have it): %w", name, host, err)
	}
	image := runtime.Image{ID: img.ID, Name: name, Platform: path.Join(img.Os, img.Architecture, img.Variant)}
	env, cwd := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "/"
	if c := img.Config; c != nil {
		env, cwd = append(env, c.Env...), c.WorkingDir
		if len(command) == 0 {
			command = c.Cmd
		}
		command = slices.Concat(c.Entrypoint, command)
		for key, value := range c.Labels {
			if _, own := labels[key]; !own {
				if labels == nil {
					labels = map[string]string{}
				}
				labels[key] = value
			}
		}
	}
	var dirs []string
	for _, id := range img.RootFS.Layers {
		dirs = append(dirs, layer.Path(filepath.Join(config.DataDir, "layers"), digest.Digest(id)))
	}
	files, err := rootfs.OpenOverlay(dirs, "")
	if err != nil {
		return nil, fmt.Errorf("read the files of image %s (is --data-dir that of the server?): %w", name, err)
	}
	defer files.Close()
	e := &explanation{Explanation: scheduler.Explain(image, labels, command)}
	view := rootfs.NewTree(files, true).View(rootfs.Cred{})
	finder := placement.Finder{NativeBash: e.NativeBash, Builtin: func(name string, own bool) bool {
		return builtins.Lookup(name) != nil && (!own || builtins.Replaces(name, true))
	}}
	e.Plan = placement.Analyze(ctx, view, env, cwd, command, placement.Options{Finder: finder})
	e.Result = e.conclude()
	return e, nil
}

// conclude says in a sentence what would happen.
func (e *explanation) conclude() string {
	var on []string
	for _, b := range e.Backends {
		if b.Why == "" {
			on = append(on, b.Name)
		}
	}
	backends := strings.Join(on, ", or else ")
	refusal := e.Refusal
	if refusal == "" && len(on) == 0 {
		refusal = "no backend would take it"
	}
	switch {
	case e.Error != "":
		return "it would be refused: " + e.Error
	case e.Place == runtime.Offloaded && len(on) == 0, e.Plan.Native && e.Plan.Whole && len(on) == 0:
		return "it would not start, error 126: " + refusal
	case e.Place == runtime.Offloaded:
		return "it would run natively as a whole on " + backends + ", as the policy says"
	case e.Plan.Native && e.Plan.Whole:
		return "it would run natively as a whole on " + backends + ": " + e.Plan.Reason
	case e.Plan.Native && len(on) == 0:
		return "it would start in the sandbox, and its native programs would fail with error 126: " + refusal
	case e.Plan.Native:
		return "it would start in the sandbox and be promoted to " + backends + ": " + e.Plan.Reason
	}
	return "it would run in the sandbox: " + e.Plan.Reason
}

func (e *explanation) print(s streams) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("image", "%s (%s)", e.Image, e.Platform)
	row("command", "%q", e.Command)
	row("rule", "%s: place %s", e.Rule, e.Place)
	for _, r := range e.Considered {
		if !r.Matches {
			row("", "not %s: %s", r.Rule, r.Why)
		}
	}
	row("result", "%s", e.Result)
	for _, p := range e.Plan.Programs {
		row("native", "%s is %s (%s)", p.Path, p.Why, p.Where)
	}
	for _, b := range e.Backends {
		switch {
		case b.Why != "":
			row("backend", "%s: no, %s", b.Name, b.Why)
		case b.USDPerHour != nil && *b.USDPerHour > 0:
			row("backend", "%s: yes, at %.4f USD an hour", b.Name, *b.USDPerHour)
		default:
			row("backend", "%s: yes", b.Name)
		}
	}
	return w.Flush()
}
