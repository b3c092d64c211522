package runtime

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/events"
)

func TestParseFilters(t *testing.T) {
	for query, want := range map[string]bool{
		"": false, `{"label":["k=v"]}`: true, `{"label":{"k=v":true}}`: true,
	} {
		f, err := ParseFilters(query)
		if err != nil || f["label"]["k=v"] != want {
			t.Errorf("%q: %v, %v", query, f, err)
		}
	}
	for _, query := range []string{"xx", "[]", `{"a":1}`} {
		if _, err := ParseFilters(query); err == nil || err.Error() != "invalid filter" {
			t.Errorf("%q: %v", query, err)
		}
	}
	if err := (Filters{"zzz": {"x": true}}).check(listFilters); err == nil || err.Error() != "invalid filter 'zzz'" {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := (Filters{"dangling": {"bogus": true}}).boolean("dangling", false); err == nil || err.Error() != "invalid filter 'dangling=[bogus]'" {
		t.Errorf("no truth value: %v", err)
	}
}

func TestFilterMatches(t *testing.T) {
	labels := map[string]string{"k": "v", "empty": ""}
	f := func(key, value string) Filters { return Filters{key: {value: true}} }
	for _, test := range []struct {
		name      string
		got, want bool
	}{
		{"name is a regular expression", f("name", "^g.$").match("name", "g1"), true},
		{"name is a part", f("name", "eb").match("name", "web1"), true},
		{"broken expression is a text", f("name", "[").match("name", "["), true},
		{"no key", Filters{}.match("name", "x"), true},
		{"other name", f("name", "x").match("name", "y"), false},
		{"label with value", f("label", "k=v").labels("label", labels), true},
		{"label alone", f("label", "empty").labels("label", labels), true},
		{"label with other value", f("label", "k=w").labels("label", labels), false},
		{"all labels", Filters{"label": {"k": true, "z": true}}.labels("label", labels), false},
		{"label!", f("label!", "k").noLabels("label!", labels), false},
		{"beginning", f("container", "ab").fuzzy("container", "abc"), true},
		{"not the beginning", f("container", "bc").fuzzy("container", "abc"), false},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v", test.name, test.got)
		}
	}
}

func TestEventFilters(t *testing.T) {
	exec := events.Message{Type: events.ContainerEventType, Action: "exec_create: true ", Scope: "local", Actor: events.Actor{
		ID: "0123456789", Attributes: map[string]string{"name": "web", "image": "busybox:1", "k": "v"}}}
	for _, test := range []struct {
		f    Filters
		want bool
	}{
		{nil, true},
		{Filters{"event": {"exec_create": true}}, true},
		{Filters{"event": {"start": true}}, false},
		{Filters{"type": {"container": true}, "container": {"web": true}}, true},
		{Filters{"container": {"0123": true}}, true},
		{Filters{"container": {"other": true}}, false},
		{Filters{"image": {"busybox": true}}, true},
		{Filters{"image": {"alpine": true}}, false},
		{Filters{"label": {"k=v": true}}, true},
		{Filters{"volume": {"x": true}}, false},
		{Filters{"scope": {"swarm": true}}, false},
	} {
		if got := test.f.event(&exec); got != test.want {
			t.Errorf("%v: %v", test.f, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Unix(1000, 0)
	for value, want := range map[string]time.Time{
		"1795441984": time.Unix(1795441984, 0), "12.5": time.Unix(12, 5e8), "12.000000001": time.Unix(12, 1), "10m": now.Add(-10 * time.Minute),
		"2026-11-23T13:53:06Z": time.Date(2026, 11, 23, 13, 53, 6, 0, time.UTC), "2026-11-23": time.Date(2026, 11, 23, 0, 0, 0, 0, time.Local),
		"0": time.Unix(0, 0),
	} {
		if got, err := ParseTime(value, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", value, got, err)
		}
	}
	if _, err := ParseTime("nonsense", now); err == nil {
		t.Error("nonsense is a time")
	}
}
