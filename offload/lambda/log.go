package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sockerless/sockerless/agent/inside"
	"github.com/sockerless/sockerless/offload"
	cloud "github.com/sockerless/sockerless/offload/aws"
)

// invocation is what the log says of one.
type invocation struct {
	at     time.Time // of its first line
	note   string    // of its agent
	tags   map[string]string
	ended  bool
	kind   string // of an error: "Runtime.ExitError"
	reason string
	exit   *int
}

// invocations are those of a log, by the id of their request.
type invocations map[string]*invocation

// pattern finds the lines that tell of invocations: those of Lambda, and the notes of agents.
const pattern = `?"START RequestId: " ?"REPORT RequestId: " ?"Runtime exited" ?"Task timed out after" ?"sockerless-agent"`

// late is by how much the clock of who asks may be before that of the log.
const late = time.Minute

// read is what the log tells of the invocations since then. It may be late by some seconds, and it may lack lines.
func (d *Driver) read(ctx context.Context, since time.Time) (invocations, error) {
	all := invocations{}
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(d.logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(d.settings.LogGroup), StartTime: aws.Int64(since.Add(-late).UnixMilli()), FilterPattern: aws.String(pattern)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var none *types.ResourceNotFoundException
		if errors.As(err, &none) {
			return all, nil // nothing was ever invoked
		}
		if err != nil {
			return nil, cloud.Classify("read the log of functions", err)
		}
		for _, e := range page.Events {
			all.add(time.UnixMilli(aws.ToInt64(e.Timestamp)), aws.ToString(e.Message))
		}
	}
	return all, nil
}

// The lines of Lambda.
var (
	startLine  = regexp.MustCompile(`^START RequestId: (\S+)`)
	reportLine = regexp.MustCompile(`^REPORT RequestId: (\S+)\s(.*)`)
	failedKind = regexp.MustCompile(`Error Type: (\S+)`)
	exitLine   = regexp.MustCompile(`^RequestId: (\S+) Error: (Runtime exited (?:with error: (exit status|signal:) (.*)|.*))`)
	limitLine  = regexp.MustCompile(`^\S+ (\S+) (Task timed out after .* seconds)`)
)

// add takes what a line tells.
func (all invocations) add(at time.Time, line string) {
	line = strings.TrimSpace(line)
	of := func(request string) *invocation {
		i := all[request]
		if i == nil {
			i = &invocation{at: at}
			all[request] = i
		}
		return i
	}
	var note inside.Note
	if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &note) == nil && note.Said != "" {
		i := of(note.Request)
		i.note, i.tags = note.Said, note.Tags
		return
	}
	if m := startLine.FindStringSubmatch(line); m != nil {
		of(m[1])
	} else if m := reportLine.FindStringSubmatch(line); m != nil {
		i := of(m[1])
		i.ended = true
		if k := failedKind.FindStringSubmatch(m[2]); k != nil {
			i.kind = k[1]
		} else if strings.Contains(m[2], "Status: timeout") {
			i.kind = "Sandbox.Timedout"
		}
	} else if m := exitLine.FindStringSubmatch(line); m != nil {
		i := of(m[1])
		i.reason, i.exit = m[2], exitCode(m[3], m[4])
	} else if m := limitLine.FindStringSubmatch(line); m != nil {
		of(m[1]).reason = m[2]
	}
}

// exitCode is that of "exit status 7" and of "signal: killed", as far as the name of the signal is known.
func exitCode(what, how string) *int {
	code, err := strconv.Atoi(how)
	switch {
	case what == "exit status" && err == nil:
	case what == "signal:" && how == "killed":
		code = 128 + 9
	case what == "signal:" && how == "terminated":
		code = 128 + 15
	default:
		return nil
	}
	return &code
}

// status is how a task is. An invocation whose agent was refused is not the task's: another one is, that an earlier try has started.
// One of which the log does not tell the end has ended when it could not run any more.
func (all invocations) status(h offload.Handle, now time.Time, longest time.Duration) offload.Status {
	s := offload.Status{Handle: h, State: offload.Pending}
	i := all[h.ID]
	for _, other := range all {
		if other.note == inside.NoteAdmitted && other.tags[offload.TagAttempt] == h.Attempt {
			i = other
			break
		}
	}
	switch {
	case i != nil && i.ended && i.note != inside.NoteRefused:
		s.State, s.Code, s.Reason, s.ExitCode = offload.Stopped, i.kind, i.reason, i.exit
	case now.Sub(asked(h)) > longest+late:
		s.State, s.Code, s.NoRoom = offload.Stopped, "Unknown", i == nil
		s.Reason = "its log does not say how it ended, and its time is over"
	case i != nil && i.note == inside.NoteAdmitted:
		s.State = offload.Running
	}
	return s
}
