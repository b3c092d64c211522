package lambda

import (
	"context"
	"encoding/hex"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/registry"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// latest is the only version.
const latest = "$LATEST"

// function is one as it was last asked for, and as it serves.
type function struct {
	types.FunctionConfiguration
	Region   string
	Image    string // as it was given
	Resolved string // by digest
	Serving  *deployment
	Tags     map[string]string
	Reserved *int32
	Event    *types.FunctionEventInvokeConfig
	Policy   []statement
	PolicyID string // revision of the policy
}

// deployment is what invocations run with.
type deployment struct {
	types.FunctionConfiguration
	Key, Region string // of the function
	Resolved    string
	Entrypoint  []string
	Command     []string
}

func key(region, name string) string { return region + "/" + name }

func (f *function) key() string { return key(f.Region, aws.ToString(f.FunctionName)) }

// changing tells whether its image is still to be got.
func (f *function) changing() bool {
	return f.State == types.StatePending || f.LastUpdateStatus == types.LastUpdateStatusInProgress
}

// find is the function of a name, a partial ARN or an ARN, with or without a version.
func (l *Lambda) find(c *wire.Call, ref, qualifier *string) (function, error) {
	region, name, version := c.Region, aws.ToString(ref), aws.ToString(qualifier)
	parts := strings.Split(name, ":")
	switch at := slices.Index(parts, "function"); {
	case at == 5 && len(parts) > 6 && parts[0] == "arn":
		region, parts = parts[3], parts[6:]
	case at == 1 && len(parts) > 2:
		parts = parts[2:]
	}
	name = parts[0]
	if len(parts) > 1 && version == "" {
		version = parts[1]
	}
	f, ok := l.functions.Get(key(region, name))
	if !ok || version != "" && version != latest {
		arn := l.arn(region, name)
		if version != "" && version != latest {
			arn += ":" + version
		}
		return f, notFound("Function not found: %s", arn)
	}
	return f, nil
}

// change writes a function down that is there.
func (l *Lambda) change(ctx context.Context, key string, f func(*function) error) (function, error) {
	return l.functions.Update(ctx, key, func(old function, ok bool) (function, error) {
		if !ok {
			return old, notFound("Function not found: %s", key)
		}
		return old, f(&old)
	})
}

// revise gives a function its next revision.
func (l *Lambda) revise(f *function) {
	f.RevisionId = aws.String(wire.UUID())
	f.LastModified = aws.String(l.config.Now().UTC().Format("2006-01-02T15:04:05.000+0000"))
}

// as makes an output of what it has in common with a configuration.
func as[Out any](c types.FunctionConfiguration) *Out {
	out := new(Out)
	from, to := reflect.ValueOf(c), reflect.ValueOf(out).Elem()
	for i := range from.NumField() {
		if f := from.Type().Field(i); f.IsExported() {
			if target := to.FieldByName(f.Name); target.IsValid() {
				target.Set(from.Field(i))
			}
		}
	}
	return out
}

func (l *Lambda) createFunction(ctx context.Context, c *wire.Call, in *lambda.CreateFunctionInput) (*lambda.CreateFunctionOutput, error) {
	if err := checkCreate(in); err != nil {
		return nil, err
	}
	resolved, digest, err := l.resolve(in.Code.ImageUri)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.FunctionName)
	f := function{Region: c.Region, Image: aws.ToString(in.Code.ImageUri), Resolved: resolved, Tags: in.Tags, FunctionConfiguration: types.FunctionConfiguration{
		FunctionName: in.FunctionName, FunctionArn: aws.String(l.arn(c.Region, name)), Role: in.Role, Description: aws.String(aws.ToString(in.Description)),
		CodeSha256: aws.String(digest), Version: aws.String(latest), PackageType: types.PackageTypeImage, Architectures: in.Architectures,
		MemorySize: or(in.MemorySize, aws.Int32(128)), Timeout: or(in.Timeout, aws.Int32(3)),
		EphemeralStorage: or(in.EphemeralStorage, &types.EphemeralStorage{Size: aws.Int32(512)}), DeadLetterConfig: in.DeadLetterConfig, KMSKeyArn: in.KMSKeyArn,
		TracingConfig: tracing(in.TracingConfig), VpcConfig: vpc(in.VpcConfig), LoggingConfig: logging(name, in.LoggingConfig), Environment: environment(in.Environment),
		ImageConfigResponse: imageConfig(in.ImageConfig), SnapStart: &types.SnapStartResponse{ApplyOn: types.SnapStartApplyOnNone, OptimizationStatus: types.SnapStartOptimizationStatusOff},
		State: types.StatePending, StateReason: aws.String("The function is being created."), StateReasonCode: types.StateReasonCodeCreating,
	}}
	if len(f.Architectures) == 0 {
		f.Architectures = []types.Architecture{types.ArchitectureX8664}
	}
	l.revise(&f)
	_, err = l.functions.Update(ctx, f.key(), func(_ function, ok bool) (function, error) {
		if ok {
			return f, conflict("Function already exist: %s", name)
		}
		return f, nil
	})
	if err != nil {
		return nil, err
	}
	l.lives.Go(func() { l.activate(f.key()) })
	return as[lambda.CreateFunctionOutput](f.FunctionConfiguration), nil
}

func or[T any](given, usual *T) *T {
	if given != nil {
		return given
	}
	return usual
}

func tracing(c *types.TracingConfig) *types.TracingConfigResponse {
	if c == nil {
		return &types.TracingConfigResponse{Mode: types.TracingModePassThrough}
	}
	return &types.TracingConfigResponse{Mode: c.Mode}
}

func vpc(c *types.VpcConfig) *types.VpcConfigResponse {
	if c == nil {
		return nil
	}
	return &types.VpcConfigResponse{SubnetIds: c.SubnetIds, SecurityGroupIds: c.SecurityGroupIds, Ipv6AllowedForDualStack: c.Ipv6AllowedForDualStack, VpcId: aws.String("")}
}

func logging(name string, c *types.LoggingConfig) *types.LoggingConfig {
	var all types.LoggingConfig
	if c != nil {
		all = *c
	}
	if all.LogFormat == "" {
		all.LogFormat = types.LogFormatText
	}
	all.LogGroup = or(all.LogGroup, aws.String("/aws/lambda/"+name))
	return &all
}

func environment(e *types.Environment) *types.EnvironmentResponse {
	if e == nil || len(e.Variables) == 0 {
		return nil
	}
	return &types.EnvironmentResponse{Variables: e.Variables}
}

func imageConfig(c *types.ImageConfig) *types.ImageConfigResponse {
	if c == nil {
		return nil
	}
	return &types.ImageConfigResponse{ImageConfig: c}
}

// resolve finds an image in the simulator's registry.
func (l *Lambda) resolve(uri *string) (reference, digest string, err error) {
	refuse := func(why string) error {
		return invalid("Source image %s %s. Provide a valid source image.", aws.ToString(uri), why)
	}
	path, ok := strings.CutPrefix(aws.ToString(uri), l.config.Host+"/")
	if !ok {
		return "", "", refuse("is not valid")
	}
	repository, tag, ok := strings.Cut(path, "@")
	if !ok {
		repository, tag, ok = strings.Cut(path, ":")
	}
	if !ok {
		tag = "latest"
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+l.config.Host+"/v2/"+repository+"/manifests/"+tag, nil)
	if err != nil {
		return "", "", refuse("is not valid")
	}
	answer := l.config.Registry.Do(req)
	digest = answer.Header.Get("Docker-Content-Digest")
	if answer.StatusCode != http.StatusOK || digest == "" {
		return "", "", refuse("does not exist")
	}
	_, sum, _ := strings.Cut(digest, ":")
	if _, err := hex.DecodeString(sum); err != nil {
		return "", "", refuse("is not valid")
	}
	return l.config.Host + "/" + repository + "@" + digest, sum, nil
}

// activate gets a function's image and lets it serve.
func (l *Lambda) activate(key string) {
	f, ok := l.functions.Get(key)
	if !ok {
		return
	}
	d, err := l.deploy(&f)
	if l.ctx.Err() != nil {
		return // the next simulator goes on
	}
	_, changeErr := l.change(context.WithoutCancel(l.ctx), key, func(now *function) error {
		if aws.ToString(now.RevisionId) != aws.ToString(f.RevisionId) {
			return conflict("the function was deleted and made again")
		}
		creating := now.State == types.StatePending
		switch {
		case err != nil && creating:
			now.State, now.StateReason, now.StateReasonCode = types.StateFailed, aws.String(err.Error()), types.StateReasonCodeImageAccessDenied
			now.LastUpdateStatus, now.LastUpdateStatusReason, now.LastUpdateStatusReasonCode = types.LastUpdateStatusFailed, now.StateReason, types.LastUpdateStatusReasonCodeImageAccessDenied
		case err != nil:
			now.LastUpdateStatus, now.LastUpdateStatusReason = types.LastUpdateStatusFailed, aws.String(err.Error())
			now.LastUpdateStatusReasonCode = types.LastUpdateStatusReasonCodeImageAccessDenied
		default:
			now.State, now.StateReason, now.StateReasonCode = types.StateActive, nil, ""
			now.LastUpdateStatus, now.LastUpdateStatusReason, now.LastUpdateStatusReasonCode = types.LastUpdateStatusSuccessful, nil, ""
			now.Serving = d
		}
		now.RevisionId = aws.String(wire.UUID())
		return nil
	})
	if changeErr == nil {
		l.retire(key)
	}
}

// deploy is what a function runs with once its image is here.
func (l *Lambda) deploy(f *function) (*deployment, error) {
	if r, hit := l.config.Faults.Hit(faults.Pull, "lambda", "function"); hit {
		return nil, invalid("%s", orText(r.Code, "Lambda does not have permission to access the ECR image. Check the ECR permissions."))
	}
	name, password := l.config.Pull()
	if err := l.config.Machine.ImagePull(l.ctx, runtime.PullOptions{Reference: f.Resolved, Auth: &registry.AuthConfig{Username: name, Password: password}}); err != nil {
		return nil, err
	}
	found, err := l.config.Machine.ImageInspect(l.ctx, f.Resolved, "")
	if err != nil {
		return nil, err
	}
	d := &deployment{FunctionConfiguration: f.FunctionConfiguration, Key: f.key(), Region: f.Region, Resolved: f.Resolved}
	if image := found.Config; image != nil {
		d.Entrypoint, d.Command = image.Entrypoint, image.Cmd
	}
	if r := f.ImageConfigResponse; r != nil && r.ImageConfig != nil {
		if len(r.ImageConfig.EntryPoint) > 0 {
			d.Entrypoint = r.ImageConfig.EntryPoint
		}
		if len(r.ImageConfig.Command) > 0 {
			d.Command = r.ImageConfig.Command
		}
	}
	return d, nil
}

func orText(given, usual string) string {
	if given != "" {
		return given
	}
	return usual
}

func (l *Lambda) getFunction(_ context.Context, c *wire.Call, in *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &lambda.GetFunctionOutput{Configuration: &f.FunctionConfiguration, Tags: f.Tags,
		Code: &types.FunctionCodeLocation{RepositoryType: aws.String("ECR"), ImageUri: aws.String(f.Image), ResolvedImageUri: aws.String(f.Resolved)}}
	if f.Reserved != nil {
		out.Concurrency = &types.Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

func (l *Lambda) getFunctionConfiguration(_ context.Context, c *wire.Call, in *lambda.GetFunctionConfigurationInput) (*lambda.GetFunctionConfigurationOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	return as[lambda.GetFunctionConfigurationOutput](f.FunctionConfiguration), err
}

func (l *Lambda) deleteFunction(ctx context.Context, c *wire.Call, in *lambda.DeleteFunctionInput) (*lambda.DeleteFunctionOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := l.functions.Delete(ctx, f.key()); err != nil {
		return nil, err
	}
	l.retire(f.key())
	return &lambda.DeleteFunctionOutput{StatusCode: http.StatusNoContent}, nil
}

// update changes a function that no other update is changing.
func (l *Lambda) update(ctx context.Context, key string, revision *string, f func(*function) error) (function, error) {
	updated, err := l.change(ctx, key, func(now *function) error {
		switch {
		case revision != nil && *revision != aws.ToString(now.RevisionId):
			return stale()
		case now.State == types.StatePending:
			return conflict("The operation cannot be performed at this time. The function is currently in the following state: Pending")
		case now.LastUpdateStatus == types.LastUpdateStatusInProgress:
			return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", aws.ToString(now.FunctionArn))
		}
		if err := f(now); err != nil {
			return err
		}
		now.LastUpdateStatus, now.LastUpdateStatusReason = types.LastUpdateStatusInProgress, aws.String("The function is being created.")
		l.revise(now)
		return nil
	})
	if err == nil {
		l.lives.Go(func() { l.activate(key) })
	}
	return updated, err
}

func stale() error {
	return &types.PreconditionFailedException{Type: user(), Message: aws.String(
		"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")}
}

func (l *Lambda) updateFunctionCode(ctx context.Context, c *wire.Call, in *lambda.UpdateFunctionCodeInput) (*lambda.UpdateFunctionCodeOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case in.ZipFile != nil || in.S3Bucket != nil || in.S3Key != nil || in.ImageUri == nil:
		return nil, invalid("Please provide ImageUri when updating a function with packageType Image.")
	case in.Publish:
		return nil, noVersions()
	}
	resolved, digest, err := l.resolve(in.ImageUri)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		f.CodeSha256 = aws.String(digest)
		return as[lambda.UpdateFunctionCodeOutput](f.FunctionConfiguration), nil
	}
	f, err = l.update(ctx, f.key(), in.RevisionId, func(f *function) error {
		f.Image, f.Resolved, f.CodeSha256 = *in.ImageUri, resolved, aws.String(digest)
		if len(in.Architectures) > 0 {
			f.Architectures = in.Architectures
		}
		return nil
	})
	return as[lambda.UpdateFunctionCodeOutput](f.FunctionConfiguration), err
}

func (l *Lambda) updateFunctionConfiguration(ctx context.Context, c *wire.Call, in *lambda.UpdateFunctionConfigurationInput) (*lambda.UpdateFunctionConfigurationOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := checkUpdate(in); err != nil {
		return nil, err
	}
	f, err = l.update(ctx, f.key(), in.RevisionId, func(f *function) error {
		f.Description, f.Role, f.KMSKeyArn = or(in.Description, f.Description), or(in.Role, f.Role), or(in.KMSKeyArn, f.KMSKeyArn)
		f.MemorySize, f.Timeout, f.EphemeralStorage = or(in.MemorySize, f.MemorySize), or(in.Timeout, f.Timeout), or(in.EphemeralStorage, f.EphemeralStorage)
		f.DeadLetterConfig = or(in.DeadLetterConfig, f.DeadLetterConfig)
		if in.Environment != nil {
			f.Environment = environment(in.Environment)
		}
		if in.ImageConfig != nil {
			f.ImageConfigResponse = imageConfig(in.ImageConfig)
		}
		if in.LoggingConfig != nil {
			f.LoggingConfig = logging(aws.ToString(f.FunctionName), in.LoggingConfig)
		}
		if in.TracingConfig != nil {
			f.TracingConfig = tracing(in.TracingConfig)
		}
		if in.VpcConfig != nil {
			f.VpcConfig = vpc(in.VpcConfig)
		}
		return nil
	})
	return as[lambda.UpdateFunctionConfigurationOutput](f.FunctionConfiguration), err
}

func (l *Lambda) listFunctions(_ context.Context, c *wire.Call, in *lambda.ListFunctionsInput) (*lambda.ListFunctionsOutput, error) {
	var all []types.FunctionConfiguration
	for _, f := range l.functions.All() {
		if f.Region == c.Region {
			all = append(all, f.FunctionConfiguration)
		}
	}
	page, next, err := wire.Page(all, aws.ToString(in.Marker), int(aws.ToInt32(in.MaxItems)), 50)
	if err != nil {
		return nil, invalid("Invalid marker: %s", aws.ToString(in.Marker))
	}
	return &lambda.ListFunctionsOutput{Functions: page, NextMarker: next}, nil
}

func (l *Lambda) listVersions(_ context.Context, c *wire.Call, in *lambda.ListVersionsByFunctionInput) (*lambda.ListVersionsByFunctionOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f.FunctionArn = aws.String(aws.ToString(f.FunctionArn) + ":" + latest)
	return &lambda.ListVersionsByFunctionOutput{Versions: []types.FunctionConfiguration{f.FunctionConfiguration}}, nil
}

func (l *Lambda) getCodeSigning(_ context.Context, c *wire.Call, in *lambda.GetFunctionCodeSigningConfigInput) (*lambda.GetFunctionCodeSigningConfigOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	return &lambda.GetFunctionCodeSigningConfigOutput{FunctionName: f.FunctionName, CodeSigningConfigArn: aws.String("")}, err
}

// timeLimit is how long an invocation may take.
func (d *deployment) timeLimit() time.Duration {
	return time.Duration(aws.ToInt32(d.Timeout)) * time.Second
}

// resources are what a sandbox may have.
func (d *deployment) resources() container.Resources {
	memory := int64(aws.ToInt32(d.MemorySize)) << 20
	processes := int64(1024)
	return container.Resources{
		Memory: memory, MemorySwap: memory, PidsLimit: &processes,
		NanoCPUs: min(int64(aws.ToInt32(d.MemorySize))*1e9/1769, 6e9), // 1,769 MB are one processor
		Ulimits:  []*container.Ulimit{{Name: "nofile", Soft: 1024, Hard: 1024}},
	}
}
