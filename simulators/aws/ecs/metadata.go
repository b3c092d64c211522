package ecs

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// MetadataAddress is where a task asks about itself.
const MetadataAddress = "169.254.170.2:80"

// What a task finds out about itself by: version 4 of the metadata endpoint, and the credentials of its role.
const (
	metadataVariable    = "ECS_CONTAINER_METADATA_URI_V4"
	metadataPath        = "/v4/"
	credentialsVariable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	credentialsPath     = "/v2/credentials/"
)

// metadata is the address of a task's own.
func (t *task) metadata() string {
	return "http://" + strings.TrimSuffix(MetadataAddress, ":80") + metadataPath + t.ID
}

// roleFor is how long credentials of a task's role count; tasks ask again before.
const roleFor = 6 * time.Hour

// role is the ARN of a task's role, "" for none.
func (t *task) role(d definition) string {
	if t.Overrides.TaskRoleArn != nil {
		return *t.Overrides.TaskRoleArn
	}
	return aws.ToString(d.TaskRoleArn)
}

func (e *ECS) serveMetadata() {
	e.metadata.ReadHeaderTimeout = time.Minute
	e.metadata.Handler = http.HandlerFunc(e.answerTask)
	e.lives.Go(func() {
		err := e.metadata.Serve(e.config.Machine.Listener(MetadataAddress))
		if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			e.config.Log.Error("tasks cannot ask about themselves any more", "error", err)
		}
	})
}

func (e *ECS) answerTask(w http.ResponseWriter, r *http.Request) {
	if id, ok := strings.CutPrefix(r.URL.Path, credentialsPath); ok {
		e.answerCredentials(w, r, id)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, metadataPath)
	id, part, _ := strings.Cut(rest, "/")
	t, known := e.tasks.Get(id)
	d, _ := e.definitions.Get(t.Definition)
	if !ok || !known || len(d.ContainerDefinitions) == 0 {
		http.NotFound(w, r)
		return
	}
	switch part {
	case "":
		writeJSON(w, containerMetadata(&t, d))
	case "task", "taskWithTags":
		writeJSON(w, taskMetadata(&t, d))
	default: // statistics are not told
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the task is gone
}

func containerMetadata(t *task, d definition) map[string]any {
	c, definition := t.Containers[0], d.ContainerDefinitions[0]
	m := map[string]any{
		"DockerId": t.ID, "Name": aws.ToString(c.Name), "DockerName": aws.ToString(c.Name), "Image": aws.ToString(c.Image), "ContainerARN": aws.ToString(c.ContainerArn),
		"DesiredStatus": aws.ToString(t.DesiredStatus), "KnownStatus": aws.ToString(c.LastStatus), "CreatedAt": t.CreatedAt, "StartedAt": t.StartedAt, "Type": "NORMAL",
		"Limits":   map[string]any{"CPU": definition.Cpu},
		"Labels":   map[string]string{"com.amazonaws.ecs.cluster": aws.ToString(t.ClusterArn), "com.amazonaws.ecs.container-name": aws.ToString(c.Name), "com.amazonaws.ecs.task-arn": aws.ToString(t.TaskArn), "com.amazonaws.ecs.task-definition-family": aws.ToString(d.Family)},
		"Networks": []map[string]any{{"NetworkMode": "awsvpc", "IPv4Addresses": []string{t.Interface.Address}, "MACAddress": t.Interface.MAC}},
	}
	if to, ok := destination(t, definition); ok {
		m["LogDriver"] = "awslogs"
		m["LogOptions"] = map[string]string{"awslogs-group": to.group, "awslogs-region": to.region, "awslogs-stream": to.stream}
	}
	return m
}

func taskMetadata(t *task, d definition) map[string]any {
	memory, processors := size(t)
	return map[string]any{
		"Cluster": aws.ToString(t.ClusterArn), "TaskARN": aws.ToString(t.TaskArn), "Family": aws.ToString(d.Family), "Revision": revisionOf(t.Definition), "LaunchType": fargate,
		"DesiredStatus": aws.ToString(t.DesiredStatus), "KnownStatus": aws.ToString(t.LastStatus), "AvailabilityZone": aws.ToString(t.AvailabilityZone),
		"PullStartedAt": t.PullStartedAt, "PullStoppedAt": t.PullStoppedAt, "Limits": map[string]any{"CPU": float64(processors) / 1e9, "Memory": memory >> 20},
		"Containers": []map[string]any{containerMetadata(t, d)}, "TaskTags": tagMap(t.Tags),
	}
}

func revisionOf(key string) string { return key[strings.LastIndex(key, ":")+1:] }

func tagMap(tags []types.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// answerCredentials gives out those of a task's role, as the SDKs ask for them.
func (e *ECS) answerCredentials(w http.ResponseWriter, r *http.Request, id string) {
	t, known := e.tasks.Get(id)
	d, _ := e.definitions.Get(t.Definition)
	if !known || t.role(d) == "" {
		http.NotFound(w, r)
		return
	}
	role := t.role(d)
	c, err := e.config.Assume(r.Context(), role, id, roleFor)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]any{"RoleArn": role, "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.SessionToken, "Expiration": c.Expires.UTC().Format(time.RFC3339)})
}
