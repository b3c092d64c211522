package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload"
	cloud "github.com/sockerless/sockerless/offload/aws"
	"github.com/sockerless/sockerless/offload/plugin"
	"github.com/sockerless/sockerless/runtime"
)

const (
	// user is that of every process in a function.
	user = "993:990"
	// queued is for how long Lambda may look for room for an invocation: as long as the server waits for an agent.
	queued = 15 * time.Minute
	// mostTime is the longest time limit of a function.
	mostTime = 15 * time.Minute
	// leastTime is the shortest in which anything can be done.
	leastTime = 20 * time.Second
	// starting is what of a function's time the start of an agent may take.
	starting   = 10 * time.Second
	usualKeep  = 7 * 24 * time.Hour
	usualGroup = "/aws/lambda/sockerless"
)

var platform = cloud.Platform{Name: "Lambda", Page: "lambda"}

// Driver runs tasks on Lambda.
type Driver struct {
	settings plugin.Lambda
	limit    time.Duration // of a function
	keep     time.Duration // of a function that nobody uses
	client   *lambda.Client
	logs     *cloudwatchlogs.Client
	registry *cloud.Registry

	mu        sync.Mutex
	functions map[string]*function // by name
}

var (
	_ offload.Driver = (*Driver)(nil)
	_ offload.Pacer  = (*Driver)(nil)
)

// New makes the driver; nothing is asked yet.
func New(ctx context.Context, start plugin.Start, host *plugin.Host) (offload.Driver, error) {
	d := &Driver{functions: map[string]*function{}, limit: mostTime, keep: usualKeep}
	if err := json.Unmarshal(start.Settings, &d.settings); err != nil {
		return nil, err
	}
	if s := d.settings.Timeout; s != 0 {
		d.limit = time.Duration(s) * time.Second
	}
	if days := d.settings.Keep; days > 0 {
		d.keep = time.Duration(days) * 24 * time.Hour
	}
	switch {
	case d.settings.Role == "":
		return nil, errdefs.ErrInvalidArgument.WithMessage("role is missing: every function on Lambda needs one")
	case d.limit < leastTime || d.limit > mostTime:
		return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("timeout is %s: it may be 20 to 900 seconds", d.limit))
	case len(d.settings.Subnets) > 0 && len(d.settings.SecurityGroups) == 0:
		return nil, errdefs.ErrInvalidArgument.WithMessage("security-groups is missing: functions in subnets need at least one")
	}
	if d.settings.LogGroup == "" {
		d.settings.LogGroup = usualGroup
	}
	c, err := cloud.Load(ctx, d.settings.Region, d.settings.Profile, d.settings.Endpoint)
	if err != nil {
		return nil, err
	}
	d.client, d.logs, d.registry = lambda.NewFromConfig(c), cloudwatchlogs.NewFromConfig(c), cloud.NewRegistry(c, d.settings.Repository, host)
	return d, nil
}

// Name is "lambda".
func (d *Driver) Name() string { return "lambda" }

// Limits are Lambda's.
func (d *Driver) Limits() runtime.Limits {
	return runtime.Limits{
		MaxDuration: d.limit - inside.Ahead - starting, MaxDisk: mostDisk << 20, ReadOnlyRoot: true, User: user, NoRestart: true, NoInbound: true, NoBinds: true, OutputElsewhere: true,
		NoNetworks: "a function is in Lambda's network or in its VPC, and in no network of this server", Platforms: []string{"linux/amd64", "linux/arm64"},
	}
}

// Price is that of the shape which a size is rounded up to.
func (d *Driver) Price(s runtime.Size) (usdPerSecond float64, known bool) {
	shape, err := shapeOf(s)
	return shape.price(), err == nil
}

// Pace is what CloudWatch Logs allows, which is asked once for all tasks, and is late by some seconds.
func (d *Driver) Pace() offload.Pace {
	return offload.Pace{Poll: 5 * time.Second, Settle: time.Minute}
}

// Run starts a task. Lambda has no token by which a second call would find the first one's invocation: where both have begun, the
// server's gate lets the agent of one in, and the other one ends.
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
	function, err := d.serving(ctx, image, shape, s.Task)
	if err != nil {
		if !offload.IsTransient(err) {
			d.registry.Forget() // somebody may have removed it
		}
		return offload.Handle{}, err
	}
	event, err := json.Marshal(inside.Invocation{Arguments: s.ReverseFlags(), Environment: s.ReverseEnvironment(), Tags: s.Tags})
	if err != nil {
		return offload.Handle{}, err
	}
	asked := time.Now()
	out, err := d.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(function), InvocationType: types.InvocationTypeEvent, Payload: event})
	var gone *types.ResourceNotFoundException
	var changing *types.ResourceConflictException
	switch {
	case errors.As(err, &gone), errors.As(err, &changing):
		d.known(function).forget()
		return offload.Handle{}, offload.Transient(cloud.Classify("invoke a function", err), 0)
	case err != nil:
		return offload.Handle{}, cloud.Classify("invoke a function", err)
	}
	request, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	h := s.NewHandle(request)
	h.Data = map[string]string{dataFunction: function, dataAsked: strconv.FormatInt(asked.UnixMilli(), 10)}
	return h, nil
}

// The data of a handle.
const (
	dataFunction = "function"
	dataAsked    = "asked" // when it was invoked, in milliseconds
)

// possible refuses what a task cannot have on Lambda, or does not get from this driver: nothing is left out in silence.
func possible(t runtime.Task) error {
	if !t.Container.GetReadOnly() {
		return platform.Never("a root file system that can be written to")
	}
	if t.Security.User != user {
		return platform.Never("a user other than " + user)
	}
	for _, m := range t.Container.GetMounts() {
		if m.GetType() != agentpb.Mount_TMPFS || path.Clean(m.GetTarget()) != "/tmp" {
			return platform.Never("a mount at " + m.GetTarget())
		}
	}
	return platform.Possible(t)
}

// Stop has nothing that it could ask of Lambda: an invocation ends when its agent does, which the server has asked to, or at its time
// limit.
func (d *Driver) Stop(context.Context, offload.Handle, time.Duration) error { return nil }

// Remove has nothing to do: of an invocation that has ended there is nothing but lines of a log.
func (d *Driver) Remove(context.Context, offload.Handle) error { return nil }

// Describe tells how tasks are, as the log of their functions has it.
func (d *Driver) Describe(ctx context.Context, tasks []offload.Handle) ([]offload.Status, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	since := time.Now()
	for _, h := range tasks {
		if at := asked(h); at.Before(since) {
			since = at
		}
	}
	log, err := d.read(ctx, since)
	if err != nil {
		return nil, err
	}
	var statuses []offload.Status
	for _, h := range tasks {
		statuses = append(statuses, log.status(h, time.Now(), queued+d.limit))
	}
	return statuses, nil
}

// asked is when a task was invoked.
func asked(h offload.Handle) time.Time {
	ms, _ := strconv.ParseInt(h.Data[dataAsked], 10, 64)
	return time.UnixMilli(ms)
}

// List finds those of an instance's tasks that may not have ended, by what their agents have said, and deletes functions that nobody
// uses.
func (d *Driver) List(ctx context.Context, instance string) ([]offload.Handle, error) {
	if err := d.collect(ctx); err != nil {
		return nil, err
	}
	log, err := d.read(ctx, time.Now().Add(-queued-d.limit))
	if err != nil {
		return nil, err
	}
	var handles []offload.Handle
	for request, i := range log {
		if !i.ended && i.note == inside.NoteAdmitted && i.tags[offload.TagInstance] == instance {
			h := offload.TaggedHandle(request, i.tags)
			h.Data = map[string]string{dataAsked: strconv.FormatInt(i.at.UnixMilli(), 10)}
			handles = append(handles, h)
		}
	}
	return handles, nil
}

// architecture is that of a platform.
func architecture(platform string) types.Architecture {
	if strings.Contains(platform, "arm64") {
		return types.ArchitectureArm64
	}
	return types.ArchitectureX8664
}
