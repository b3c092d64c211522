package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// The limits of one PutLogEvents.
const (
	mostEvents = 10_000
	mostBytes  = 1 << 20
	overhead   = 26 // bytes that each event counts for besides its message
	oldest     = 14 * day
	newest     = 2 * time.Hour
)

// token is what a writer once had to send with its next events; it is still told.
func (s *stream) token() string { return fmt.Sprintf("%056d", s.Next+1) }

func (l *Logs) putLogEvents(ctx context.Context, c *wire.Call, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, s, err := l.stream(c, in.LogGroupName, nil, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	now := l.now()
	rejected := types.RejectedLogEventsInfo{}
	var list []event
	for i, e := range in.LogEvents {
		at := aws.ToInt64(e.Timestamp)
		switch {
		case g.RetentionDays > 0 && at < now-int64(g.RetentionDays)*day.Milliseconds():
			rejected.ExpiredLogEventEndIndex = aws.Int32(int32(i) + 1)
		case at < now-oldest.Milliseconds():
			rejected.TooOldLogEventEndIndex = aws.Int32(int32(i) + 1)
		case at > now+newest.Milliseconds():
			if rejected.TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex = aws.Int32(int32(i))
			}
		default:
			list = append(list, event{At: at, Ingested: now, Message: aws.ToString(e.Message)})
		}
	}
	if err := l.append(ctx, g, s, list, 0); err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: aws.String(s.token())}
	if rejected != (types.RejectedLogEventsInfo{}) {
		out.RejectedLogEventsInfo = &rejected
	}
	return out, nil
}

func checkBatch(list []types.InputLogEvent) error {
	if len(list) == 0 || len(list) > mostEvents {
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and %d", mostEvents)
	}
	size, last := 0, int64(0)
	for _, e := range list {
		switch at := aws.ToInt64(e.Timestamp); {
		case e.Timestamp == nil || at < 0 || aws.ToString(e.Message) == "":
			return invalid("1 validation error detected: each log event has a timestamp, and a message of at least one character")
		case at < last:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		case at-aws.ToInt64(list[0].Timestamp) > day.Milliseconds():
			return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
		default:
			last = at
		}
		size += len(*e.Message) + overhead
	}
	if size > mostBytes {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, mostBytes)
	}
	return nil
}
