package calls

import (
	"sync"
	"time"
)

// Call is a request and what came of it.
type Call struct {
	Time      time.Time     `json:"time"`
	Service   string        `json:"service"`
	Operation string        `json:"operation"`
	Key       string        `json:"key,omitempty"` // who asked
	Input     string        `json:"input,omitempty"`
	Status    int           `json:"status"`
	Code      string        `json:"code,omitempty"` // of an error
	Fault     string        `json:"fault,omitempty"`
	Took      time.Duration `json:"took"`
}

// kept is how many calls are remembered.
const kept = 10_000

// Log remembers the last calls. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	ring  []Call
	total int
}

// Add remembers a call.
func (l *Log) Add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < kept {
		l.ring = append(l.ring, c)
	} else {
		l.ring[l.total%kept] = c
	}
	l.total++
}

// Last are the last n calls, the oldest first.
func (l *Log) Last(n int) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, len(l.ring))
	last := make([]Call, 0, n)
	for i := l.total - n; i < l.total; i++ {
		last = append(last, l.ring[i%kept])
	}
	return last
}
