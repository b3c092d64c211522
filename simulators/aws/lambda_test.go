//go:build linux

package aws_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sockerless/sockerless/simulators/internal/faults"
)

const role = "arn:aws:iam::000000000000:role/function"

// functionProgram builds the function of the tests, once.
var functionProgram = sync.OnceValues(func() (string, error) {
	file := filepath.Join(filepath.Dir(program), "testfunction")
	build := exec.Command("go", "build", "-tags=lambda.norpc", "-o", file, "./lambda/testfunction")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return file, nil
})

// functions is a cloud with a client of Lambda and the image of the tests' function.
type functions struct {
	*cloud
	*lambda.Client
	image string
}

func newFunctions(t *testing.T) *functions {
	t.Helper()
	c := newCloud(t)
	file, err := functionProgram()
	if err != nil {
		t.Fatal(err)
	}
	return &functions{cloud: c, image: c.pushProgram("function", file, v1.Config{Entrypoint: []string{"/bin/busybox"}, Cmd: []string{"handler"}}),
		Client: lambda.NewFromConfig(c.client("secret"), func(o *lambda.Options) { o.RetryMaxAttempts = 1 })}
}

// create makes a function and waits until it is active.
func (f *functions) create(name string, change func(*lambda.CreateFunctionInput)) {
	f.t.Helper()
	in := &lambda.CreateFunctionInput{FunctionName: &name, Role: awssdk.String(role), PackageType: types.PackageTypeImage, Code: &types.FunctionCode{ImageUri: &f.image},
		MemorySize: awssdk.Int32(1769), Timeout: awssdk.Int32(60)}
	if change != nil {
		change(in)
	}
	out, err := f.CreateFunction(f.t.Context(), in)
	if err != nil {
		f.t.Fatal(err)
	}
	if out.State != types.StatePending {
		f.t.Errorf("a new function is %s", out.State)
	}
	f.active(name)
}

func (f *functions) active(name string) {
	f.t.Helper()
	w := lambda.NewFunctionActiveV2Waiter(f, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	})
	if err := w.Wait(f.t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, time.Minute); err != nil {
		f.t.Fatal(err)
	}
	u := lambda.NewFunctionUpdatedV2Waiter(f, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	})
	if err := u.Wait(f.t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, time.Minute); err != nil {
		f.t.Fatal(err)
	}
}

// report is what the function answers with.
type report struct {
	RequestID, ARN string
	Left, Gap      time.Duration
	Started        time.Time
	UID, GID       int
	Env            map[string]string
	Text           string

	ErrorType    string `json:"errorType"`
	ErrorMessage string `json:"errorMessage"`

	failed bool
	log    string
}

// call invokes a function and waits for its result.
func (f *functions) call(name, event string) report {
	f.t.Helper()
	out, err := f.Invoke(f.t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(event), LogType: types.LogTypeTail})
	if err != nil {
		f.t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Payload, &r); err != nil {
		f.t.Fatalf("%s: %v", out.Payload, err)
	}
	r.failed = awssdk.ToString(out.FunctionError) == "Unhandled"
	log, err := base64.StdEncoding.DecodeString(awssdk.ToString(out.LogResult))
	if err != nil {
		f.t.Fatal(err)
	}
	r.log = string(log)
	if out.StatusCode != 200 || awssdk.ToString(out.ExecutedVersion) != "$LATEST" {
		f.t.Errorf("status %d of version %v", out.StatusCode, out.ExecutedVersion)
	}
	return r
}

func TestInvocation(t *testing.T) {
	f := newFunctions(t)
	f.create("f", func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"MINE": "yes"}}
	})
	first := f.call("f", `{"do":"env"}`)
	arn := "arn:aws:lambda:eu-central-1:000000000000:function:f"
	if first.failed || first.RequestID == "" || first.ARN != arn || first.Left <= 0 || first.Left > time.Minute || first.UID != 993 || first.GID != 990 {
		t.Errorf("%+v", first)
	}
	for name, want := range map[string]string{"MINE": "yes", "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_REGION": "eu-central-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
		"_HANDLER": "handler", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST"} {
		if got := first.Env[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	for _, want := range []string{"START RequestId: " + first.RequestID + " Version: $LATEST\ndoing env", "END RequestId: " + first.RequestID, "REPORT RequestId: " + first.RequestID, "Init Duration"} {
		if !strings.Contains(first.log, want) {
			t.Errorf("the log has no %q:\n%s", want, first.log)
		}
	}
	// It is the same process, which has not run in between.
	f.call("f", `{"do":"gap"}`)
	between := time.Now()
	for range 50 {
		must(f.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: awssdk.String("f")}))
	}
	frozen := time.Since(between)
	second := f.call("f", `{"do":"gap"}`)
	if !second.Started.Equal(first.Started) || second.Gap < frozen {
		t.Errorf("it ran in another process, or for all but %s of %s: %+v", second.Gap, frozen, second)
	}
	if strings.Contains(second.log, "Init Duration") || strings.Count(second.log, "START") != 1 {
		t.Errorf("the log of a warm invocation is\n%s", second.log)
	}
	// Its files.
	if r := f.call("f", `{"do":"write","text":"x"}`); !strings.Contains(r.Text, "read-only file system\n<nil>\n") {
		t.Errorf("it wrote: %s", r.Text)
	}
	if r := f.call("f", `{"do":"fill"}`); r.Text != "512 MiB, then write /tmp/big: no space left on device" {
		t.Errorf("it wrote: %s", r.Text)
	}
	// Errors that its process survives, and one that it does not.
	if r := f.call("f", `{"do":"fail","text":"no"}`); !r.failed || r.ErrorMessage != "no" || r.ErrorType != "errorString" {
		t.Errorf("it failed with %+v", r)
	}
	if r := f.call("f", `{"do":"large"}`); !r.failed || r.ErrorType != "Function.ResponseSizeTooLarge" {
		t.Errorf("a large response is %.300v", r)
	}
	if r := f.call("f", `{"do":"panic","text":"oh"}`); !r.failed || r.ErrorMessage != "oh" {
		t.Errorf("it panicked with %+v", r)
	}
	exited := f.call("f", `{"do":"exit","code":7}`)
	if !exited.failed || exited.ErrorType != "Runtime.ExitError" || !strings.HasSuffix(exited.ErrorMessage, " Error: Runtime exited with error: exit status 7") {
		t.Errorf("it exited with %+v", exited)
	}
	if again := f.call("f", `{"do":"gap"}`); again.failed || again.Started.Equal(first.Started) {
		t.Errorf("after its end it is %+v", again)
	}
}

func TestInvocationLimits(t *testing.T) {
	f := newFunctions(t)
	f.create("short", func(in *lambda.CreateFunctionInput) { in.Timeout = awssdk.Int32(1) })
	r := f.call("short", `{"do":"wait"}`)
	if !r.failed || r.ErrorType != "Sandbox.Timedout" || !strings.HasSuffix(r.ErrorMessage, "Error: Task timed out after 1.00 seconds") {
		t.Errorf("over time: %+v", r)
	}
	for _, want := range []string{"doing wait", "Task timed out after 1.00 seconds", "Status: timeout"} {
		if !strings.Contains(r.log, want) {
			t.Errorf("the log has no %q:\n%s", want, r.log)
		}
	}
	f.create("small", func(in *lambda.CreateFunctionInput) { in.MemorySize = awssdk.Int32(128) })
	if r := f.call("small", `{"do":"eat"}`); !r.failed || !strings.HasSuffix(r.ErrorMessage, "Error: Runtime exited with error: signal: killed") {
		t.Errorf("over memory: %+v", r)
	}
	for mode, want := range map[string]string{"exit": "Runtime.ExitError", "error": "Test.Init"} {
		f.create(mode, func(in *lambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"INIT": mode}}
		})
		if r := f.call(mode, `{}`); !r.failed || r.ErrorType != want {
			t.Errorf("init %s: %+v", mode, r)
		}
	}
	f.create("nothing", func(in *lambda.CreateFunctionInput) {
		in.ImageConfig = &types.ImageConfig{EntryPoint: []string{"/bin/nothing"}}
	})
	if r := f.call("nothing", `{}`); !r.failed || r.ErrorType != "Runtime.InvalidEntrypoint" {
		t.Errorf("no entry point: %+v", r)
	}
}

func TestFunctionErrors(t *testing.T) {
	f := newFunctions(t)
	f.create("f", nil)
	create := func(change func(*lambda.CreateFunctionInput)) error {
		in := &lambda.CreateFunctionInput{FunctionName: awssdk.String("g"), Role: awssdk.String(role), PackageType: types.PackageTypeImage, Code: &types.FunctionCode{ImageUri: &f.image}}
		change(in)
		_, err := f.CreateFunction(t.Context(), in)
		return err
	}
	var conflict *types.ResourceConflictException
	if err := create(func(in *lambda.CreateFunctionInput) { in.FunctionName = awssdk.String("f") }); !errors.As(err, &conflict) || awssdk.ToString(conflict.Message) != "Function already exist: f" {
		t.Errorf("made twice: %v", err)
	}
	var invalid *types.InvalidParameterValueException
	for name, change := range map[string]func(*lambda.CreateFunctionInput){
		"an image of elsewhere": func(in *lambda.CreateFunctionInput) {
			in.Code.ImageUri = awssdk.String("elsewhere.example/image:latest")
		},
		"a missing image": func(in *lambda.CreateFunctionInput) { in.Code.ImageUri = awssdk.String(f.Host() + "/none:latest") },
		"a large environment": func(in *lambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"A": strings.Repeat("x", 4<<10)}}
		},
		"a reserved variable": func(in *lambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}}
		},
		"a zip": func(in *lambda.CreateFunctionInput) { in.PackageType = types.PackageTypeZip },
	} {
		if err := create(change); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*lambda.CreateFunctionInput){
		"little memory":  func(in *lambda.CreateFunctionInput) { in.MemorySize = awssdk.Int32(127) },
		"much memory":    func(in *lambda.CreateFunctionInput) { in.MemorySize = awssdk.Int32(10241) },
		"a long timeout": func(in *lambda.CreateFunctionInput) { in.Timeout = awssdk.Int32(901) },
		"much storage": func(in *lambda.CreateFunctionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{Size: awssdk.Int32(10241)}
		},
	} {
		if err := create(change); err == nil || !strings.Contains(err.Error(), "ValidationException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var missing *types.ResourceNotFoundException
	if _, err := f.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: awssdk.String("none")}); !errors.As(err, &missing) ||
		awssdk.ToString(missing.Message) != "Function not found: arn:aws:lambda:eu-central-1:000000000000:function:none" {
		t.Errorf("a missing function: %v", err)
	}
	var large *types.RequestTooLargeException
	for kind, size := range map[types.InvocationType]int{types.InvocationTypeRequestResponse: 6<<20 + 1, types.InvocationTypeEvent: 1<<20 + 1} {
		payload := []byte(`"` + strings.Repeat("x", size) + `"`)
		if _, err := f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: awssdk.String("f"), InvocationType: kind, Payload: payload}); !errors.As(err, &large) {
			t.Errorf("%s with %d bytes: %v", kind, size, err)
		}
	}
	var content *types.InvalidRequestContentException
	if _, err := f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: awssdk.String("f"), Payload: []byte("{")}); !errors.As(err, &content) {
		t.Errorf("half a document: %v", err)
	}
	if out, err := f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: awssdk.String("f"), InvocationType: types.InvocationTypeDryRun}); err != nil || out.StatusCode != 204 {
		t.Errorf("a dry run: %+v, %v", out, err)
	}
	if _, err := f.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: awssdk.String("f")}); err == nil || !strings.Contains(err.Error(), "UnknownOperationException") {
		t.Errorf("an operation that is not there: %v", err)
	}
	// A revision that is old.
	now := must(f.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: awssdk.String("f")}))
	update := &lambda.UpdateFunctionConfigurationInput{FunctionName: awssdk.String("f"), RevisionId: now.RevisionId, Description: awssdk.String("new")}
	must(f.UpdateFunctionConfiguration(t.Context(), update))
	f.active("f")
	var stale *types.PreconditionFailedException
	if _, err := f.UpdateFunctionConfiguration(t.Context(), update); !errors.As(err, &stale) {
		t.Errorf("an old revision: %v", err)
	}
}

func TestFunctionFaults(t *testing.T) {
	f := newFunctions(t)
	f.create("f", nil)
	invoke := func() error {
		_, err := f.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: awssdk.String("f")})
		return err
	}
	var throttled *types.TooManyRequestsException
	f.faults(faults.Rule{Kind: "throttle", Service: "lambda", Operation: "Invoke", Count: 1})
	if err := invoke(); !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonCallerRateLimitExceeded {
		t.Errorf("throttled: %v", err)
	}
	f.faults(faults.Rule{Kind: "capacity", Service: "lambda", Count: 1})
	if err := invoke(); !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Errorf("no capacity: %v", err)
	}
	if err := invoke(); err != nil {
		t.Error(err)
	}
	f.faults(faults.Rule{Kind: "lose", Service: "lambda", Operation: "Invoke", Count: 1})
	if err := invoke(); err == nil {
		t.Error("a lost answer came")
	}
	f.faults(faults.Rule{Kind: "pull", Service: "lambda"})
	name := "unpulled"
	must(f.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: &name, Role: awssdk.String(role), PackageType: types.PackageTypeImage, Code: &types.FunctionCode{ImageUri: &f.image}}))
	w := lambda.NewFunctionActiveV2Waiter(f, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	})
	if err := w.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, time.Minute); err == nil {
		t.Error("a function without an image is active")
	}
	got := must(f.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name}))
	if got.State != types.StateFailed || got.StateReasonCode != types.StateReasonCodeImageAccessDenied {
		t.Errorf("it is %s: %s", got.State, got.StateReasonCode)
	}
	const cold = 300 * time.Millisecond
	f.faults(faults.Rule{Kind: faults.Attach, Service: "lambda", For: cold})
	f.create("cold", nil)
	begun := time.Now()
	f.call("cold", `{}`)
	if took := time.Since(begun); took < cold {
		t.Errorf("a slow start took %s", took)
	}
}
