package runtime

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/api/types/events"
)

func TestEventsAreReplayedAndFollowed(t *testing.T) {
	e := &Engine{events: newJournal(), rest: time.NewTimer(restAfter)}
	publish := func(i int) { e.publish(events.ImageEventType, events.ActionPull, strconv.Itoa(i), nil) }
	for i := range kept + 10 {
		publish(i)
	}
	sub, err := e.Events(t.Context(), EventsOptions{Since: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	publish(kept + 10) // the oldest of those that the subscription has to come is overwritten by it
	if _, err := sub.Next(t.Context()); !errors.Is(err, errSlow) {
		t.Fatalf("a reader that was overtaken: %v", err)
	}
	sub, err = e.Events(t.Context(), EventsOptions{Since: time.Unix(1, 0), Until: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for i := 11; i < kept+11; i++ {
		m, err := sub.Next(t.Context())
		if err != nil || m.Actor.ID != strconv.Itoa(i) {
			t.Fatalf("event %s, %v, want %d", m.Actor.ID, err, i)
		}
	}
	if _, err := sub.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after until: %v", err)
	}
	live, err := e.Events(t.Context(), EventsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	go publish(-1)
	if m, err := live.Next(t.Context()); err != nil || m.Actor.ID != "-1" {
		t.Errorf("new event %+v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := live.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away: %v", err)
	}
}
