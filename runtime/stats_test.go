package runtime_test

import (
	"errors"
	"io"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

func TestStats(t *testing.T) {
	s := open(t)
	id := s.Run("busy", "sleep", "1000")
	_, err := s.ContainerStats(s.Ctx(), "nosuch", runtime.StatsOptions{})
	expect(t, "stats", err, 404, "No such container: nosuch")

	one, err := s.ContainerStats(s.Ctx(), "busy", runtime.StatsOptions{OneShot: true})
	if err != nil {
		t.Fatal(err)
	}
	if now, err := one.Next(s.Ctx()); err != nil || now.Read.IsZero() || !now.PreRead.IsZero() || now.CPUStats.OnlineCPUs == 0 || now.MemoryStats.Limit == 0 {
		t.Errorf("%+v %v", now, err)
	}
	if _, err := one.Next(s.Ctx()); !errors.Is(err, io.EOF) {
		t.Errorf("after one: %v", err)
	}

	stream, err := s.ContainerStats(s.Ctx(), "busy", runtime.StatsOptions{Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Next(s.Ctx())
	if err != nil || first.ID != id || first.Name != "/busy" {
		t.Errorf("%+v %v", first, err)
	}
	second, err := stream.Next(s.Ctx())
	if err != nil || !second.PreRead.Equal(first.Read) || second.CPUStats.SystemUsage <= second.PreCPUStats.SystemUsage {
		t.Errorf("%+v after %+v: %v", second, first, err)
	}
	w := s.Waiting(id, container.WaitConditionNextExit)
	if err := s.ContainerKill(s.Ctx(), id, ""); err != nil {
		t.Fatal(err)
	}
	s.Code(w)
	if _, err := stream.Next(s.Ctx()); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}

	stopped, err := s.ContainerStats(s.Ctx(), "busy", runtime.StatsOptions{Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	if now, err := stopped.Next(s.Ctx()); err != nil || now.ID != id || !now.Read.IsZero() {
		t.Errorf("stopped: %+v %v", now, err)
	}
	if _, err := stopped.Next(s.Ctx()); !errors.Is(err, io.EOF) {
		t.Errorf("stopped: %v", err)
	}
}
