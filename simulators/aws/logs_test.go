//go:build linux

package aws_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sockerless/sockerless/simulators/aws/logs"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// TestLogEvents is of how events are put, and of the tokens by which they are got.
func TestLogEvents(t *testing.T) {
	c := newCloud(t)
	client := cloudwatchlogs.NewFromConfig(c.client("secret"))
	group, name := awssdk.String("g"), awssdk.String("s")
	put := func(events ...types.InputLogEvent) (*cloudwatchlogs.PutLogEventsOutput, error) {
		return client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: name, LogEvents: events})
	}
	now := time.Now().UnixMilli()
	event := func(at int64, text string) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: &at, Message: &text}
	}
	if _, err := put(event(now, "x")); code(err) != "ResourceNotFoundException" {
		t.Errorf("into no group: %v", err)
	}
	must(client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
	if _, err := put(event(now, "x")); code(err) != "ResourceNotFoundException" {
		t.Errorf("into no stream: %v", err)
	}
	must(client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: name}))
	if _, err := put(event(now, "x"), event(now-1, "y")); code(err) != "InvalidParameterException" {
		t.Errorf("out of order: %v", err)
	}
	const hour = int64(time.Hour / time.Millisecond)
	if _, err := put(event(now-25*hour, "x"), event(now, "y")); code(err) != "InvalidParameterException" {
		t.Errorf("over more than a day: %v", err)
	}
	var want []string
	var all []types.InputLogEvent
	for i := range 25 {
		text := fmt.Sprintf("event %d", i)
		want, all = append(want, text), append(all, event(now+int64(i/2), text))
	}
	must(put(all[6:]...))
	must(put(all[1:6]...)) // later, with earlier times
	out := must(put(event(now-14*24*hour-hour, "too old"), event(now-14*24*hour+hour, "x")))
	if awssdk.ToInt32(out.RejectedLogEventsInfo.TooOldLogEventEndIndex) != 1 {
		t.Errorf("%+v", out.RejectedLogEventsInfo)
	}
	out = must(put(event(now, "event 0"), event(now+3*hour, "too new")))
	if out.RejectedLogEventsInfo.TooNewLogEventStartIndex == nil || *out.RejectedLogEventsInfo.TooNewLogEventStartIndex != 1 {
		t.Errorf("%+v", out.RejectedLogEventsInfo)
	}
	want = append([]string{"x", "event 1", "event 0"}, want[2:]...) // those of one time in the order in which they came
	c.close()
	c.open()

	read := func(limit int32, fromHead bool) (got []string, pages int) {
		in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: name, Limit: &limit, StartFromHead: &fromHead}
		for {
			out := must(client.GetLogEvents(t.Context(), in))
			pages++
			var page []string
			for _, e := range out.Events {
				page = append(page, awssdk.ToString(e.Message))
			}
			next := out.NextForwardToken
			if !fromHead {
				next = out.NextBackwardToken
				got = append(page, got...)
			} else {
				got = append(got, page...)
			}
			if awssdk.ToString(next) == awssdk.ToString(in.NextToken) {
				return got, pages
			}
			in.NextToken = next
		}
	}
	for _, fromHead := range []bool{true, false} {
		if got, pages := read(7, fromHead); !slices.Equal(got, want) || pages != 5 {
			t.Errorf("from head %v: %d pages: %q", fromHead, pages, got)
		}
	}
	c.faults(faults.Rule{Kind: logs.EmptyPage, Count: 3})
	if got, pages := read(10, true); !slices.Equal(got, want) || pages != 7 {
		t.Errorf("with empty pages: %d: %q", pages, got)
	}

	filter := func(in cloudwatchlogs.FilterLogEventsInput) (got []string) {
		in.LogGroupName = group
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(client, &in)
		for pages.HasMorePages() {
			for _, e := range must(pages.NextPage(t.Context())).Events {
				got = append(got, awssdk.ToString(e.Message))
			}
		}
		return got
	}
	if got := filter(cloudwatchlogs.FilterLogEventsInput{Limit: awssdk.Int32(4)}); !slices.Equal(got, want) {
		t.Errorf("filtered by nothing: %q", got)
	}
	if got := filter(cloudwatchlogs.FilterLogEventsInput{FilterPattern: awssdk.String(`event "t 1" -11 -19`)}); !slices.Equal(got, []string{"event 1", "event 10", "event 12", "event 13", "event 14", "event 15", "event 16", "event 17", "event 18"}) {
		t.Errorf("filtered by terms: %q", got)
	}
	if got := filter(cloudwatchlogs.FilterLogEventsInput{StartTime: awssdk.Int64(now + 1), EndTime: awssdk.Int64(now + 2)}); !slices.Equal(got, []string{"event 2", "event 3"}) {
		t.Errorf("filtered by time: %q", got)
	}
	if _, err := client.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: awssdk.String("{ $.a = 1 }")}); code(err) != "InvalidParameterException" {
		t.Errorf("a pattern of JSON: %v", err)
	}
}

// TestLogFaults loses and delays what a task writes.
func TestLogFaults(t *testing.T) {
	k := newTasks(t)
	k.register(k.definition("f", "echo one; echo two; echo three"))
	k.faults(faults.Rule{Kind: faults.LogLost, Skip: 1, Count: 1}, faults.Rule{Kind: faults.LogLate, Skip: 1, For: time.Hour})
	arn := k.run(k.request("f"))
	k.wait(arn, isStopped)
	if got := k.output(arn); !slices.Equal(got, []string{"one"}) {
		t.Errorf("shown are %q", got)
	}
}
