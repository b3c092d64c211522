package ecs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/sockerless/sockerless/runtime"
)

// create makes a task's container, under the task's id.
func (e *ECS) create(t *task, d definition, c types.ContainerDefinition) error {
	config := &container.Config{
		Image: aws.ToString(c.Image), Entrypoint: c.EntryPoint, Cmd: c.Command, User: aws.ToString(c.User), WorkingDir: aws.ToString(c.WorkingDirectory), Labels: c.DockerLabels,
		OpenStdin: aws.ToBool(c.Interactive), Tty: aws.ToBool(c.PseudoTerminal), Healthcheck: health(c.HealthCheck),
		Env: []string{"AWS_EXECUTION_ENV=AWS_ECS_FARGATE", "AWS_REGION=" + t.Region, "AWS_DEFAULT_REGION=" + t.Region, metadataVariable + "=" + t.metadata()},
	}
	if t.role(d) != "" {
		config.Env = append(config.Env, credentialsVariable+"="+credentialsPath+t.ID)
	}
	set := func(list []types.KeyValuePair) {
		for _, v := range list {
			name := aws.ToString(v.Name) + "="
			config.Env = slices.DeleteFunc(config.Env, func(known string) bool { return strings.HasPrefix(known, name) })
			config.Env = append(config.Env, name+aws.ToString(v.Value))
		}
	}
	set(c.Environment)
	for _, o := range t.Overrides.ContainerOverrides {
		if aws.ToString(o.Name) != aws.ToString(c.Name) {
			continue
		}
		if o.Command != nil {
			config.Cmd = o.Command
		}
		set(o.Environment)
		c.Memory = cmp.Or(o.Memory, c.Memory)
	}
	host := &container.HostConfig{ReadonlyRootfs: aws.ToBool(c.ReadonlyRootFilesystem)}
	host.ExtraHosts = []string{"host.docker.internal:host-gateway"} // the internet of a simulated cloud is this machine
	host.Memory, host.NanoCPUs = size(t)
	if c.Memory != nil {
		host.Memory = min(host.Memory, int64(*c.Memory)<<20)
	}
	for _, u := range c.Ulimits {
		host.Ulimits = append(host.Ulimits, &container.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	if p := c.LinuxParameters; p != nil {
		host.Init = p.InitProcessEnabled
		if p.Capabilities != nil {
			host.CapAdd, host.CapDrop = p.Capabilities.Add, p.Capabilities.Drop
		}
		for _, m := range p.Tmpfs {
			if host.Tmpfs == nil {
				host.Tmpfs = map[string]string{}
			}
			host.Tmpfs[aws.ToString(m.ContainerPath)] = strings.Join(append([]string{fmt.Sprintf("size=%dm", m.Size)}, m.MountOptions...), ",")
		}
	}
	var err error
	if host.Mounts, err = e.mounts(t, d, c); err != nil {
		return err
	}
	networking, err := networking(t.Interface)
	if err != nil {
		return err
	}
	host.NetworkMode = container.NetworkMode(t.Interface.Network)
	_, err = e.config.Machine.ContainerCreate(e.ctx, runtime.CreateOptions{Name: t.ID, Config: config, HostConfig: host, Networking: networking})
	return err
}

// mounts are a container's volumes: folders of EFS, and empty ones that go with the task.
func (e *ECS) mounts(t *task, d definition, c types.ContainerDefinition) ([]mount.Mount, error) {
	var list []mount.Mount
	for _, m := range c.MountPoints {
		at := slices.IndexFunc(d.Volumes, func(v types.Volume) bool { return aws.ToString(v.Name) == aws.ToString(m.SourceVolume) })
		made := mount.Mount{Type: mount.TypeVolume, Target: aws.ToString(m.ContainerPath), ReadOnly: aws.ToBool(m.ReadOnly)}
		if efs := d.Volumes[at].EfsVolumeConfiguration; efs != nil {
			fail := func(why string) error {
				return &startError{code: "ResourceInitializationError", text: "failed to invoke EFS utils commands to set up EFS volumes: " + why}
			}
			point := ""
			if efs.AuthorizationConfig != nil {
				point = aws.ToString(efs.AuthorizationConfig.AccessPointId)
			}
			folder, err := e.config.Mount(t.Interface, aws.ToString(efs.FileSystemId), point, aws.ToString(efs.RootDirectory))
			if err != nil {
				return nil, fail(err.Error())
			}
			made.Type, made.Source = mount.TypeBind, folder
		}
		list = append(list, made)
	}
	return list, nil
}

// health is a check as the machine has it.
func health(h *types.HealthCheck) *container.HealthConfig {
	if h == nil {
		return nil
	}
	seconds := func(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }
	return &container.HealthConfig{Test: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout), StartPeriod: seconds(h.StartPeriod), Retries: int(aws.ToInt32(h.Retries))}
}

// size is a task's memory in bytes and its processors in billionths.
func size(t *task) (memory, nanoCPUs int64) {
	mebibytes, _ := strconv.ParseInt(aws.ToString(t.Memory), 10, 64) // both were checked
	units, _ := strconv.ParseInt(aws.ToString(t.Cpu), 10, 64)
	return mebibytes << 20, units * 1e9 / 1024
}
