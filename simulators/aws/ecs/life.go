package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
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

// life is a task's, from any state to its end; it returns early when the simulator ends.
func (e *ECS) life(id string) error {
	t, _ := e.tasks.Get(id)
	switch t.status() {
	case provisioning, pending, activating:
		ctx, cancel := context.WithCancel(e.ctx)
		e.begins.Store(id, cancel)
		failure := e.begin(ctx, &t)
		e.begins.Delete(id)
		cancel()
		if failure != nil {
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
type startError struct {
	code, text string
	container  bool // it is the container's reason, not the task's
}

func (s *startError) Error() string { return s.code + ": " + s.text }

// errUnwanted is of a task that was stopped before it began.
var errUnwanted = errors.New("the task was stopped before it started")

// begin gets a task's network and image and starts its container, or finds that started. ctx ends when nobody wants the task any more.
func (e *ECS) begin(ctx context.Context, t *task) error {
	d, ok := e.definitions.Get(t.Definition)
	if !ok {
		return &startError{code: "TaskFailedToStart", text: "the task definition is gone"}
	}
	c := d.ContainerDefinitions[0]
	for _, step := range []struct {
		status string // that is reached by it
		do     func(ctx context.Context, t *task, d definition, c types.ContainerDefinition) error
	}{{pending, e.attach}, {activating, e.pull}, {running, e.start}} {
		if now, _ := e.tasks.Get(t.ID); !now.wanted() {
			return errUnwanted
		}
		if err := step.do(ctx, t, d, c); err != nil {
			return err
		}
		next, err := e.change(t.ID, func(t *task) {
			t.LastStatus = aws.String(step.status)
			if step.status == running {
				e.started(t)
			}
		})
		if err != nil {
			return err
		}
		*t = next
	}
	return nil
}

// started fills in what a task has from its start on.
func (e *ECS) started(t *task) {
	t.StartedAt = aws.Time(e.config.Now())
	t.eachContainer(func(c *types.Container) { c.LastStatus, c.RuntimeId = aws.String(running), aws.String(t.ID) })
	if aws.ToString(t.CapacityProviderName) == spot {
		if r, hit := e.config.Faults.Hit(faults.Reclaim, "ecs", "task"); hit {
			t.ReclaimAt = e.config.Now().Add(r.For)
		}
	}
}

// attach gets a task its interface, and its log stream: what it needs before its image.
func (e *ECS) attach(ctx context.Context, t *task, d definition, c types.ContainerDefinition) error {
	if r, hit := e.config.Faults.Hit(faults.Attach, "ecs", "task"); hit {
		if r.Code != "" {
			return &startError{code: "ResourceInitializationError", text: r.Code}
		}
		select {
		case <-time.After(r.For):
		case <-ctx.Done():
			return errUnwanted
		}
	}
	i, err := e.config.Network.Attach(e.ctx, attachment(t.Region, t.ID, t.Subnets))
	if err != nil {
		return &startError{code: "ResourceInitializationError", text: "failed to configure ENI: " + err.Error()}
	}
	if _, err := e.change(t.ID, func(t *task) { t.attached(i) }); err != nil {
		return err
	}
	t.Interface = i
	if l, ok := destination(t, c); ok {
		role := aws.ToString(cmp.Or(t.Overrides.ExecutionRoleArn, d.ExecutionRoleArn))
		if !e.config.Roles.Allows(role, "logs:CreateLogStream") {
			return &startError{code: "ResourceInitializationError", text: "failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: " + denied(role, t.ID, "logs:CreateLogStream") + " : exit status 1"}
		}
		if l.create {
			if err := e.config.Logs.Group(e.ctx, l.region, l.group); err != nil {
				return err
			}
		}
		if _, err := e.config.Logs.Stream(e.ctx, l.region, l.group, l.stream); err != nil {
			return &startError{code: "ResourceInitializationError", text: "failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: " + err.Error() + " : exit status 1"}
		}
	}
	return nil
}

// pull gets the image, from the account's own registry with credentials of the service.
func (e *ECS) pull(ctx context.Context, t *task, d definition, c types.ContainerDefinition) error {
	image := aws.ToString(c.Image)
	if r, hit := e.config.Faults.Hit(faults.Pull, "ecs", "task"); hit {
		return &startError{code: "CannotPullContainerError", text: cmp.Or(r.Code, "failed to pull image "+image+": the registry refuses it")}
	}
	if _, err := e.change(t.ID, func(t *task) { t.PullStartedAt = aws.Time(e.config.Now()) }); err != nil {
		return err
	}
	options := runtime.PullOptions{Reference: image, Platform: d.platform()}
	if strings.HasPrefix(image, e.config.Host+"/") {
		role := aws.ToString(cmp.Or(t.Overrides.ExecutionRoleArn, d.ExecutionRoleArn))
		for _, action := range []string{"ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"} {
			if !e.config.Roles.Allows(role, action) {
				return &startError{code: "ResourceInitializationError", text: "unable to pull secrets or registry auth: execution resource retrieval failed: " + denied(role, t.ID, action)}
			}
		}
		name, password := e.config.Pull()
		options.Auth = &registry.AuthConfig{Username: name, Password: password}
	}
	err := e.config.Machine.ImagePull(ctx, options)
	if err != nil {
		return &startError{code: "CannotPullContainerError", text: "pull image manifest has been retried 1 time(s): failed to resolve ref " + image + ": " + err.Error()}
	}
	_, err = e.change(t.ID, func(t *task) { t.PullStoppedAt = aws.Time(e.config.Now()) })
	return err
}

// denied is what a service says to a task's role that may not do something.
func denied(role, session, action string) string {
	return fmt.Sprintf("AccessDeniedException: User: %s/%s is not authorized to perform: %s because no identity-based policy allows the %[3]s action",
		strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(role), session, action)
}

// platform is the image's that a definition wants.
func (d definition) platform() string {
	if d.architecture() == "arm64" {
		return "linux/arm64"
	}
	return "linux/amd64"
}

// start makes a task's container and starts it, unless an earlier simulator has.
func (e *ECS) start(_ context.Context, t *task, d definition, c types.ContainerDefinition) error {
	if err := e.create(t, d, c); err != nil && !errdefs.IsConflict(err) {
		var known *startError
		if errors.As(err, &known) {
			return known
		}
		return &startError{code: "CannotCreateContainerError", text: err.Error(), container: true}
	}
	seen, err := e.config.Machine.ContainerInspect(e.ctx, t.ID, false)
	if err != nil {
		return err
	}
	if seen.State.Status != "created" {
		return nil
	}
	if now, _ := e.tasks.Get(t.ID); !now.wanted() {
		return errUnwanted
	}
	if err := e.config.Machine.ContainerStart(e.ctx, t.ID, runtime.StartOptions{}); err != nil && !errdefs.IsNotModified(err) {
		return &startError{code: "CannotStartContainerError", text: err.Error(), container: true}
	}
	return nil
}

// end lets a task that is not wanted any more end, if it has begun.
func (e *ECS) end(t task) {
	if cancel, begins := e.begins.Load(t.ID); begins {
		cancel.(context.CancelFunc)()
	}
	e.lives.Go(func() {
		d, _ := e.definitions.Get(t.Definition)
		for _, status := range []string{deactivating, stopping} {
			_, err := e.tasks.Update(context.WithoutCancel(e.ctx), t.ID, func(t task, _ bool) (task, error) {
				if s := t.status(); s == running || s == deactivating {
					t.LastStatus = aws.String(status)
					t.Version++
				}
				return t, nil
			})
			if err != nil {
				e.config.Log.Error("stop a task", "task", t.ID, "error", err)
				return
			}
		}
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
	if !t.wanted() {
		e.end(t)
	}
	waiter, err := e.config.Machine.ContainerWait(e.ctx, id, "")
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if err == nil {
		if !t.ReclaimAt.IsZero() {
			timer := time.AfterFunc(t.ReclaimAt.Sub(e.config.Now()), func() { e.reclaim(id) })
			defer timer.Stop()
		}
		if err := e.collect(&t); err != nil && e.ctx.Err() == nil {
			e.config.Log.Error("bring a task's output to its log", "task", id, "error", err)
		}
		response, err := waiter.Result(e.ctx)
		if err != nil {
			return nil // the next simulator goes on
		}
		if err := e.exited(id, int32(response.StatusCode)); err != nil {
			return err
		}
	}
	return e.over(id)
}

// reclaim takes a task's spot capacity away.
func (e *ECS) reclaim(id string) {
	if e.ctx.Err() != nil {
		return
	}
	if _, err := e.unwanted(e.ctx, id, types.TaskStopCodeSpotInterruption, "Your Spot Task was interrupted."); err != nil {
		e.config.Log.Error("take a spot task's capacity away", "task", id, "error", err)
	}
}

// exited writes down how a task's container ended.
func (e *ECS) exited(id string, code int32) error {
	reason := ""
	if seen, err := e.config.Machine.ContainerInspect(e.ctx, id, false); err == nil && seen.State != nil && seen.State.OOMKilled {
		reason = "OutOfMemoryError: Container killed due to memory usage"
	}
	_, err := e.change(id, func(t *task) {
		t.ExecutionStoppedAt = aws.Time(e.config.Now())
		if t.StopCode == "" {
			t.StopCode, t.StoppedReason = types.TaskStopCodeEssentialContainerExited, aws.String("Essential container in task exited")
		}
		t.eachContainer(func(c *types.Container) {
			c.ExitCode = aws.Int32(code)
			if reason != "" {
				c.Reason = aws.String(reason)
			}
		})
	})
	return err
}

// over clears a task's container and interface away and says that it has stopped.
func (e *ECS) over(id string) error {
	ctx := context.WithoutCancel(e.ctx)
	t, err := e.change(id, func(t *task) {
		t.LastStatus, t.DesiredStatus = aws.String(deprovisioning), aws.String(stopped)
		if t.StoppingAt == nil {
			t.StoppingAt = aws.Time(e.config.Now())
		}
	})
	if err != nil {
		return err
	}
	err = e.config.Machine.ContainerRemove(ctx, id, runtime.RemoveOptions{Force: true, Volumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if err := e.config.Network.Detach(ctx, t.Region, id); err != nil {
		return fmt.Errorf("detach the task's interface: %w", err)
	}
	_, err = e.change(id, func(t *task) {
		t.LastStatus, t.StoppedAt = aws.String(stopped), aws.Time(e.config.Now())
		t.eachContainer(func(c *types.Container) { c.LastStatus = aws.String(stopped) })
		gone := t.Attachments[0]
		gone.Status = aws.String(deleted)
		t.Attachments = []types.Attachment{gone}
	})
	if err != nil {
		return err
	}
	return e.forget(ctx)
}

// failed is the end of a task that never ran: without an exit code.
func (e *ECS) failed(id string, why error) error {
	_, err := e.change(id, func(t *task) {
		if t.StopCode != "" {
			return // it was stopped before it began
		}
		t.StopCode, t.StoppedReason = types.TaskStopCodeTaskFailedToStart, aws.String(why.Error())
		var known *startError
		if errors.As(why, &known) && known.container {
			t.StoppedReason = aws.String("Task failed to start")
			t.eachContainer(func(c *types.Container) { c.Reason = aws.String(why.Error()) })
		}
	})
	if err != nil {
		return err
	}
	return e.over(id)
}
