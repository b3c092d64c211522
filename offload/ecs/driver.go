package ecs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/offload"
	cloud "github.com/sockerless/sockerless/offload/aws"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime"
)

// spotProvider is the capacity provider of spot capacity.
const spotProvider = "FARGATE_SPOT"

// mostGrace is the longest time between SIGTERM and SIGKILL that Fargate allows, in seconds.
const mostGrace = 120

var fargate = cloud.Platform{Name: "Fargate", Page: "ecs"}

// Driver runs tasks on ECS.
type Driver struct {
	settings plugin.ECS
	region   string
	config   aws.Config
	client   *ecs.Client
	registry *cloud.Registry

	defining    sync.Mutex
	definitions map[string]string // family → ARN
}

var (
	_ offload.Driver  = (*Driver)(nil)
	_ offload.Pacer   = (*Driver)(nil)
	_ offload.Checker = (*Driver)(nil)
)

// New makes the driver; nothing is asked yet.
func New(ctx context.Context, start plugin.Start, host *plugin.Host) (offload.Driver, error) {
	d := &Driver{definitions: map[string]string{}}
	if err := json.Unmarshal(start.Settings, &d.settings); err != nil {
		return nil, err
	}
	if len(d.settings.Subnets) == 0 {
		return nil, errdefs.ErrInvalidArgument.WithMessage("subnets is missing: tasks on Fargate need at least one")
	}
	c, err := cloud.Load(ctx, d.settings.Region, d.settings.Profile, d.settings.Endpoint)
	if err != nil {
		return nil, err
	}
	d.config, d.region, d.client, d.registry = c, c.Region, ecs.NewFromConfig(c), cloud.NewRegistry(c, d.settings.Repository, host)
	return d, nil
}

// Name is "ecs".
func (d *Driver) Name() string { return "ecs" }

// Limits are Fargate's.
func (d *Driver) Limits() runtime.Limits {
	return runtime.Limits{
		MaxDisk: mostDisk << 30, NoRestart: true, NoInbound: true, VolumesApart: true, OutputElsewhere: true,
		NoNetworks: "a task on Fargate is in its VPC, and in no network of this server", Platforms: []string{"linux/amd64", "linux/arm64"},
	}
}

// Price is that of the shape which a size is rounded up to.
func (d *Driver) Price(s runtime.Size) (usdPerSecond float64, known bool) {
	shape, err := shapeOf(s)
	return shape.price(d.settings.Spot), err == nil
}

// Pace is what ECS allows: 100 tasks in a call, some 20 calls a second for the whole account.
func (d *Driver) Pace() offload.Pace {
	return offload.Pace{Poll: 5 * time.Second, Batch: 100, Settle: time.Minute}
}

// Run starts a task. The attempt is the client's token, so that a second call finds the first one's task.
func (d *Driver) Run(ctx context.Context, s offload.Spec) (offload.Handle, error) {
	if err := possible(s.Task); err != nil {
		return offload.Handle{}, err
	}
	shape, err := shapeOf(s.Task.Size)
	if err != nil {
		return offload.Handle{}, err
	}
	image, err := d.registry.Image(ctx, s.Task.Image)
	if err != nil {
		return offload.Handle{}, err
	}
	definition, err := d.definition(ctx, image, shape, s.Task)
	if err != nil {
		return offload.Handle{}, err
	}
	handle, err := d.start(ctx, s, definition, d.settings.Spot)
	if d.settings.Spot && errdefs.IsUnavailable(err) && !offload.IsTransient(err) {
		handle, err = d.start(ctx, s, definition, false) // there is no spot capacity now
	}
	if err != nil && !offload.IsTransient(err) {
		d.forgetDefinitions()
		d.registry.Forget()
	}
	return handle, err
}

// possible refuses what a task cannot have on Fargate, or does not get from this driver: nothing is left out in silence.
func possible(t runtime.Task) error {
	if t.Container.GetReadOnly() {
		return fargate.Never("--read-only")
	}
	for _, m := range t.Container.GetMounts() {
		switch {
		case m.GetType() == agentpb.Mount_TMPFS:
			return fargate.Never("a tmpfs at " + m.GetTarget())
		case m.GetReadOnly(): // the agent could not write there either
			return fargate.Never("a mount for reading only at " + m.GetTarget())
		}
	}
	return fargate.Possible(t)
}

// token is of an attempt at one kind of capacity: of another kind it is another request.
func token(attempt string, spot bool) *string {
	if spot {
		attempt += " spot"
	}
	sum := sha256.Sum256([]byte(attempt))
	return aws.String(hex.EncodeToString(sum[:32]))
}

// start asks for a task, whose failures come in an answer that is a success.
func (d *Driver) start(ctx context.Context, s offload.Spec, definition string, spot bool) (offload.Handle, error) {
	public := types.AssignPublicIpDisabled
	if d.settings.PublicIP {
		public = types.AssignPublicIpEnabled
	}
	in := &ecs.RunTaskInput{
		Cluster: d.cluster(), TaskDefinition: aws.String(definition), ClientToken: token(s.Attempt, spot), StartedBy: startedBy(s.Instance),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: d.settings.Subnets, SecurityGroups: d.settings.SecurityGroups, AssignPublicIp: public}},
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
			Name: aws.String(containerName), Command: s.ReverseFlags(), Environment: environment(s)}}},
	}
	if spot {
		in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String(spotProvider), Weight: 1}}
	} else {
		in.LaunchType = types.LaunchTypeFargate // which every cluster has
	}
	for name, value := range s.Tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(name), Value: aws.String(value)})
	}
	slices.SortFunc(in.Tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) }) // the same request each time
	out, err := d.client.RunTask(ctx, in)
	if err != nil {
		return offload.Handle{}, cloud.Classify("run a task", err)
	}
	for _, f := range out.Failures {
		return offload.Handle{}, refusal(f)
	}
	if len(out.Tasks) == 0 {
		return offload.Handle{}, offload.Transient(errdefs.ErrUnavailable.WithMessage("run a task: ECS names no task and no failure"), 0)
	}
	return s.NewHandle(aws.ToString(out.Tasks[0].TaskArn)), nil
}

// refusal is why a task was not placed.
func refusal(f types.Failure) error {
	why := aws.ToString(f.Reason)
	if f.Detail != nil {
		why += ": " + *f.Detail
	}
	if strings.Contains(why, "apacity") || strings.Contains(why, "RESOURCE") || strings.Contains(why, "not available") {
		return errdefs.ErrUnavailable.WithMessage("run a task: " + why)
	}
	return errdefs.ErrFailedPrecondition.WithMessage("run a task: " + why)
}

// environment are the secrets of the agent.
func environment(s offload.Spec) []types.KeyValuePair {
	var pairs []types.KeyValuePair
	for name, value := range s.ReverseEnvironment() {
		pairs = append(pairs, types.KeyValuePair{Name: aws.String(name), Value: aws.String(value)})
	}
	slices.SortFunc(pairs, func(a, b types.KeyValuePair) int { return strings.Compare(*a.Name, *b.Name) }) // the same request each time
	return pairs
}

func (d *Driver) cluster() *string {
	if d.settings.Cluster == "" {
		return nil
	}
	return aws.String(d.settings.Cluster)
}

// startedBy is an instance's, as ECS takes it: up to 36 letters.
func startedBy(instance string) *string {
	sum := sha256.Sum256([]byte(instance))
	return aws.String("sockerless-" + hex.EncodeToString(sum[:12]))
}

// Stop ends a task: SIGTERM, and SIGKILL after what its definition says.
func (d *Driver) Stop(ctx context.Context, h offload.Handle, _ time.Duration) error {
	_, err := d.client.StopTask(ctx, &ecs.StopTaskInput{Cluster: d.cluster(), Task: aws.String(h.ID), Reason: aws.String("stopped by sockerless")})
	if err != nil && strings.Contains(err.Error(), "not found") {
		return errdefs.ErrNotFound.WithMessage("task " + cloud.Name(h.ID) + " is not known any more")
	}
	return cloud.Classify("stop a task", err)
}

// Remove has nothing to do: ECS forgets what has ended.
func (d *Driver) Remove(context.Context, offload.Handle) error { return nil }

// Describe tells how tasks are.
func (d *Driver) Describe(ctx context.Context, tasks []offload.Handle) ([]offload.Status, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	byARN := map[string]offload.Handle{}
	in := &ecs.DescribeTasksInput{Cluster: d.cluster()}
	for _, h := range tasks {
		byARN[h.ID] = h
		in.Tasks = append(in.Tasks, h.ID)
	}
	out, err := d.client.DescribeTasks(ctx, in)
	if err != nil {
		return nil, cloud.Classify("describe tasks", err)
	}
	var statuses []offload.Status
	for _, t := range out.Tasks {
		statuses = append(statuses, status(t, byARN[aws.ToString(t.TaskArn)]))
	}
	return statuses, nil
}

// status is how a task is, in the words of ECS.
func status(t types.Task, h offload.Handle) offload.Status {
	s := offload.Status{Handle: h, State: offload.Pending}
	switch aws.ToString(t.LastStatus) {
	case "RUNNING", "DEACTIVATING", "STOPPING":
		s.State = offload.Running
	case "DEPROVISIONING", "STOPPED":
		s.State = offload.Stopped
	default:
		return s
	}
	s.Code, s.Reason = string(t.StopCode), aws.ToString(t.StoppedReason)
	for _, c := range t.Containers {
		if reason := aws.ToString(c.Reason); reason != "" && !strings.Contains(s.Reason, reason) {
			s.Reason += ": " + reason
		}
		if c.ExitCode != nil {
			code := int(*c.ExitCode)
			s.ExitCode = &code
		}
	}
	never := t.StartedAt == nil
	s.NoRoom = never && (t.StopCode == types.TaskStopCodeSpotInterruption || strings.Contains(s.Reason, "apacity"))
	return s
}

// List finds an instance's tasks, those too that have ended within the hour.
func (d *Driver) List(ctx context.Context, instance string) ([]offload.Handle, error) {
	var arns []string
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		pages := ecs.NewListTasksPaginator(d.client, &ecs.ListTasksInput{Cluster: d.cluster(), StartedBy: startedBy(instance), DesiredStatus: desired})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, cloud.Classify("list tasks", err)
			}
			arns = append(arns, page.TaskArns...)
		}
	}
	var handles []offload.Handle
	for part := range slices.Chunk(arns, 100) {
		out, err := d.client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: d.cluster(), Tasks: part, Include: []types.TaskField{types.TaskFieldTags}})
		if err != nil {
			return nil, cloud.Classify("describe tasks", err)
		}
		for _, t := range out.Tasks {
			tags := map[string]string{}
			for _, tag := range t.Tags {
				tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			if tags[offload.TagInstance] == instance {
				handles = append(handles, offload.TaggedHandle(aws.ToString(t.TaskArn), tags))
			}
		}
	}
	return handles, nil
}
