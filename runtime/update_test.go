package runtime_test

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime/runtimetest"
)

func TestUpdate(t *testing.T) {
	dir, machine := t.TempDir(), runtimetest.NewFake(t)
	s := runtimetest.Open(t, dir, machine.Backend(t))
	limits := container.Resources{Memory: 64 << 20, MemorySwap: 128 << 20}
	s.Create("c", container.Config{Cmd: []string{"true"}}, container.HostConfig{Resources: limits})
	s.Create("rm", container.Config{Cmd: []string{"true"}}, container.HostConfig{AutoRemove: true})
	s.Run("running", "sleep", "1000")
	always := container.RestartPolicy{Name: container.RestartPolicyAlways}

	for _, test := range []struct {
		name   string
		update container.UpdateConfig
		status int
		text   string
	}{
		{"nosuch", container.UpdateConfig{}, 404, "No such container: nosuch"},
		{"rm", container.UpdateConfig{RestartPolicy: always}, 409,
			"Cannot update container ID: Restart policy cannot be updated because AutoRemove is enabled for the container"},
		{"c", container.UpdateConfig{Resources: container.Resources{Memory: 256 << 20}}, 409,
			"Cannot update container ID: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"},
		{"c", container.UpdateConfig{Resources: container.Resources{Memory: 1024}}, 400, "Cannot update container ID: Minimum memory limit allowed is 6MB"},
		{"c", container.UpdateConfig{Resources: container.Resources{BlkioWeight: 10}}, 501,
			"update of block I/O limits is not supported: the sandbox does not have it"},
	} {
		_, err := s.ContainerUpdate(s.Ctx(), test.name, test.update)
		expect(t, test.name, err, test.status, test.text)
	}
	pids := int64(7)
	before, err := s.ContainerInspect(s.Ctx(), "c", false)
	if err != nil {
		t.Fatal(err)
	}
	update := container.UpdateConfig{RestartPolicy: always, Resources: container.Resources{Memory: 32 << 20, PidsLimit: &pids}}
	if r, err := s.ContainerUpdate(s.Ctx(), "c", update); err != nil || r.Warnings != nil {
		t.Fatalf("%v %v", r, err)
	}
	if r, err := s.ContainerUpdate(s.Ctx(), "running", container.UpdateConfig{RestartPolicy: always}); err != nil || r.Warnings != nil {
		t.Errorf("a policy takes effect at once: %v %v", r, err)
	}
	want := []string{"The container is running: its new limits take effect when it is started again."}
	if r, err := s.ContainerUpdate(s.Ctx(), "running", container.UpdateConfig{Resources: container.Resources{PidsLimit: &pids}}); err != nil || !slices.Equal(r.Warnings, want) {
		t.Errorf("%v %v", r, err)
	}
	if before.HostConfig.Memory != 64<<20 || before.HostConfig.RestartPolicy.Name != "no" {
		t.Errorf("an update changed an answer of before: %+v", before.HostConfig)
	}
	s.Close()

	s = runtimetest.Open(t, dir, machine.Backend(t))
	in, err := s.ContainerInspect(s.Ctx(), "c", false)
	if err != nil {
		t.Fatal(err)
	}
	if h := in.HostConfig; h.Memory != 32<<20 || h.MemorySwap != 128<<20 || *h.PidsLimit != 7 || h.RestartPolicy.Name != "always" {
		t.Errorf("after a restart of the server: %+v", h)
	}
}
