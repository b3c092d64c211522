package lambda

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Sizes in bytes.
const (
	mostEnvironment = 4 << 10
	mostPayload     = 6 << 20 // of a synchronous invocation
	mostEvent       = 1 << 20 // of an asynchronous one
	mostResponse    = 6<<20 + 100
	mostTail        = 4 << 10
)

// accountConcurrency is how many invocations run at once, of which the functions without a share of their own keep at least
// leastUnreserved.
const (
	accountConcurrency = 1000
	leastUnreserved    = 100
)

var (
	namePattern = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
	rolePattern = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
)

// reserved are variables that Lambda sets itself.
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

func noVersions() error {
	return invalid("The simulator publishes no versions: a function has %s alone.", latest)
}

func checkCreate(in *lambda.CreateFunctionInput) error {
	name := aws.ToString(in.FunctionName)
	switch {
	case !namePattern.MatchString(name):
		return outOfRange("functionName", name, "Member must satisfy regular expression pattern: %s", namePattern)
	case !rolePattern.MatchString(aws.ToString(in.Role)):
		return outOfRange("role", aws.ToString(in.Role), "Member must satisfy regular expression pattern: %s", rolePattern)
	case in.PackageType != types.PackageTypeImage:
		return invalid("The simulator runs functions of packageType Image.")
	case in.Code == nil || in.Code.ImageUri == nil || in.Code.ZipFile != nil || in.Code.S3Bucket != nil || in.Code.S3Key != nil:
		return invalid("Please provide only imageUri when creating a function with packageType Image.")
	case in.Runtime != "" || in.Handler != nil:
		return invalid("Please don't provide Handler or Runtime or Layer when the intent is to create function using container image.")
	case in.Publish:
		return noVersions()
	case in.CodeSigningConfigArn != nil || in.CapacityProviderConfig != nil || in.TenancyConfig != nil || in.DurableConfig != nil:
		return invalid("The simulator has no code signing, capacity providers, tenants or durable executions.")
	}
	return checkUpdate(&lambda.UpdateFunctionConfigurationInput{
		MemorySize: in.MemorySize, Timeout: in.Timeout, EphemeralStorage: in.EphemeralStorage, Environment: in.Environment,
		FileSystemConfigs: in.FileSystemConfigs, Layers: in.Layers, SnapStart: in.SnapStart, DeadLetterConfig: in.DeadLetterConfig,
	})
}

func checkUpdate(in *lambda.UpdateFunctionConfigurationInput) error {
	if m := in.MemorySize; m != nil && (*m < 128 || *m > 10240) {
		return outOfRange("memorySize", *m, "Member must have value between 128 and 10240 (inclusive)")
	}
	if t := in.Timeout; t != nil && (*t < 1 || *t > 900) {
		return outOfRange("timeout", *t, "Member must have value between 1 and 900 (inclusive)")
	}
	if e := in.EphemeralStorage; e != nil && (aws.ToInt32(e.Size) < 512 || aws.ToInt32(e.Size) > 10240) {
		return outOfRange("ephemeralStorage.size", aws.ToInt32(e.Size), "Member must have value between 512 and 10240 (inclusive)")
	}
	switch {
	case in.Runtime != "" || in.Handler != nil || len(in.Layers) > 0:
		return invalid("Please don't provide Handler or Runtime or Layer when the intent is to create function using container image.")
	case len(in.FileSystemConfigs) > 0:
		return invalid("The simulator mounts no file systems into functions.")
	case in.SnapStart != nil && in.SnapStart.ApplyOn != types.SnapStartApplyOnNone && in.SnapStart.ApplyOn != "":
		return invalid("SnapStart is not supported for functions of packageType Image.")
	case in.DeadLetterConfig != nil && aws.ToString(in.DeadLetterConfig.TargetArn) != "":
		return invalid("The simulator has no queues for dead letters.")
	}
	return checkEnvironment(in.Environment)
}

func checkEnvironment(e *types.Environment) error {
	if e == nil {
		return nil
	}
	const unable = "Lambda was unable to configure your environment variables because the environment variables you have provided "
	var bad []string
	for name := range e.Variables {
		if slices.Contains(reserved, name) {
			bad = append(bad, name)
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return invalid(unable+"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(bad, ", "))
	}
	if text, _ := json.Marshal(e.Variables); len(text) > mostEnvironment { // of strings
		return invalid(unable+"exceeded the 4KB limit. String measured: %s", text)
	}
	return nil
}
