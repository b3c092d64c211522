package logs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/sockerless/sockerless/simulators/internal/faults"
	"github.com/sockerless/sockerless/store/state"
)

// Line is what a task writes.
type Line struct {
	At   time.Time
	Text string
}

// Group is made, if it is not there.
func (l *Logs) Group(ctx context.Context, region, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups[groupKey(region, name)] != nil {
		return nil
	}
	g := &group{Region: region, Name: name, Created: l.now(), Class: "STANDARD", streams: map[string]*stream{}}
	if err := l.keep(ctx, g); err != nil {
		return err
	}
	l.groups[groupKey(region, name)] = g
	return nil
}

// Stream makes a stream of a group, or finds it again, and tells how many lines it took from [Logs.Append]. Errors: as of
// CreateLogStream.
func (l *Logs) Stream(ctx context.Context, region, name, streamName string) (taken int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[groupKey(region, name)]
	if g == nil {
		return 0, missing("log group")
	}
	if s := g.streams[streamName]; s != nil {
		return s.Taken, nil
	}
	_, err = l.newStream(ctx, g, streamName)
	return 0, err
}

// newStream makes a stream. l.mu is held.
func (l *Logs) newStream(ctx context.Context, g *group, name string) (*stream, error) {
	s := &stream{ID: rand.Text(), Name: name, Created: l.now()}
	value, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if err := l.config.State.Update(ctx, state.Put(streamKey(g, name), value)); err != nil {
		return nil, err
	}
	g.streams[name] = s
	return s, nil
}

// Append adds the next lines of a task of a service to a stream. As with the real driver there is no event for an empty line. Which of them come
// late, or not at all, is for the faults to say.
func (l *Logs) Append(ctx context.Context, service, region, name, streamName string, lines []Line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[groupKey(region, name)]
	if g == nil {
		return missing("log group")
	}
	s := g.streams[streamName]
	if s == nil {
		return missing("log stream")
	}
	var list []event
	for _, line := range lines {
		if line.Text == "" {
			continue
		}
		if _, lost := l.config.Faults.Hit(faults.LogLost, service, "task"); lost {
			continue
		}
		e := event{At: line.At.UnixMilli(), Ingested: l.now(), Message: line.Text}
		if r, late := l.config.Faults.Hit(faults.LogLate, service, "task"); late {
			e.Ingested += r.For.Milliseconds()
		}
		list = append(list, e)
	}
	return l.append(ctx, g, s, list, int64(len(lines)))
}

// Group is one as a page shows it.
type Group struct {
	Region, Name string
	Streams      []string
}

// Groups are all that there are.
func (l *Logs) Groups() []Group {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Group
	for _, g := range l.inOrder() {
		list = append(list, Group{Region: g.Region, Name: g.Name, Streams: g.names()})
	}
	return list
}

// Text are the lines of a stream that show now.
func (l *Logs) Text(region, name, streamName string) []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[groupKey(region, name)]
	if g == nil || g.streams[streamName] == nil {
		return nil
	}
	var lines []Line
	for _, e := range l.visible(g, g.streams[streamName]) {
		lines = append(lines, Line{At: time.UnixMilli(e.At), Text: e.Message})
	}
	return lines
}
