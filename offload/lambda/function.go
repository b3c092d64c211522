package lambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/offload"
	cloud "github.com/sockerless/sockerless/offload/aws"
	"github.com/sockerless/sockerless/runtime"
)

const (
	prefix  = "sockerless-" // of functions' names
	usedTag = "sockerless.used"
	usedDay = "2006-01-02" // is written when a function is used, once a day
	// lookAgain is the pause between two looks at a function that is being made.
	lookAgain = 500 * time.Millisecond
)

// function is one that serves, or may be made.
type function struct {
	mu   sync.Mutex
	used time.Time // when its use was last written down; zero where it is not known to serve
}

// forget has a function looked for again: somebody may have deleted it.
func (f *function) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = time.Time{}
}

// known is a function of this name.
func (d *Driver) known(name string) *function {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.functions[name] == nil {
		d.functions[name] = &function{}
	}
	return d.functions[name]
}

// serving is the name of a function that a task can run in: one that was made of just the same is used again, since making one takes
// Lambda up to a minute.
func (d *Driver) serving(ctx context.Context, image string, s shape, task runtime.Task) (string, error) {
	in := &lambda.CreateFunctionInput{
		PackageType: types.PackageTypeImage, Code: &types.FunctionCode{ImageUri: aws.String(image)}, Role: aws.String(d.settings.Role),
		ImageConfig: &types.ImageConfig{Command: []string{"invoked"}}, Architectures: []types.Architecture{architecture(task.Image.Platform)},
		MemorySize: aws.Int32(s.memory), EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(s.disk)}, Timeout: aws.Int32(int32(d.limit / time.Second)),
		LoggingConfig: &types.LoggingConfig{LogGroup: aws.String(d.settings.LogGroup), LogFormat: types.LogFormatText},
	}
	if len(d.settings.Subnets) > 0 {
		in.VpcConfig = &types.VpcConfig{SubnetIds: d.settings.Subnets, SecurityGroupIds: d.settings.SecurityGroups}
	}
	said, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(said)
	in.FunctionName = aws.String(prefix + hex.EncodeToString(sum[:12]))
	in.Description = aws.String("tasks of sockerless with the image " + task.Image.Name)
	in.Description = aws.String((*in.Description)[:min(len(*in.Description), 256)])
	today := time.Now().UTC().Format(usedDay)
	in.Tags = map[string]string{usedTag: today}
	name := *in.FunctionName
	f := d.known(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.used.UTC().Format(usedDay) == today {
		return name, nil
	}
	if f.used.IsZero() {
		if err := d.make(ctx, in); err != nil {
			return "", err
		}
	}
	if err := d.use(ctx, in.FunctionName, in.Tags); err != nil {
		f.used = time.Time{}
		return "", err
	}
	f.used = time.Now()
	return name, nil
}

// make has a function that serves, and whose invocations are not tried again.
func (d *Driver) make(ctx context.Context, in *lambda.CreateFunctionInput) error {
	_, err := d.client.CreateFunction(ctx, in)
	var there *types.ResourceConflictException
	if err != nil && !errors.As(err, &there) {
		return cloud.Classify("make a function", err)
	}
	for {
		now, err := d.client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: in.FunctionName})
		if err != nil {
			return cloud.Classify("wait for a function", err)
		}
		switch now.State {
		case types.StatePending:
		case types.StateFailed:
			err := errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("make a function: %s: %s", now.StateReasonCode, aws.ToString(now.StateReason)))
			_, deleteErr := d.client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: in.FunctionName}) // the next task tries anew
			return errors.Join(err, cloud.Classify("delete a function that could not be made", deleteErr))
		default: // one that is Inactive, as nobody has used it, is woken by its invocation
			_, err := d.client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
				FunctionName: in.FunctionName, MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(int32(queued / time.Second))})
			return cloud.Classify("configure a function", err)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// use writes down that a function is used.
func (d *Driver) use(ctx context.Context, name *string, tags map[string]string) error {
	found, err := d.client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err == nil {
		_, err = d.client.TagResource(ctx, &lambda.TagResourceInput{Resource: found.FunctionArn, Tags: tags})
	}
	err = cloud.Classify("write down that a function is used", err)
	var gone *types.ResourceNotFoundException
	if errors.As(err, &gone) {
		return offload.Transient(err, 0) // and is made again
	}
	return err
}

// collect deletes the functions that nobody has used for long, whichever server made them.
func (d *Driver) collect(ctx context.Context) error {
	pages := lambda.NewListFunctionsPaginator(d.client, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return cloud.Classify("list functions", err)
		}
		for _, f := range page.Functions {
			if name := aws.ToString(f.FunctionName); strings.HasPrefix(name, prefix) && !d.recent(name) {
				if err := d.collectOne(ctx, name, f.FunctionArn); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// recent tells whether this server has used a function lately.
func (d *Driver) recent(name string) bool {
	f := d.known(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.used) < d.keep
}

func (d *Driver) collectOne(ctx context.Context, name string, arn *string) error {
	out, err := d.client.ListTags(ctx, &lambda.ListTagsInput{Resource: arn})
	var gone *types.ResourceNotFoundException
	if errors.As(err, &gone) {
		return nil
	}
	if err != nil {
		return cloud.Classify("look when a function was used", err)
	}
	used, err := time.Parse(usedDay, out.Tags[usedTag])
	if err != nil || time.Since(used) < d.keep+24*time.Hour { // what is not tagged so is not ours
		return nil
	}
	if _, err = d.client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(name)}); errors.As(err, &gone) {
		return nil
	}
	return cloud.Classify("delete a function that nobody uses", err)
}
