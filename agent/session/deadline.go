package session

import (
	"sync"
	"time"
)

// deadline is a moment after which waiting on a condition ends. The condition's lock guards it.
type deadline struct {
	cond    *sync.Cond
	timer   *time.Timer
	set     int // how often it was set: a timer that was stopped too late knows by it
	expired bool
}

func (d *deadline) reset(t time.Time) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.set++
	d.expired = false
	if t.IsZero() {
		return
	}
	if wait := time.Until(t); wait > 0 {
		set := d.set
		d.timer = time.AfterFunc(wait, func() {
			d.cond.L.Lock()
			defer d.cond.L.Unlock()
			if d.set == set {
				d.expired = true
				d.cond.Broadcast()
			}
		})
		return
	}
	d.expired = true
	d.cond.Broadcast()
}
