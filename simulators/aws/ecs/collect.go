package ecs

import (
	"bytes"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/simulators/aws/logs"
)

// stream is where the output of a task goes.
type stream struct {
	region, group, stream string
	create                bool // the group, if it is not there
}

// destination is where the log driver awslogs has the output go; ok is false where there is none.
func destination(t *task, c types.ContainerDefinition) (s stream, ok bool) {
	if c.LogConfiguration == nil {
		return s, false
	}
	o := c.LogConfiguration.Options
	name := o["awslogs-stream-prefix"] + "/" + aws.ToString(c.Name) + "/" + t.ID
	return stream{region: o["awslogs-region"], group: o["awslogs-group"], stream: name, create: o["awslogs-create-group"] == "true"}, true
}

// mostLines is how many lines are written at once.
const mostLines = 1000

// collect brings output to its log stream, from the line on that an earlier simulator came to.
func (e *ECS) collect(t *task) error {
	d, _ := e.definitions.Get(t.Definition)
	to, ok := destination(t, d.ContainerDefinitions[0])
	if !ok {
		return nil
	}
	skip, err := e.config.Logs.Stream(e.ctx, to.region, to.group, to.stream)
	if err != nil {
		return err
	}
	output, err := e.config.Machine.ContainerLogs(e.ctx, t.ID, runtime.LogsOptions{Follow: true, Stdout: true, Stderr: true, Timestamps: true, Tail: -1})
	if err != nil {
		return err
	}
	lines, done := make(chan logs.Line, mostLines), make(chan error, 1)
	go func() {
		defer close(lines)
		done <- output.Each(e.ctx, func(_ byte, line []byte) error {
			if skip > 0 {
				skip--
				return nil
			}
			stamp, text, _ := bytes.Cut(line, []byte(" "))
			at, err := time.Parse(time.RFC3339Nano, string(stamp))
			if err != nil {
				return err
			}
			select {
			case lines <- logs.Line{At: at, Text: string(bytes.TrimSuffix(text, []byte("\n")))}:
				return nil
			case <-e.ctx.Done():
				return e.ctx.Err()
			}
		})
	}()
	var failure error
	for line := range lines {
		batch := []logs.Line{line}
		for len(lines) > 0 && len(batch) < mostLines {
			batch = append(batch, <-lines)
		}
		if failure == nil { // after a failure the rest is only taken off
			failure = e.config.Logs.Append(e.ctx, "ecs", to.region, to.group, to.stream, batch)
		}
	}
	if err := <-done; err != nil {
		return err
	}
	return failure
}
