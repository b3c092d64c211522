//go:build linux

package aws_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCommands drives the services with the command line client; each command is known by its effect.
func TestCommands(t *testing.T) {
	k := newTasks(t)
	cli := k.cli()
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, not %q", what, got, want)
		}
	}
	refused := func(code string, args ...string) {
		t.Helper()
		if got := cli.Refused(t, args...); !strings.Contains(got, "("+code+")") {
			t.Errorf("aws %q: %s, not %s", args, got, code)
		}
	}

	// ECR
	arn := cli.Query(t, "repository.repositoryArn", "ecr", "create-repository", "--repository-name", "cli/app", "--tags", "Key=a,Value=1")
	is("repository", cli.Query(t, "repositories[].repositoryUri", "ecr", "describe-repositories", "--repository-names", "cli/app"), k.Host()+"/cli/app")
	refused("RepositoryAlreadyExistsException", "ecr", "create-repository", "--repository-name", "cli/app")
	cli.Run(t, "ecr", "tag-resource", "--resource-arn", arn, "--tags", "Key=b,Value=2")
	cli.Run(t, "ecr", "untag-resource", "--resource-arn", arn, "--tag-keys", "a")
	is("tags", cli.Query(t, "tags[].[Key,Value]", "ecr", "list-tags-for-resource", "--resource-arn", arn), "b\t2")
	cli.Run(t, "ecr", "put-image-scanning-configuration", "--repository-name", "cli/app", "--image-scanning-configuration", "scanOnPush=true")
	cli.Run(t, "ecr", "put-image-tag-mutability", "--repository-name", "cli/app", "--image-tag-mutability", "IMMUTABLE")
	is("settings", cli.Query(t, "repositories[].[imageScanningConfiguration.scanOnPush,imageTagMutability]", "ecr", "describe-repositories", "--repository-names", "cli/app"), "True\tIMMUTABLE")
	refused("LifecyclePolicyNotFoundException", "ecr", "get-lifecycle-policy", "--repository-name", "cli/app")
	policy := `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`
	cli.Run(t, "ecr", "put-lifecycle-policy", "--repository-name", "cli/app", "--lifecycle-policy-text", policy)
	is("lifecycle", cli.Query(t, "lifecyclePolicyText", "ecr", "get-lifecycle-policy", "--repository-name", "cli/app"), policy)
	cli.Run(t, "ecr", "delete-lifecycle-policy", "--repository-name", "cli/app")
	refused("LifecyclePolicyNotFoundException", "ecr", "get-lifecycle-policy", "--repository-name", "cli/app")
	cli.Run(t, "ecr", "set-repository-policy", "--repository-name", "cli/app", "--policy-text", `{"Version":"2012-10-17"}`)
	is("policy", cli.Query(t, "policyText", "ecr", "get-repository-policy", "--repository-name", "cli/app"), `{"Version":"2012-10-17"}`)
	cli.Run(t, "ecr", "delete-repository-policy", "--repository-name", "cli/app")
	refused("RepositoryPolicyNotFoundException", "ecr", "get-repository-policy", "--repository-name", "cli/app")
	k.push("cli/app")
	digest := cli.Query(t, "imageIds[].imageDigest", "ecr", "list-images", "--repository-name", "cli/app")
	is("image", cli.Query(t, "imageDetails[].[imageDigest,imageTags[0]]", "ecr", "describe-images", "--repository-name", "cli/app"), digest+"\tlatest")
	is("manifest", cli.Query(t, "images[].imageId.imageDigest", "ecr", "batch-get-image", "--repository-name", "cli/app", "--image-ids", "imageTag=latest"), digest)
	refused("RepositoryNotEmptyException", "ecr", "delete-repository", "--repository-name", "cli/app")
	cli.Run(t, "ecr", "batch-delete-image", "--repository-name", "cli/app", "--image-ids", "imageDigest="+digest)
	is("images", cli.Query(t, "length(imageIds)", "ecr", "list-images", "--repository-name", "cli/app"), "0")
	cli.Run(t, "ecr", "delete-repository", "--repository-name", "cli/app")
	refused("RepositoryNotFoundException", "ecr", "describe-images", "--repository-name", "cli/app")
	if got := cli.Run(t, "ecr", "get-login-password"); len(strings.TrimSpace(got)) < 20 {
		t.Errorf("password %q", got)
	}

	// CloudWatch Logs
	cli.Run(t, "logs", "create-log-group", "--log-group-name", "/cli", "--tags", "a=1")
	cli.Run(t, "logs", "put-retention-policy", "--log-group-name", "/cli", "--retention-in-days", "7")
	is("retention", cli.Query(t, "logGroups[].retentionInDays", "logs", "describe-log-groups", "--log-group-name-prefix", "/cl"), "7")
	cli.Run(t, "logs", "delete-retention-policy", "--log-group-name", "/cli")
	is("no retention", cli.Query(t, "logGroups[].retentionInDays", "logs", "describe-log-groups", "--log-group-name-prefix", "/cl"), "")
	group := cli.Query(t, "logGroups[0].logGroupArn", "logs", "describe-log-groups", "--log-group-name-prefix", "/cl")
	cli.Run(t, "logs", "tag-resource", "--resource-arn", group, "--tags", "b=2")
	cli.Run(t, "logs", "untag-resource", "--resource-arn", group, "--tag-keys", "a")
	is("tags", cli.Query(t, "tags.[a,b]", "logs", "list-tags-for-resource", "--resource-arn", group), "None\t2")
	cli.Run(t, "logs", "create-log-stream", "--log-group-name", "/cli", "--log-stream-name", "s")
	cli.Run(t, "logs", "put-log-events", "--log-group-name", "/cli", "--log-stream-name", "s", "--log-events", fmt.Sprintf("timestamp=%d,message=hello", time.Now().UnixMilli()))
	is("events", cli.Query(t, "events[].message", "logs", "get-log-events", "--log-group-name", "/cli", "--log-stream-name", "s"), "hello")
	is("filtered", cli.Query(t, "events[].[logStreamName,message]", "logs", "filter-log-events", "--log-group-name", "/cli", "--filter-pattern", "hell"), "s\thello")
	is("streams", cli.Query(t, "logStreams[].logStreamName", "logs", "describe-log-streams", "--log-group-name", "/cli"), "s")
	cli.Run(t, "logs", "delete-log-stream", "--log-group-name", "/cli", "--log-stream-name", "s")
	is("no streams", cli.Query(t, "length(logStreams)", "logs", "describe-log-streams", "--log-group-name", "/cli"), "0")
	cli.Run(t, "logs", "delete-log-group", "--log-group-name", "/cli")
	refused("ResourceNotFoundException", "logs", "describe-log-streams", "--log-group-name", "/cli")

	// ECS
	cluster := cli.Query(t, "cluster.clusterArn", "ecs", "create-cluster", "--cluster-name", "cli")
	cli.Run(t, "ecs", "put-cluster-capacity-providers", "--cluster", "cli", "--capacity-providers", "FARGATE", "--default-capacity-provider-strategy", "capacityProvider=FARGATE,weight=1")
	cli.Run(t, "ecs", "update-cluster-settings", "--cluster", "cli", "--settings", "name=containerInsights,value=enabled")
	is("cluster", cli.Query(t, "clusters[].[capacityProviders[0],settings[0].value]", "ecs", "describe-clusters", "--clusters", "cli", "--include", "SETTINGS"), "FARGATE\tenabled")
	cli.Run(t, "ecs", "update-cluster", "--cluster", "cli", "--settings", "name=containerInsights,value=disabled")
	is("settings", cli.Query(t, "clusters[].settings[0].value", "ecs", "describe-clusters", "--clusters", "cli", "--include", "SETTINGS"), "disabled")
	is("clusters", cli.Query(t, "length(clusterArns)", "ecs", "list-clusters"), "2")
	is("providers", cli.Query(t, "capacityProviders[].name", "ecs", "describe-capacity-providers"), "FARGATE\tFARGATE_SPOT")
	file := filepath.Join(t.TempDir(), "definition.json")
	text := must(json.Marshal(map[string]any{
		"family": "cli", "cpu": "256", "memory": "512", "requiresCompatibilities": []string{"FARGATE"}, "networkMode": "awsvpc", "executionRoleArn": k.role,
		"containerDefinitions": []any{map[string]any{"name": "main", "image": k.image, "command": []string{"sh", "-c", `trap "exit 5" TERM; while :; do sleep 0.05; done`}, "stopTimeout": 2}},
	}))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	definition := cli.Query(t, "taskDefinition.taskDefinitionArn", "ecs", "register-task-definition", "--cli-input-json", "file://"+file)
	is("families", cli.Query(t, "families", "ecs", "list-task-definition-families"), "cli")
	is("definition", cli.Query(t, "taskDefinition.[status,cpu]", "ecs", "describe-task-definition", "--task-definition", "cli"), "ACTIVE\t256")
	task := cli.Query(t, "tasks[].taskArn", "ecs", "run-task", "--cluster", "cli", "--task-definition", "cli", "--started-by", "me", "--network-configuration", "awsvpcConfiguration={subnets=["+k.subnets[0]+"]}")
	cli.Run(t, "ecs", "wait", "tasks-running", "--cluster", "cli", "--tasks", task)
	is("tasks", cli.Query(t, "taskArns", "ecs", "list-tasks", "--cluster", "cli", "--started-by", "me"), task)
	cli.Run(t, "ecs", "tag-resource", "--resource-arn", task, "--tags", "key=a,value=1", "key=b,value=2")
	cli.Run(t, "ecs", "untag-resource", "--resource-arn", task, "--tag-keys", "a")
	is("tags", cli.Query(t, "tags[].[key,value]", "ecs", "list-tags-for-resource", "--resource-arn", task), "b\t2")
	refused("ClusterContainsTasksException", "ecs", "delete-cluster", "--cluster", "cli")
	cli.Run(t, "ecs", "stop-task", "--cluster", "cli", "--task", task, "--reason", "enough")
	cli.Run(t, "ecs", "wait", "tasks-stopped", "--cluster", "cli", "--tasks", task)
	is("task", cli.Query(t, "tasks[].[lastStatus,stopCode,stoppedReason]", "ecs", "describe-tasks", "--cluster", "cli", "--tasks", task), "STOPPED\tUserInitiated\tenough")
	refused("ClientException", "ecs", "run-task", "--cluster", "cli", "--task-definition", "none", "--network-configuration", "awsvpcConfiguration={subnets=["+k.subnets[0]+"]}")
	is("active", cli.Query(t, "failures[].reason", "ecs", "delete-task-definitions", "--task-definitions", definition), "The specified task definition is still in ACTIVE status. Please deregister the target and try again.")
	cli.Run(t, "ecs", "deregister-task-definition", "--task-definition", definition)
	is("inactive", cli.Query(t, "taskDefinitionArns", "ecs", "list-task-definitions", "--status", "INACTIVE"), definition)
	cli.Run(t, "ecs", "delete-task-definitions", "--task-definitions", definition)
	is("deleted", cli.Query(t, "taskDefinition.status", "ecs", "describe-task-definition", "--task-definition", definition), "DELETE_IN_PROGRESS")
	cli.Run(t, "ecs", "delete-cluster", "--cluster", "cli")
	refused("ClusterNotFoundException", "ecs", "list-tasks", "--cluster", cluster)

	answer, err := http.Get("http://" + k.Host() + "/_simulator")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	shown := string(must(io.ReadAll(answer.Body)))
	for _, want := range []string{"<td>cli<td>INACTIVE", task[strings.LastIndex(task, "/")+1:], "UserInitiated enough", "<li>tasks (eu-central-1)", "<td>DeleteCluster<td>200"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page has no %q: %s", want, shown)
		}
	}
}
