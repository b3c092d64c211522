package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/faults"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	State   state.Store
	Faults  *faults.Set
	Now     func() time.Time
}

// group is one by region and name.
type group struct {
	Region, Name  string
	Created       int64 // milliseconds
	Class         types.LogGroupClass
	RetentionDays int32 // 0 is for ever
	Protected     bool  // from deletion
	Tags          map[string]string

	streams map[string]*stream
}

// stream is one of a group.
type stream struct {
	ID      string // of its events' keys
	Name    string
	Created int64
	Taken   int64 // lines of a task that were taken in, those that a fault lost too
	Next    int64 // number of the next event

	events []event // in the order of their ids
}

// event is one as it is kept.
type event struct {
	Number   int64
	At       int64 // milliseconds, as the writer has it
	Ingested int64 // when it came, or when it shows
	Message  string
}

// spread is between the numbers in ids, so that a token can be between two events.
const spread = 1000

// id is an event's: 56 digits that are in order.
func (e event) id() string { return fmt.Sprintf("%020d%036d", e.At, e.Number*spread) }

func byID(a, b event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Number, b.Number)) }

// Logs is the service. It is safe for concurrent use.
type Logs struct {
	config Config
	mu     sync.Mutex
	groups map[string]*group // by region and name
}

const (
	groupPrefix  = "logs/group/"
	streamPrefix = "logs/stream/"
	eventPrefix  = "logs/event/"
)

func groupKey(region, name string) string { return region + "/" + name }

// streamKey has no byte that names may have between its parts.
func streamKey(g *group, name string) string {
	return streamPrefix + groupKey(g.Region, g.Name) + ":" + name
}

func eventKey(s *stream, number int64) string {
	return fmt.Sprintf("%s%s/%020d", eventPrefix, s.ID, number)
}

// Open finds what an earlier simulator kept.
func Open(config Config) (*Logs, error) {
	l := &Logs{config: config, groups: map[string]*group{}}
	byStream := map[string][]event{}
	err := config.State.Scan(eventPrefix, func(key string, value []byte) error {
		var e event
		id, _, _ := strings.Cut(strings.TrimPrefix(key, eventPrefix), "/")
		err := json.Unmarshal(value, &e)
		byStream[id] = append(byStream[id], e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the events of logs again: %w", err)
	}
	err = config.State.Scan(groupPrefix, func(key string, value []byte) error {
		g := &group{streams: map[string]*stream{}}
		err := json.Unmarshal(value, g)
		l.groups[strings.TrimPrefix(key, groupPrefix)] = g
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the groups of logs again: %w", err)
	}
	err = config.State.Scan(streamPrefix, func(key string, value []byte) error {
		s := &stream{}
		if err := json.Unmarshal(value, s); err != nil {
			return err
		}
		s.events = byStream[s.ID]
		slices.SortFunc(s.events, byID)
		in, _, _ := strings.Cut(strings.TrimPrefix(key, streamPrefix), ":")
		if g := l.groups[in]; g != nil {
			g.streams[s.Name] = s
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the streams of logs again: %w", err)
	}
	return l, nil
}

// Service is what it can do.
func (l *Logs) Service() *wire.Service {
	return &wire.Service{
		Name: "logs", Protocol: wire.JSON(schemas.Logs_20140328),
		Operations: map[string]wire.Operation{
			"CreateLogGroup":        wire.Op(l.createLogGroup),
			"DeleteLogGroup":        wire.Op(l.deleteLogGroup),
			"DescribeLogGroups":     wire.Op(l.describeLogGroups),
			"PutRetentionPolicy":    wire.Op(l.putRetentionPolicy),
			"DeleteRetentionPolicy": wire.Op(l.deleteRetentionPolicy),
			"CreateLogStream":       wire.Op(l.createLogStream),
			"DeleteLogStream":       wire.Op(l.deleteLogStream),
			"DescribeLogStreams":    wire.Op(l.describeLogStreams),
			"PutLogEvents":          wire.Op(l.putLogEvents),
			"GetLogEvents":          wire.Op(l.getLogEvents),
			"FilterLogEvents":       wire.Op(l.filterLogEvents),
			"TagResource":           wire.Op(l.tagResource),
			"UntagResource":         wire.Op(l.untagResource),
			"ListTagsForResource":   wire.Op(l.listTagsForResource),
		},
	}
}

func invalid(format string, args ...any) error {
	return &wire.Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}

func missing(what string) error {
	return &wire.Error{Code: "ResourceNotFoundException", Message: "The specified " + what + " does not exist."}
}

func exists(what string) error {
	return &wire.Error{Code: "ResourceAlreadyExistsException", Message: "The specified " + what + " already exists"}
}

func (l *Logs) now() int64 { return l.config.Now().UnixMilli() }

// group finds one by its name or its ARN. l.mu is held.
func (l *Logs) group(c *wire.Call, name, identifier *string) (*group, error) {
	of := aws.ToString(name)
	if of == "" {
		of = nameOf(aws.ToString(identifier))
	}
	if of == "" {
		return nil, invalid("1 validation error detected: a log group name is required")
	}
	g := l.groups[groupKey(c.Region, of)]
	if g == nil {
		return nil, missing("log group")
	}
	return g, nil
}

// nameOf is the group in an ARN, or the name that it is already.
func nameOf(identifier string) string {
	if _, rest, ok := strings.Cut(identifier, ":log-group:"); ok && strings.HasPrefix(identifier, "arn:") {
		return strings.TrimSuffix(rest, ":*")
	}
	return identifier
}

func (l *Logs) arn(g *group) string {
	return fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", g.Region, l.config.Account, g.Name)
}

// keep writes a group down. l.mu is held.
func (l *Logs) keep(ctx context.Context, g *group) error {
	value, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return l.config.State.Update(ctx, state.Put(groupPrefix+groupKey(g.Region, g.Name), value))
}

// change writes a group down as f makes it; nothing is changed where that fails. l.mu is held.
func (l *Logs) change(ctx context.Context, g *group, f func(g *group)) error {
	next := *g
	next.Tags = maps.Clone(g.Tags)
	f(&next)
	if err := l.keep(ctx, &next); err != nil {
		return err
	}
	*g = next
	return nil
}

// visible are the events of a stream that show now: those of a fault come later, and old ones are gone. l.mu is held.
func (l *Logs) visible(g *group, s *stream) []event {
	now := l.now()
	oldest := int64(0)
	if g.RetentionDays > 0 {
		oldest = now - int64(g.RetentionDays)*day.Milliseconds()
	}
	var list []event
	for _, e := range s.events {
		if e.Ingested <= now && e.At >= oldest {
			list = append(list, e)
		}
	}
	return list
}

const day = 24 * time.Hour

// append adds events to a stream, and counts lines that were taken of a task. l.mu is held.
func (l *Logs) append(ctx context.Context, g *group, s *stream, list []event, taken int64) error {
	next := *s
	next.Taken += taken
	var changes []state.Change
	for i := range list {
		list[i].Number = next.Next
		next.Next++
		value, err := json.Marshal(list[i])
		if err != nil {
			return err
		}
		changes = append(changes, state.Put(eventKey(s, list[i].Number), value))
	}
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := l.config.State.Update(ctx, append(changes, state.Put(streamKey(g, s.Name), value))...); err != nil {
		return err
	}
	s.Taken, s.Next = next.Taken, next.Next
	for _, e := range list {
		at, _ := slices.BinarySearchFunc(s.events, e, byID)
		s.events = slices.Insert(s.events, at, e)
	}
	return nil
}
