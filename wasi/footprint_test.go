package wasi

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// quiet is a Sink that drops all output.
type quiet struct{}

func (quiet) WriteStream(_ context.Context, _ uint8, p []byte) (int, error) { return len(p), nil }
func (quiet) End(*agentpb.Exit)                                             {}

// What a container costs in the cell that sleeps for ever: its files, its process table, its process and goroutine.
func TestSleeperIsSmall(t *testing.T) {
	const sleepers, limit = 1000, 12 << 10 // bytes each
	cell := NewCell()
	sleep := builtinProgram(func(p *builtins.Process) int {
		<-p.Context.Done()
		return 0
	})
	cell.programs.shell = func(p *kernel.Process) int { return sleep(p) }
	store, err := layer.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	diff, _, err := store.Import(t.Context(), imageTar(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	used := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := used()
	for i := range sleepers {
		id := "c" + strconv.Itoa(i)
		spec := &agentpb.Container{Id: id, Hostname: id, Directory: filepath.Join(dir, id), Layers: []string{store.Path(diff)}}
		if _, err := cell.Start(t.Context(), spec, &agentpb.Process{Args: []string{"/bin/sh"}}, quiet{}); err != nil {
			t.Fatal(err)
		}
	}
	each := (used() - before) / sleepers
	t.Logf("%d bytes each", each)
	if each > limit {
		t.Errorf("a sleeping container takes %d bytes, more than %d", each, limit)
	}
	if err := cell.CloseAll(); err != nil {
		t.Error(err)
	}
}
