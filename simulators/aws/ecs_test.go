//go:build linux

package aws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/sockerless/sockerless/simulators/aws/awstest"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// tasks is a cloud with a cluster, an image, a log group and the client for them.
type tasks struct {
	*cloud
	*ecs.Client
	image   string
	subnets []string
	role    string // by which tasks are started
}

func newTasks(t *testing.T) *tasks {
	t.Helper()
	c := newCloud(t)
	k := &tasks{cloud: c, Client: ecs.NewFromConfig(c.client("secret")), image: c.push("busybox"), subnets: awstest.Subnets(t, c.client("secret")), role: awstest.ExecutionRole(t, c.client("secret"))}
	_, err := k.CreateCluster(t.Context(), &ecs.CreateClusterInput{CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloudwatchlogs.NewFromConfig(c.client("secret")).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: awssdk.String("tasks")}); err != nil {
		t.Fatal(err)
	}
	return k
}

// definition is what Fargate takes, of a script.
func (k *tasks) definition(family, script string) *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{
		Family: &family, Cpu: awssdk.String("256"), Memory: awssdk.String("512"), RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		NetworkMode: types.NetworkModeAwsvpc, ExecutionRoleArn: &k.role,
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: awssdk.String("main"), Image: &k.image, Command: []string{"sh", "-c", script},
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{"awslogs-group": "tasks", "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "p"}},
		}},
	}
}

func (k *tasks) register(in *ecs.RegisterTaskDefinitionInput) {
	k.t.Helper()
	if _, err := k.RegisterTaskDefinition(k.t.Context(), in); err != nil {
		k.t.Fatal(err)
	}
}

// request is for a task of a family.
func (k *tasks) request(family string) *ecs.RunTaskInput {
	return &ecs.RunTaskInput{TaskDefinition: &family, LaunchType: types.LaunchTypeFargate, NetworkConfiguration: &types.NetworkConfiguration{
		AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: k.subnets[:1]}}}
}

// run asks for tasks and returns the ARN of the first.
func (k *tasks) run(in *ecs.RunTaskInput) string {
	k.t.Helper()
	out, err := k.RunTask(k.t.Context(), in)
	if err != nil {
		k.t.Fatal(err)
	}
	if len(out.Failures) > 0 {
		k.t.Fatalf("failures: %+v", out.Failures)
	}
	return awssdk.ToString(out.Tasks[0].TaskArn)
}

func (k *tasks) describe(arn string) types.Task {
	k.t.Helper()
	out, err := k.DescribeTasks(k.t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}})
	if err != nil {
		k.t.Fatal(err)
	}
	if len(out.Tasks) != 1 {
		k.t.Fatalf("%s: %+v", arn, out.Failures)
	}
	return out.Tasks[0]
}

// wait is for a task to be as it is to be.
func (k *tasks) wait(arn string, done func(t types.Task) bool) types.Task {
	k.t.Helper()
	for {
		t := k.describe(arn)
		if done(t) {
			return t
		}
		select {
		case <-k.t.Context().Done():
			k.t.Fatalf("%+v", t)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func isStopped(t types.Task) bool { return awssdk.ToString(t.LastStatus) == "STOPPED" }
func isRunning(t types.Task) bool { return awssdk.ToString(t.LastStatus) == "RUNNING" }

// output is what a task has in its log stream, line by line.
func (k *tasks) output(arn string) []string {
	k.t.Helper()
	client := cloudwatchlogs.NewFromConfig(k.client("secret"))
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: awssdk.String("tasks"), LogStreamName: awssdk.String("p/main/" + arn[strings.LastIndex(arn, "/")+1:]), StartFromHead: awssdk.Bool(true)}
	var lines []string
	for {
		out, err := client.GetLogEvents(k.t.Context(), in)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, e := range out.Events {
			lines = append(lines, awssdk.ToString(e.Message))
		}
		if awssdk.ToString(out.NextForwardToken) == awssdk.ToString(in.NextToken) {
			return lines
		}
		in.NextToken = out.NextForwardToken
	}
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestTask runs a task to its end, which is known after a restart of the simulator.
func TestTask(t *testing.T) {
	k := newTasks(t)
	k.register(k.definition("f", "sleep 0.2; exit 7"))
	in := k.request("f")
	in.ClientToken = awssdk.String("once")
	arn := k.run(in)
	if again := k.run(in); again != arn {
		t.Error("one token started two tasks")
	}
	in.StartedBy = awssdk.String("other")
	if _, err := k.RunTask(t.Context(), in); code(err) != "ConflictException" {
		t.Errorf("another request with that token: %v", err)
	}
	k.close()
	k.open()
	task := k.wait(arn, isStopped)
	if awssdk.ToInt32(task.Containers[0].ExitCode) != 7 || task.StopCode != types.TaskStopCodeEssentialContainerExited {
		t.Errorf("it ended as %+v, %s: %s", task.Containers[0], task.StopCode, awssdk.ToString(task.StoppedReason))
	}
}

// TestOutputOverRestarts counts the lines of a task over simulators that come and go.
func TestOutputOverRestarts(t *testing.T) {
	k := newTasks(t)
	const lines = 300
	k.register(k.definition("f", fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); sleep 0.01; done", lines)))
	arn := k.run(k.request("f"))
	k.wait(arn, isRunning)
	for range 4 {
		k.close()
		k.open()
		for before := len(k.output(arn)); len(k.output(arn)) == before && !isStopped(k.describe(arn)); {
		}
	}
	k.wait(arn, isStopped)
	var want []string
	for i := range lines {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	if got := k.output(arn); !slices.Equal(got, want) {
		t.Errorf("%d lines: %q", len(got), got)
	}
}

// TestTaskNetwork has two tasks with addresses of their own, of which each knows its own.
func TestTaskNetwork(t *testing.T) {
	k := newTasks(t)
	k.register(k.definition("f", `wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task; echo; echo $AWS_REGION; echo hello | nc -l -p 80`))
	k.register(k.definition("g", `while ! nc $OTHER 80 </dev/null 2>/dev/null; do sleep 0.05; done`))
	in := k.request("f")
	arn := k.run(in)
	first := k.wait(arn, isRunning)
	details := map[string]string{}
	for _, d := range first.Attachments[0].Details {
		details[awssdk.ToString(d.Name)] = awssdk.ToString(d.Value)
	}
	address := details["privateIPv4Address"]
	if awssdk.ToString(first.Attachments[0].Status) != "ATTACHED" || details["subnetId"] != k.subnets[0] || details["macAddress"] == "" || address == "" || address != awssdk.ToString(first.Containers[0].NetworkInterfaces[0].PrivateIpv4Address) {
		t.Errorf("attachment %+v of %+v", first.Attachments, first.Containers)
	}
	other := k.request("g")
	other.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: awssdk.String("main"), Environment: []types.KeyValuePair{{Name: awssdk.String("OTHER"), Value: &address}}}}}
	second := k.run(other)
	if task := k.wait(second, isStopped); awssdk.ToInt32(task.Containers[0].ExitCode) != 0 {
		t.Errorf("the other ended as %+v", task.Containers[0])
	}
	if got := k.output(second); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("one task heard %q of the other", got)
	}
	k.wait(arn, isStopped)
	got := k.output(arn)
	var about struct {
		TaskARN    string
		Containers []struct {
			Networks []struct{ IPv4Addresses []string }
		}
	}
	if len(got) != 2 || got[1] != "eu-central-1" {
		t.Fatalf("%q", got)
	}
	if err := json.Unmarshal([]byte(got[0]), &about); err != nil || about.TaskARN != arn || about.Containers[0].Networks[0].IPv4Addresses[0] != address {
		t.Errorf("it knows %+v of itself: %v", about, err)
	}
}

// TestStop is of a task that runs, and of one that never did.
func TestStop(t *testing.T) {
	k := newTasks(t)
	k.register(k.definition("f", `trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.05; done`))
	in := k.request("f")
	in.EnableExecuteCommand = true
	arn := k.run(in)
	k.wait(arn, isRunning)
	for len(k.output(arn)) == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := k.ExecuteCommand(t.Context(), &ecs.ExecuteCommandInput{Task: &arn, Command: awssdk.String("sh"), Interactive: true}); code(err) != "TargetNotConnectedException" {
		t.Errorf("a command in it: %v", err)
	}
	if _, err := k.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn, Reason: awssdk.String("enough")}); err != nil {
		t.Fatal(err)
	}
	task := k.wait(arn, isStopped)
	if awssdk.ToInt32(task.Containers[0].ExitCode) != 3 || task.StopCode != types.TaskStopCodeUserInitiated || awssdk.ToString(task.StoppedReason) != "enough" {
		t.Errorf("it ended as %+v, %s: %s", task.Containers[0], task.StopCode, awssdk.ToString(task.StoppedReason))
	}
	if got := k.output(arn); !slices.Equal(got, []string{"ready", "term"}) {
		t.Errorf("it wrote %q", got)
	}

	k.faults(faults.Rule{Kind: faults.Attach, For: time.Hour})
	arn = k.run(k.request("f"))
	if _, err := k.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn}); err != nil {
		t.Fatal(err)
	}
	task = k.wait(arn, isStopped)
	if task.Containers[0].ExitCode != nil || task.StartedAt != nil || task.StopCode != types.TaskStopCodeUserInitiated {
		t.Errorf("it never ran, and ended as %+v, %s", task.Containers[0], task.StopCode)
	}
}

// TestFailsToStart is of what keeps a task from its start: there is a reason and no exit code.
func TestFailsToStart(t *testing.T) {
	k := newTasks(t)
	k.register(k.definition("f", "true"))
	gone := k.definition("gone", "true")
	gone.ContainerDefinitions[0].Image = awssdk.String(k.Host() + "/busybox:other")
	k.register(gone)
	group := k.definition("group", "true")
	group.ContainerDefinitions[0].LogConfiguration.Options["awslogs-group"] = "nowhere"
	k.register(group)
	command := k.definition("command", "true")
	command.ContainerDefinitions[0].Command = []string{"/no/such/program"}
	k.register(command)
	for _, c := range []struct {
		family, reason, container string
		fault                     faults.Rule
	}{
		{"f", "CannotPullContainerError: ", "", faults.Rule{Kind: faults.Pull}},
		{"f", "ResourceInitializationError: no address is left", "", faults.Rule{Kind: faults.Attach, Code: "no address is left"}},
		{"gone", "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref " + k.Host() + "/busybox:other", "", faults.Rule{Kind: "none"}},
		{"group", "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.", "", faults.Rule{Kind: "none"}},
		{"command", "Task failed to start", "CannotStartContainerError: ", faults.Rule{Kind: "none"}},
	} {
		k.faults(c.fault)
		task := k.wait(k.run(k.request(c.family)), isStopped)
		if task.StopCode != types.TaskStopCodeTaskFailedToStart || !strings.HasPrefix(awssdk.ToString(task.StoppedReason), c.reason) ||
			!strings.HasPrefix(awssdk.ToString(task.Containers[0].Reason), c.container) || task.Containers[0].ExitCode != nil {
			t.Errorf("%s ended as %s: %s; %+v", c.family, task.StopCode, awssdk.ToString(task.StoppedReason), task.Containers[0])
		}
	}
}

// TestCapacity is of room that is not there, of a strategy, and of spot capacity that is taken away.
func TestCapacity(t *testing.T) {
	k := newTasks(t)
	spot := k.definition("f", `trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.05; done`)
	spot.ContainerDefinitions[0].StopTimeout = awssdk.Int32(2)
	k.register(spot)
	k.faults(faults.Rule{Kind: faults.Capacity, Count: 1}, faults.Rule{Kind: faults.Reclaim, For: time.Second})
	in := k.request("f")
	in.LaunchType, in.Count = "", awssdk.Int32(4)
	in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{{CapacityProvider: awssdk.String("FARGATE"), Base: 1, Weight: 0}, {CapacityProvider: awssdk.String("FARGATE_SPOT"), Weight: 1}}
	out, err := k.RunTask(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Failures) != 1 || !strings.HasPrefix(awssdk.ToString(out.Failures[0].Reason), "Capacity is unavailable at this time") || len(out.Tasks) != 3 {
		t.Fatalf("%d tasks, %+v", len(out.Tasks), out.Failures)
	}
	for _, task := range out.Tasks {
		if awssdk.ToString(task.CapacityProviderName) != "FARGATE_SPOT" {
			t.Errorf("a task is on %s", awssdk.ToString(task.CapacityProviderName))
		}
		ended := k.wait(awssdk.ToString(task.TaskArn), isStopped)
		if ended.StopCode != types.TaskStopCodeSpotInterruption || ended.Containers[0].ExitCode == nil || awssdk.ToString(ended.StoppedReason) != "Your Spot Task was interrupted." {
			t.Errorf("it ended as %s: %s: %s", ended.StopCode, awssdk.ToString(ended.StoppedReason), awssdk.ToString(ended.Containers[0].Reason))
		}
	}
	in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{{CapacityProvider: awssdk.String("OTHER"), Weight: 1}}
	if _, err := k.RunTask(t.Context(), in); code(err) != "InvalidParameterException" {
		t.Errorf("an unknown provider: %v", err)
	}
}

// TestDefinitionsAreChecked is of what Fargate refuses, and what the simulator cannot do.
func TestDefinitionsAreChecked(t *testing.T) {
	k := newTasks(t)
	for name, change := range map[string]func(in *ecs.RegisterTaskDefinitionInput){
		"size":    func(in *ecs.RegisterTaskDefinitionInput) { in.Memory = awssdk.String("4096") },
		"no size": func(in *ecs.RegisterTaskDefinitionInput) { in.Memory = nil },
		"bridge":  func(in *ecs.RegisterTaskDefinitionInput) { in.NetworkMode = types.NetworkModeBridge },
		"no role": func(in *ecs.RegisterTaskDefinitionInput) { in.ExecutionRoleArn = nil },
		"disk": func(in *ecs.RegisterTaskDefinitionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 20}
		},
		"privileged":  func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Privileged = awssdk.Bool(true) },
		"stopTimeout": func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].StopTimeout = awssdk.Int32(121) },
		"secrets": func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Secrets = []types.Secret{{Name: awssdk.String("S"), ValueFrom: awssdk.String("arn:aws:ssm:x:y:parameter/z")}}
		},
		"two": func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions = append(in.ContainerDefinitions, in.ContainerDefinitions[0])
		},
		"dependsOn": func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].DependsOn = []types.ContainerDependency{{ContainerName: awssdk.String("other"), Condition: types.ContainerConditionStart}}
		},
		"volume": func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].MountPoints = []types.MountPoint{{SourceVolume: awssdk.String("v"), ContainerPath: awssdk.String("/v")}}
		},
	} {
		in := k.definition("f", "true")
		change(in)
		if _, err := k.RegisterTaskDefinition(t.Context(), in); code(err) != "ClientException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	k.register(k.definition("f", "true"))
	for name, change := range map[string]func(in *ecs.RunTaskInput){
		"network": func(in *ecs.RunTaskInput) { in.NetworkConfiguration = nil },
		"no type": func(in *ecs.RunTaskInput) { in.LaunchType = "" },
		"EC2":     func(in *ecs.RunTaskInput) { in.LaunchType = types.LaunchTypeEc2 },
		"count":   func(in *ecs.RunTaskInput) { in.Count = awssdk.Int32(11) },
		"name": func(in *ecs.RunTaskInput) {
			in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: awssdk.String("other")}}}
		},
		"length": func(in *ecs.RunTaskInput) {
			in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: awssdk.String("main"), Command: []string{strings.Repeat("x", 8192)}}}}
		},
		"size": func(in *ecs.RunTaskInput) { in.Overrides = &types.TaskOverride{Cpu: awssdk.String("300")} },
	} {
		in := k.request("f")
		change(in)
		if _, err := k.RunTask(t.Context(), in); code(err) != "InvalidParameterException" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestContainer is of what a definition says of its container.
func TestContainer(t *testing.T) {
	k := newTasks(t)
	in := k.definition("f", `id -u; echo $A $B; echo x 2>/dev/null > /file || echo read-only; echo y > /mem/file && cat /mem/file; ls -d /data; ulimit -n`)
	in.Volumes = []types.Volume{{Name: awssdk.String("data")}}
	c := &in.ContainerDefinitions[0]
	c.ReadonlyRootFilesystem, c.User = awssdk.Bool(true), awssdk.String("7")
	c.Environment = []types.KeyValuePair{{Name: awssdk.String("A"), Value: awssdk.String("1")}, {Name: awssdk.String("B"), Value: awssdk.String("2")}}
	c.Ulimits = []types.Ulimit{{Name: types.UlimitNameNofile, SoftLimit: 333, HardLimit: 444}}
	c.MountPoints = []types.MountPoint{{SourceVolume: awssdk.String("data"), ContainerPath: awssdk.String("/data")}}
	c.LinuxParameters = &types.LinuxParameters{InitProcessEnabled: awssdk.Bool(true), Tmpfs: []types.Tmpfs{{ContainerPath: awssdk.String("/mem"), Size: 8, MountOptions: []string{"mode=1777"}}}}
	k.register(in)
	run := k.request("f")
	run.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: awssdk.String("main"), Environment: []types.KeyValuePair{{Name: awssdk.String("B"), Value: awssdk.String("3")}}}}}
	arn := k.run(run)
	task := k.wait(arn, isStopped)
	if got, want := k.output(arn), []string{"7", "1 3", "read-only", "y", "/data", "333"}; !slices.Equal(got, want) {
		t.Errorf("it wrote %q, not %q; %+v %s", got, want, task.Containers[0], awssdk.ToString(task.StoppedReason))
	}
}
