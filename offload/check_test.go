package offload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// checked is a driver that finds something.
type checked struct {
	*mortal
	findings []Finding
	err      error
}

func (c checked) Check(context.Context) ([]Finding, error) { return c.findings, c.err }

func TestCheck(t *testing.T) {
	ok, absent, unknown := Finding{"credentials", Present, "of somebody"}, Finding{"cluster", Absent, "make one"}, Finding{"role", Unknown, "no right to look"}
	for _, test := range []struct {
		name     string
		findings []Finding
		err      error
		start    func(*platform, *fakeTask) error
		tasks    int
		want     []Verdict
		says     string // of the last one
	}{
		{"all is there", []Finding{ok, unknown}, nil, idleAgent, 1, []Verdict{Present, Unknown, Present}, "its agent has answered"},
		{"something is missing", []Finding{ok, absent}, nil, idleAgent, 0, []Verdict{Present, Absent, Unknown}, "not tried"},
		{"the rest cannot be known", []Finding{ok}, errors.New("out of order"), idleAgent, 0, []Verdict{Present, Absent, Unknown}, "not tried"},
		{"the agent does not answer", nil, nil, silent, 1, []Verdict{Absent}, "has not answered within 1s"},
		{"the task does not start", nil, nil, func(*platform, *fakeTask) error { return errdefs.ErrFailedPrecondition.WithMessage("no such role") }, 0, []Verdict{Absent}, "no such role"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.platform.start = test.start
			b, m := w.server(true)
			b.driver = checked{m, test.findings, test.err}
			if test.name == "the agent does not answer" {
				b.config.CheckTimeout = time.Second // at once, by the clock of the world
			}
			var got []Verdict
			var last Finding
			b.Check(t.Context(), w.task("check"), func(f Finding) { got, last = append(got, f.Verdict), f })
			if !slices.Equal(got, test.want) || last.What != "task" || !strings.Contains(last.Detail, test.says) {
				t.Errorf("%v, at last %+v", got, last)
			}
			if _, _, ever := w.platform.count("check"); ever != test.tasks {
				t.Errorf("%d tasks", ever)
			}
			b.group.Wait()
			w.settle(b)
			w.empty(b)
		})
	}
}
