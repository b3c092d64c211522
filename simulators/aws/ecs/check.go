package ecs

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

var familyName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// mostStopTimeout is how long, in seconds, Fargate lets a container end by itself.
const mostStopTimeout = 120

// checkDefinition refuses what Fargate refuses, in its words where they are known, and what the simulator cannot do.
func (e *ECS) checkDefinition(in *ecs.RegisterTaskDefinitionInput) error {
	switch {
	case !familyName.MatchString(aws.ToString(in.Family)):
		return clientError("Family should not be null or empty, and contains letters, digits, hyphens and underscores only.")
	case len(in.ContainerDefinitions) == 0:
		return clientError("Container list cannot be empty.")
	case len(in.ContainerDefinitions) > 1:
		return clientError("The simulator runs tasks of one container.")
	case len(in.PlacementConstraints) > 0:
		return clientError("Fargate doesn't support placement constraints.")
	case in.ProxyConfiguration != nil:
		return clientError("The simulator has no proxies.")
	}
	if slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate) {
		if err := checkFargate(in); err != nil {
			return err
		}
	}
	if s := in.EphemeralStorage; s != nil && (s.SizeInGiB < 21 || s.SizeInGiB > 200) {
		return clientError("Ephemeral storage size must be between 21 and 200 GiB.")
	}
	volumes := map[string]bool{}
	for _, v := range in.Volumes {
		name := aws.ToString(v.Name)
		volumes[name] = true
		switch {
		case aws.ToBool(v.ConfiguredAtLaunch), v.DockerVolumeConfiguration != nil, v.FsxWindowsFileServerVolumeConfiguration != nil, v.S3filesVolumeConfiguration != nil:
			return clientError("Volume '%s': the simulator has volumes of EFS, and empty ones.", name)
		case v.Host != nil && aws.ToString(v.Host.SourcePath) != "":
			return clientError("host.sourcePath should not be set for volumes in Fargate.")
		}
		if efs := v.EfsVolumeConfiguration; efs != nil && efs.AuthorizationConfig != nil && efs.AuthorizationConfig.AccessPointId != nil {
			switch root := aws.ToString(efs.RootDirectory); {
			case root != "" && root != "/":
				return clientError("Volume '%s': rootDirectory must be omitted or '/' where there is an access point.", name)
			case efs.TransitEncryption != types.EFSTransitEncryptionEnabled:
				return clientError("Volume '%s': transitEncryption must be ENABLED where there is an access point.", name)
			}
		}
	}
	for _, c := range in.ContainerDefinitions {
		if err := e.checkContainer(in, c, volumes); err != nil {
			return err
		}
	}
	return nil
}

func checkFargate(in *ecs.RegisterTaskDefinitionInput) error {
	switch p := in.RuntimePlatform; {
	case in.NetworkMode != types.NetworkModeAwsvpc:
		return clientError("Fargate only supports network mode ‘awsvpc’.")
	case in.IpcMode != "":
		return clientError("Fargate doesn't support ipcMode.")
	case in.PidMode == types.PidModeHost:
		return clientError("Fargate only supports pidMode 'task'.")
	case p != nil && p.OperatingSystemFamily != "" && p.OperatingSystemFamily != types.OSFamilyLinux:
		return clientError("The simulator has tasks of LINUX only.")
	}
	if _, _, err := fargateSize(in.Cpu, in.Memory); err != nil {
		return clientError("%s", err)
	}
	return nil
}

func (e *ECS) checkContainer(in *ecs.RegisterTaskDefinitionInput, c types.ContainerDefinition, volumes map[string]bool) error {
	name := aws.ToString(c.Name)
	refuse := func(what, why string) error {
		return clientError("Invalid setting for container '%s'. At '%s': %s", name, what, why)
	}
	l := c.LogConfiguration
	switch {
	case name == "":
		return clientError("Container.name should not be null or empty.")
	case aws.ToString(c.Image) == "":
		return clientError("Container.image should not be null or empty.")
	case c.Essential != nil && !*c.Essential:
		return clientError("Invalid 'containerDefinitions' setting: at least one container must be essential.")
	case len(c.Secrets) > 0:
		return refuse("secrets", "the simulator has no Secrets Manager and no Parameter Store.")
	case l != nil && len(l.SecretOptions) > 0:
		return refuse("logConfiguration.secretOptions", "the simulator has no Secrets Manager and no Parameter Store.")
	case len(c.EnvironmentFiles) > 0:
		return refuse("environmentFiles", "the simulator reads no environment from files.")
	case len(c.DependsOn) > 0:
		return refuse("dependsOn", "there is no other container in the task.")
	case len(c.VolumesFrom) > 0:
		return refuse("volumesFrom", "there is no other container in the task.")
	case aws.ToBool(c.Privileged):
		return refuse("privileged", "it is not supported on Fargate.")
	case len(c.Links) > 0, len(c.ExtraHosts) > 0, len(c.DnsServers) > 0, len(c.DnsSearchDomains) > 0, aws.ToString(c.Hostname) != "", aws.ToBool(c.DisableNetworking):
		return refuse("links, extraHosts, dnsServers, dnsSearchDomains, hostname, disableNetworking", "they are not supported when networkMode=awsvpc.")
	case len(c.DockerSecurityOptions) > 0, len(c.CredentialSpecs) > 0, len(c.ResourceRequirements) > 0:
		return refuse("dockerSecurityOptions, credentialSpecs, resourceRequirements", "they are not supported on Fargate.")
	case c.FirelensConfiguration != nil, c.RestartPolicy != nil, c.RepositoryCredentials != nil, len(c.SystemControls) > 0:
		return refuse("firelensConfiguration, restartPolicy, repositoryCredentials, systemControls", "the simulator does not have them.")
	case c.StopTimeout != nil && (*c.StopTimeout < 0 || *c.StopTimeout > mostStopTimeout):
		return clientError("Invalid 'stopTimeout' setting for container '%s': it must be at most %d seconds on Fargate.", name, mostStopTimeout)
	case l != nil && l.LogDriver != types.LogDriverAwslogs:
		return refuse("logConfiguration.logDriver", "the simulator has awslogs only.")
	case l != nil && (l.Options["awslogs-group"] == "" || l.Options["awslogs-region"] == "" || l.Options["awslogs-stream-prefix"] == ""):
		return clientError("Log driver awslogs requires options: awslogs-region, awslogs-stream-prefix, awslogs-group.")
	}
	if slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate) && aws.ToString(in.ExecutionRoleArn) == "" {
		if l != nil {
			return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
		}
		if strings.HasPrefix(*c.Image, e.config.Host+"/") {
			return clientError("Fargate requires task definition to have execution role ARN to support ECR images.")
		}
	}
	for _, m := range c.MountPoints {
		if !volumes[aws.ToString(m.SourceVolume)] {
			return clientError("Unknown volume '%s'.", aws.ToString(m.SourceVolume))
		}
	}
	if h := c.HealthCheck; h != nil && (len(h.Command) == 0 || !slices.Contains([]string{"CMD", "CMD-SHELL", "NONE"}, h.Command[0])) {
		return refuse("healthCheck.command", "it must begin with CMD, CMD-SHELL or NONE.")
	}
	return checkLinux(c, refuse)
}

func checkLinux(c types.ContainerDefinition, refuse func(what, why string) error) error {
	p := c.LinuxParameters
	if p == nil {
		return nil
	}
	switch {
	case len(p.Devices) > 0, p.MaxSwap != nil, p.Swappiness != nil, p.SharedMemorySize != nil:
		return refuse("linuxParameters", "devices, maxSwap, swappiness and sharedMemorySize are not supported on Fargate.")
	case p.Capabilities != nil && slices.ContainsFunc(p.Capabilities.Add, func(name string) bool { return name != "SYS_PTRACE" }):
		return refuse("linuxParameters.capabilities.add", "only SYS_PTRACE is supported on Fargate.")
	}
	return nil
}
