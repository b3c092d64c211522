package image

import (
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// Progress is one line of a pull, a push or a load, in dockerd's words.
type Progress struct {
	ID     string // short digest of the layer, or the tag for "Pulling from"; may be empty
	Status string // "Downloading"
	// Layer tells that the line is about a layer: in Docker's JSON it has a progressDetail then, even an empty one.
	Layer          bool
	Current, Total int64 // bytes of the layer, for "Downloading", "Extracting", "Pushing" and the like; else 0
	// Text is what a load prints; the other fields are empty then.
	Text string
	// Pushed is what a push did, behind the line that says so.
	Pushed *Pushed
}

// Pushed is a tag as it is in a registry now.
type Pushed struct {
	Tag    string
	Digest digest.Digest // of its manifest
	Size   int           // of its manifest
}

// reporter passes lines on, one at a time.
type reporter struct {
	mu   sync.Mutex
	send func(Progress)
}

func (r *reporter) report(p Progress) {
	if r.send == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send(p)
}

func (r *reporter) message(id, status string) { r.report(Progress{ID: id, Status: status}) }
func (r *reporter) layer(id string, status string) {
	r.report(Progress{ID: id, Status: status, Layer: true})
}

// meter reports how far an action has come as often as dockerd does: after 1% or 512 KiB, ten times a second at most,
// and at the end.
type meter struct {
	reporter *reporter
	id       string
	action   string
	total    int64
	last     int64
	when     time.Time
}

func (m *meter) at(current int64) {
	if current == m.last {
		return
	}
	if current < m.total {
		if current-m.last < min(512<<10, m.total/100) || time.Since(m.when) < 100*time.Millisecond {
			return
		}
	}
	m.last, m.when = current, time.Now()
	m.reporter.report(Progress{ID: m.id, Status: m.action, Layer: true, Current: current, Total: m.total})
}

// meteredReader reports what was read through it.
type meteredReader struct {
	io.Reader
	meter *meter
	n     int64
}

func (r *meteredReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += int64(n)
	r.meter.at(r.n)
	return n, err
}
