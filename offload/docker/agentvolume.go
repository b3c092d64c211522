package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/sockerless/sockerless/offload"
)

// The agent is in a volume of the engine, one for each build of it, that all tasks mount read-only: brought once, however
// many tasks there are. The volume is full when a container of its name exists, which is renamed to it as the last step, so
// that no kill leaves a half of an agent to be used.
const (
	agentDir  = "/.sockerless"
	agentPath = agentDir + "/agent"
	stateDir  = agentDir + "/run" // a volume of each task's own: it outlives the agent, not the task
)

// agentLabels are those of what is made for the tasks of all instances: the volume, and the container that keeps it.
var agentLabels = map[string]string{"sockerless.agent": ""}

// agentVolume returns the name of the volume with an agent, filled.
func (d *Driver) agentVolume(ctx context.Context, image string, program offload.AgentProgram) (string, error) {
	name := "sockerless-agent-" + program.ID
	d.filling.Lock()
	defer d.filling.Unlock()
	_, err := d.docker.ContainerInspect(ctx, name, client.ContainerInspectOptions{}) // each time: it may have been pruned
	if err == nil {
		return name, nil
	}
	if !cerrdefs.IsNotFound(err) {
		return "", fmt.Errorf("look for the agent: %w", err)
	}
	if err := d.fillVolume(ctx, name, image, program.Path); err != nil {
		return "", fmt.Errorf("bring the agent to the engine: %w", err)
	}
	return name, nil
}

func (d *Driver) fillVolume(ctx context.Context, name, image, program string) error {
	created, err := d.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: image, Entrypoint: []string{agentPath}, Labels: agentLabels},
		HostConfig: &container.HostConfig{NetworkMode: "none", Mounts: []mountSpec{{
			Type: mount.TypeVolume, Source: name, Target: agentDir, VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: agentLabels}}}},
	})
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(packAgent(w, program)) }() // ends with the pipe
	_, err = d.docker.CopyToContainer(ctx, created.ID, client.CopyToContainerOptions{DestinationPath: agentDir, Content: r})
	_ = r.Close()
	if err == nil {
		_, err = d.docker.ContainerRename(ctx, created.ID, client.ContainerRenameOptions{NewName: name})
		if cerrdefs.IsConflict(err) { // another server has brought the same agent meanwhile
			_, err = d.docker.ContainerRemove(ctx, created.ID, client.ContainerRemoveOptions{Force: true})
			return err
		}
	}
	if err != nil {
		_, removeErr := d.docker.ContainerRemove(context.WithoutCancel(ctx), created.ID, client.ContainerRemoveOptions{Force: true})
		return errors.Join(err, removeErr)
	}
	return nil
}

// packAgent writes the volume's content as a tar.
func packAgent(w io.Writer, program string) error {
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Name: "run/", Typeflag: tar.TypeDir, Mode: 0o700}); err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: "agent", Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(out, f); err != nil {
		return err
	}
	return out.Close()
}
