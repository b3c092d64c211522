package guest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// Exit codes of a guest that did not end by itself: a trap counts as an abort, a module that cannot be run as a file
// of a wrong format.
const (
	trapped   = 128 + int(kernel.SIGABRT)
	malformed = 126
)

// Main returns the function that runs a module as a process. The exit status is the guest's own; 134 after a trap and
// 126 for a module that is not a command of WASI preview 1, each with the reason on standard error.
func Main(cache *Cache) func(module []byte, p *kernel.Process) int {
	return func(module []byte, p *kernel.Process) int { return run(cache, module, p) }
}

func run(cache *Cache, module []byte, p *kernel.Process) int {
	c, release, err := cache.get(p.Context(), module)
	if err != nil {
		if p.Context().Err() == nil {
			fail(p, err)
		}
		return malformed
	}
	defer release()
	if _, command := c.module.ExportedFunctions()["_start"]; !command {
		fail(p, errors.New("the module is not a WASI command: it has no function _start"))
		return malformed
	}
	memory := &memory{table: p.Table()}
	defer memory.free()
	ctx := experimental.WithMemoryAllocator(p.Context(), memory)
	instance, err := c.runtime.InstantiateModule(ctx, c.module, config(p))
	if instance != nil {
		defer instance.Close(context.Background()) // nothing is left to be done about it
	}
	var exit *sys.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit.ExitCode() & 0xff)
	}
	fail(p, err)
	return trapped
}

// fail says on standard error why a guest ended.
func fail(p *kernel.Process, err error) {
	name := p.Path()
	if args := p.Args(); len(args) > 0 {
		name = args[0]
	}
	fmt.Fprintf(p.Stderr(), "%s: %s\n", name, strings.TrimSpace(err.Error()))
}

// config gives a guest what its process has.
func config(p *kernel.Process) wazero.ModuleConfig {
	files := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(&files{p: p, view: p.Files()}, "/")
	c := wazero.NewModuleConfig().WithName("").WithArgs(p.Args()...).
		WithStdin(p.Stdin()).WithStdout(p.Stdout()).WithStderr(p.Stderr()).
		WithFSConfig(files).WithRandSource(rand.Reader).
		WithSysWalltime().WithSysNanotime().
		WithNanosleep(func(ns int64) { _ = p.Sleep(p.Context(), time.Duration(ns)) })
	for _, v := range p.Env() {
		if name, value, ok := strings.Cut(v, "="); ok && name != "" && name != "PWD" {
			c = c.WithEnv(name, value)
		}
	}
	return c.WithEnv("PWD", p.Files().Getwd())
}
