package ecs

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/registry"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// live lets a task go on from where it is, in the background.
func (e *ECS) live(id string) {
	e.lives.Go(func() {
		if err := e.life(id); err != nil && e.ctx.Err() == nil {
			e.config.Log.Error("a task", "task", id, "error", err)
		}
	})
}

// change writes a task down.
func (e *ECS) change(id string, f func(t *task)) (task, error) {
	return e.tasks.Update(context.WithoutCancel(e.ctx), id, func(t task, ok bool) (task, error) {
		f(&t)
		t.Version++
		return t, nil
	})
}

func (e *ECS) to(id, status string) (task, error) {
	return e.change(id, func(t *task) { t.LastStatus = aws.String(status) })
}

// life is a task's, from any state to its end; it returns early when the simulator ends.
func (e *ECS) life(id string) error {
	t, _ := e.tasks.Get(id)
	switch t.status() {
	case provisioning, pending, activating:
		if failure := e.begin(&t); failure != nil {
			if e.ctx.Err() != nil {
				return nil
			}
			return e.failed(id, failure)
		}
		fallthrough
	case running, deactivating, stopping:
		return e.follow(id)
	case deprovisioning:
		return e.over(id)
	}
	return nil
}

// startError is why a task could not be started.
type startError struct{ code, text string }

func (s *startError) Error() string { return s.code + ": " + s.text }

// begin gets a task's network and image and starts its container, or finds that started.
func (e *ECS) begin(t *task) error {
	if r, hit := e.config.Faults.Hit(faults.Attach, "ecs", "task"); hit {
		if r.Code != "" {
			return &startError{"ResourceInitializationError", r.Code}
		}
		if !e.pause(r.For) {
			return e.ctx.Err()
		}
	}
	if _, err := e.to(t.ID, pending); err != nil {
		return err
	}
	d, ok := e.definitions.Get(t.Definition)
	if !ok {
		return &startError{"TaskFailedToStart", "the task definition is gone"}
	}
	c := d.ContainerDefinitions[0]
	image := aws.ToString(c.Image)
	if r, hit := e.config.Faults.Hit(faults.Pull, "ecs", "task"); hit {
		return &startError{"CannotPullContainerError", reason(r.Code, "failed to pull image "+image+": the registry refuses it")}
	}
	user, password, err := e.config.Images.Token(e.ctx)
	if err != nil {
		return err
	}
	pull := runtime.PullOptions{Reference: image, Auth: &registry.AuthConfig{Username: user, Password: password}}
	if err := e.config.Machine.ImagePull(e.ctx, pull); err != nil {
		return &startError{"CannotPullContainerError", "pull image manifest has been retried 1 time(s): failed to resolve ref " + image + ": " + err.Error()}
	}
	if _, err := e.to(t.ID, activating); err != nil {
		return err
	}
	if err := e.create(t, d); err != nil && !errdefs.IsConflict(err) { // an earlier simulator had made it
		return &startError{"CannotCreateContainerError", err.Error()}
	}
	if now, _ := e.tasks.Get(t.ID); aws.ToString(now.DesiredStatus) == stopped {
		return nil
	}
	if err := e.config.Machine.ContainerStart(e.ctx, t.ID, runtime.StartOptions{}); err != nil && !errdefs.IsNotModified(err) {
		return &startError{"CannotStartContainerError", err.Error()}
	}
	_, err = e.change(t.ID, func(t *task) {
		t.LastStatus, t.StartedAt = aws.String(running), aws.Time(e.config.Now())
		for i := range t.Containers {
			t.Containers[i].LastStatus, t.Containers[i].RuntimeId = aws.String(running), aws.String(t.ID)
		}
	})
	return err
}

func (e *ECS) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-e.ctx.Done():
		return false
	}
}

// create makes a task's container, under the task's id.
func (e *ECS) create(t *task, d definition) error {
	c := d.ContainerDefinitions[0]
	config := &container.Config{Image: aws.ToString(c.Image), Entrypoint: c.EntryPoint, Cmd: c.Command, User: aws.ToString(c.User), WorkingDir: aws.ToString(c.WorkingDirectory)}
	for _, v := range c.Environment {
		config.Env = append(config.Env, aws.ToString(v.Name)+"="+aws.ToString(v.Value))
	}
	if t.Overrides != nil {
		for _, o := range t.Overrides.ContainerOverrides {
			if aws.ToString(o.Name) != aws.ToString(c.Name) {
				continue
			}
			if o.Command != nil {
				config.Cmd = o.Command
			}
			for _, v := range o.Environment {
				config.Env = append(config.Env, aws.ToString(v.Name)+"="+aws.ToString(v.Value))
			}
		}
	}
	host := &container.HostConfig{ReadonlyRootfs: aws.ToBool(c.ReadonlyRootFilesystem)}
	host.Memory, host.NanoCPUs = size(t)
	host.ExtraHosts = []string{"host.docker.internal:host-gateway"} // the internet of a simulated cloud is this machine
	for _, u := range c.Ulimits {
		host.Ulimits = append(host.Ulimits, &container.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	_, err := e.config.Machine.ContainerCreate(e.ctx, runtime.CreateOptions{Name: t.ID, Config: config, HostConfig: host})
	return err
}

// size is a task's memory in bytes and its processors in billionths.
func size(t *task) (memory, nanoCPUs int64) {
	mebibytes, _ := strconv.ParseInt(aws.ToString(t.Memory), 10, 64)
	units, _ := strconv.ParseInt(aws.ToString(t.Cpu), 10, 64)
	return mebibytes << 20, units * 1e9 / 1024
}

// end lets a task that is not wanted any more end, if it has begun.
func (e *ECS) end(t task) {
	e.lives.Go(func() {
		d, _ := e.definitions.Get(t.Definition)
		timeout := d.stopTimeout()
		err := e.config.Machine.ContainerStop(e.ctx, t.ID, runtime.StopOptions{Timeout: &timeout})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsNotModified(err) && e.ctx.Err() == nil {
			e.config.Log.Error("stop a task", "task", t.ID, "error", err)
		}
	})
}

// follow brings a task's output to its log until it ends.
func (e *ECS) follow(id string) error {
	t, _ := e.tasks.Get(id)
	if aws.ToString(t.DesiredStatus) == stopped {
		e.end(t)
	}
	waiter, err := e.config.Machine.ContainerWait(e.ctx, id, "")
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if err == nil {
		if err := e.collect(&t); err != nil && e.ctx.Err() == nil {
			e.config.Log.Error("bring a task's output to its log", "task", id, "error", err)
		}
		response, err := waiter.Result(e.ctx)
		if err != nil {
			return nil // the next simulator goes on
		}
		_, err = e.change(id, func(t *task) {
			t.ExecutionStoppedAt = aws.Time(e.config.Now())
			if t.StopCode == "" {
				t.StopCode, t.StoppedReason = types.TaskStopCodeEssentialContainerExited, aws.String("Essential container in task exited")
			}
			for i := range t.Containers {
				t.Containers[i].ExitCode = aws.Int32(int32(response.StatusCode))
			}
		})
		if err != nil {
			return err
		}
	}
	return e.over(id)
}

// over clears a task's container away and says that it has stopped.
func (e *ECS) over(id string) error {
	if _, err := e.to(id, deprovisioning); err != nil {
		return err
	}
	err := e.config.Machine.ContainerRemove(context.WithoutCancel(e.ctx), id, runtime.RemoveOptions{Force: true, Volumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	_, err = e.change(id, func(t *task) {
		t.LastStatus, t.DesiredStatus, t.StoppedAt = aws.String(stopped), aws.String(stopped), aws.Time(e.config.Now())
		for i := range t.Containers {
			t.Containers[i].LastStatus = aws.String(stopped)
		}
	})
	return err
}

// failed is the end of a task that never ran: without an exit code.
func (e *ECS) failed(id string, why error) error {
	var known *startError
	text := why.Error()
	if errors.As(why, &known) {
		text = known.Error()
	}
	_, err := e.change(id, func(t *task) {
		if t.StopCode == "" {
			t.StopCode, t.StoppedReason = types.TaskStopCodeTaskFailedToStart, aws.String(text)
		}
		for i := range t.Containers {
			t.Containers[i].Reason = aws.String(text)
		}
	})
	if err != nil {
		return err
	}
	return e.over(id)
}

// collect brings output where the log driver awslogs has it go, from where an earlier simulator came to.
func (e *ECS) collect(t *task) error {
	d, _ := e.definitions.Get(t.Definition)
	c := d.ContainerDefinitions[0]
	if c.LogConfiguration == nil || c.LogConfiguration.LogDriver != types.LogDriverAwslogs {
		return nil
	}
	o := c.LogConfiguration.Options
	stream := reason(o["awslogs-stream-prefix"], "ecs") + "/" + aws.ToString(c.Name) + "/" + t.ID
	logs, err := e.config.Machine.ContainerLogs(e.ctx, t.ID, runtime.LogsOptions{Follow: true, Stdout: true, Stderr: true, Timestamps: true, Tail: -1})
	if err != nil {
		return err
	}
	return logs.Each(e.ctx, func(_ byte, line []byte) error {
		stamp, text, _ := bytes.Cut(line, []byte(" "))
		at, err := time.Parse(time.RFC3339Nano, string(stamp))
		if err != nil {
			return err
		}
		if _, hit := e.config.Faults.Hit(faults.LogLost, "ecs", "task"); hit {
			return nil
		}
		return e.config.Logs.Write(e.ctx, reason(o["awslogs-region"], t.Region), o["awslogs-group"], stream, o["awslogs-create-group"] == "true", at, string(bytes.TrimSuffix(text, []byte("\n"))))
	})
}
