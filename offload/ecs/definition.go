package ecs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	smithy "github.com/aws/smithy-go"

	cloud "github.com/sockerless/sockerless/offload/aws"
	"github.com/sockerless/sockerless/runtime"
)

// containerName is that of a task's only container.
const containerName = "main"

// definition is the task definition that a task needs, by its ARN: one that says just that is used again, since each account has
// room for so many, and making many at once is refused.
func (d *Driver) definition(ctx context.Context, image string, s shape, task runtime.Task) (string, error) {
	gibibytes, err := disk(task.Size.Disk)
	if err != nil {
		return "", err
	}
	in := &ecs.RegisterTaskDefinitionInput{
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, NetworkMode: types.NetworkModeAwsvpc,
		Cpu: aws.String(strconv.Itoa(s.units)), Memory: aws.String(strconv.Itoa(s.mebibytes)),
		RuntimePlatform: &types.RuntimePlatform{OperatingSystemFamily: types.OSFamilyLinux, CpuArchitecture: processor(task.Image.Platform)},
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String(containerName), Image: aws.String(image), Essential: aws.Bool(true), User: aws.String("0:0"), StopTimeout: aws.Int32(mostGrace),
		}},
	}
	for i, m := range task.Container.GetMounts() { // the agent fills them
		name := aws.String("v" + strconv.Itoa(i))
		in.Volumes = append(in.Volumes, types.Volume{Name: name})
		in.ContainerDefinitions[0].MountPoints = append(in.ContainerDefinitions[0].MountPoints, types.MountPoint{SourceVolume: name, ContainerPath: aws.String(m.GetTarget())})
	}
	if gibibytes > 0 {
		in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: gibibytes}
	}
	if d.settings.ExecutionRole != "" {
		in.ExecutionRoleArn = aws.String(d.settings.ExecutionRole)
	}
	if d.settings.TaskRole != "" {
		in.TaskRoleArn = aws.String(d.settings.TaskRole)
	}
	if group := d.settings.LogGroup; group != "" {
		in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": group, "awslogs-region": d.region, "awslogs-stream-prefix": "sockerless"}}
	}
	said, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(said)
	in.Family = aws.String("sockerless-" + hex.EncodeToString(sum[:12]))
	d.defining.Lock()
	defer d.defining.Unlock()
	if arn := d.definitions[*in.Family]; arn != "" {
		return arn, nil
	}
	arn, err := d.define(ctx, in)
	if err == nil {
		d.definitions[*in.Family] = arn
	}
	return arn, err
}

func (d *Driver) define(ctx context.Context, in *ecs.RegisterTaskDefinitionInput) (string, error) {
	known, err := d.client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: in.Family})
	if err == nil && known.TaskDefinition.Status == types.TaskDefinitionStatusActive {
		return aws.ToString(known.TaskDefinition.TaskDefinitionArn), nil
	}
	var refused smithy.APIError
	if err != nil && !(errors.As(err, &refused) && refused.ErrorCode() == "ClientException") { // which is how it says that there is none
		return "", cloud.Classify("find a task definition", err)
	}
	made, err := d.client.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return "", cloud.Classify("register a task definition", err)
	}
	return aws.ToString(made.TaskDefinition.TaskDefinitionArn), nil
}

// forgetDefinitions has them looked up again: somebody may have removed them.
func (d *Driver) forgetDefinitions() {
	d.defining.Lock()
	defer d.defining.Unlock()
	clear(d.definitions)
}

func processor(platform string) types.CPUArchitecture {
	if strings.Contains(platform, "arm64") {
		return types.CPUArchitectureArm64
	}
	return types.CPUArchitectureX8664
}
