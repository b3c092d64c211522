package logs

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
)

// EmptyPage is the fault that a page of events is empty though there are more: its token leads on.
const EmptyPage faults.Kind = "log-empty"

// within are the events of a span, from start on and before end, in milliseconds.
func within(list []event, start, end *int64) []event {
	return slices.DeleteFunc(list, func(e event) bool {
		return start != nil && e.At < *start || end != nil && e.At >= *end
	})
}

// pageOf is the first, or the last, of events: not more than limit, nor than an answer holds.
func pageOf(list []event, limit *int32, last bool) []event {
	most := mostEvents
	if n := int(aws.ToInt32(limit)); n > 0 && n < most {
		most = n
	}
	size, n := 0, 0
	for n < len(list) && n < most {
		e := list[n]
		if last {
			e = list[len(list)-1-n]
		}
		if size += len(e.Message) + overhead; size > mostBytes && n > 0 {
			break
		}
		n++
	}
	if last {
		return list[len(list)-n:]
	}
	return list[:n]
}

// getLogEvents pages by position: a token is "f/" or "b/" and the id of the event that a page goes on behind, or before. At the end
// a token comes back as it was.
func (l *Logs) getLogEvents(_ context.Context, c *wire.Call, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, s, err := l.stream(c, in.LogGroupName, in.LogGroupIdentifier, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	list := within(l.visible(g, s), in.StartTime, in.EndTime)
	at := fmt.Sprintf("%056d", s.Created)
	back := !aws.ToBool(in.StartFromHead)
	if token := aws.ToString(in.NextToken); token != "" {
		direction, id, ok := strings.Cut(token, "/")
		if !ok || len(id) != len(at) || direction != "f" && direction != "b" {
			return nil, invalid("The specified nextToken is invalid.")
		}
		at, back = id, direction == "b"
		list = slices.DeleteFunc(list, func(e event) bool { return back && e.id() >= at || !back && e.id() <= at })
		if _, hit := l.config.Faults.Hit(EmptyPage, "logs", "GetLogEvents"); hit && !back && len(list) > 0 {
			list, at = nil, following(at)
		}
	} else if _, hit := l.config.Faults.Hit(EmptyPage, "logs", "GetLogEvents"); hit && !back {
		list = nil
	}
	first, last := at, at
	page := pageOf(list, in.Limit, back)
	if len(page) > 0 {
		first, last = page[0].id(), page[len(page)-1].id()
	}
	out := &cloudwatchlogs.GetLogEventsOutput{Events: []types.OutputLogEvent{}, NextForwardToken: aws.String("f/" + last), NextBackwardToken: aws.String("b/" + first)}
	for _, e := range page {
		out.Events = append(out.Events, types.OutputLogEvent{Timestamp: aws.Int64(e.At), Message: aws.String(e.Message), IngestionTime: aws.Int64(e.Ingested)})
	}
	return out, nil
}

// following is the next id after one: that of no event, since those are a spread apart.
func following(id string) string {
	n, _ := new(big.Int).SetString(id, 10)
	if n == nil {
		return id
	}
	return fmt.Sprintf("%056d", n.Add(n, big.NewInt(1)))
}

// found is an event of a stream.
type found struct {
	event
	stream string
}

func (f found) key() string { return f.id() + "/" + f.stream }

func (l *Logs) filterLogEvents(_ context.Context, c *wire.Call, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	matches, err := pattern(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalid("Only one of logStreamNames and logStreamNamePrefix can be specified")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, err := l.group(c, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	after, err := base64.StdEncoding.DecodeString(aws.ToString(in.NextToken))
	if err != nil {
		return nil, invalid("The specified nextToken is invalid.")
	}
	for _, name := range in.LogStreamNames {
		if g.streams[name] == nil {
			return nil, missing("log stream")
		}
	}
	var list []found
	for _, name := range g.names() {
		if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, name) || !strings.HasPrefix(name, aws.ToString(in.LogStreamNamePrefix)) {
			continue
		}
		for _, e := range within(l.visible(g, g.streams[name]), in.StartTime, in.EndTime) {
			if f := (found{e, name}); matches(e.Message) && f.key() > string(after) {
				list = append(list, f)
			}
		}
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.key(), b.key()) })
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: []types.FilteredLogEvent{}, SearchedLogStreams: []types.SearchedLogStream{}}
	if _, hit := l.config.Faults.Hit(EmptyPage, "logs", "FilterLogEvents"); hit && len(list) > 0 {
		out.NextToken = aws.String(base64.StdEncoding.EncodeToString(append(after, '0')))
		return out, nil
	}
	page := list
	if most := cmp.Or(int(aws.ToInt32(in.Limit)), mostEvents); len(page) > most {
		page = page[:most]
		out.NextToken = aws.String(base64.StdEncoding.EncodeToString([]byte(page[most-1].key())))
	}
	for _, f := range page {
		out.Events = append(out.Events, types.FilteredLogEvent{
			EventId: aws.String(f.id()), LogStreamName: aws.String(f.stream), Timestamp: aws.Int64(f.At), Message: aws.String(f.Message), IngestionTime: aws.Int64(f.Ingested)})
	}
	return out, nil
}

// pattern tells which messages a filter pattern means: those with all its terms, with one of those with a "?", and with none of
// those with a "-". A term may be in quotes.
func pattern(text string) (func(message string) bool, error) {
	text = strings.TrimSpace(text)
	if text != "" && strings.ContainsAny(text[:1], "{[%") {
		return nil, invalid("the simulator has no patterns for JSON, columns or regular expressions: %s", text)
	}
	var all, some, none []string
	for text != "" {
		into := &all
		switch text[0] {
		case '?':
			into, text = &some, text[1:]
		case '-':
			into, text = &none, text[1:]
		}
		term := ""
		if rest, quoted := strings.CutPrefix(text, `"`); quoted {
			var closed bool
			if term, text, closed = strings.Cut(rest, `"`); !closed {
				return nil, invalid("Invalid filter pattern: a quote is not closed")
			}
		} else {
			term, text, _ = strings.Cut(text, " ")
		}
		*into = append(*into, term)
		text = strings.TrimSpace(text)
	}
	return func(message string) bool {
		has := func(term string) bool { return strings.Contains(message, term) }
		lacks := func(term string) bool { return !has(term) }
		return !slices.ContainsFunc(all, lacks) && !slices.ContainsFunc(none, has) && (len(some) == 0 || slices.ContainsFunc(some, has))
	}, nil
}
