package runtime

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/sockerless/sockerless/agent/spool"
)

// maxLine is how much of a line is one message, as in moby's daemon/logger/copier.go; a longer one is several, of which
// only the last has the newline.
const maxLine = 16 << 10

// message is a line of a log, or a piece of a long one.
type message struct {
	stream uint8
	at     time.Time
	text   []byte // with its newline, where it has one
}

// lines makes messages of the chunks that processes write, for each stream by itself.
type lines struct {
	emit func(message) error
	open [2]unfinished
}

// unfinished is a line whose end has not come yet.
type unfinished struct {
	text  []byte
	at    time.Time // of the latest chunk; of the first piece once one was emitted
	piece bool      // pieces of it were emitted
}

func (p *lines) add(stream uint8, at time.Time, data []byte) error {
	u := &p.open[stream-1]
	for len(data) > 0 {
		if !u.piece {
			u.at = at
		}
		part := data[:min(len(data), maxLine-len(u.text))]
		i := bytes.IndexByte(part, '\n')
		if i >= 0 {
			part = part[:i+1]
		}
		u.text = append(u.text, part...)
		data = data[len(part):]
		if i >= 0 || len(u.text) == maxLine {
			if err := p.finish(stream, i >= 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish emits what is there of a line.
func (p *lines) finish(stream uint8, whole bool) error {
	u := &p.open[stream-1]
	m := message{stream: stream, at: u.at, text: u.text}
	u.piece = !whole
	u.text = u.text[:0]
	return p.emit(m)
}

// flush emits what has no newline at the end of the log.
func (p *lines) flush() error {
	for i := range p.open {
		if len(p.open[i].text) > 0 {
			if err := p.finish(uint8(i+1), false); err != nil {
				return err
			}
		}
	}
	return nil
}

// tail emits the last n messages and returns the offset behind them. It reads backwards: the size of the log does not
// matter.
func tail(reader *spool.Reader, n int, p *lines) (int64, error) {
	end, err := reader.End()
	if err != nil {
		return 0, err
	}
	from, err := tailStart(reader, end, n)
	if err != nil {
		return 0, err
	}
	var last []message // the newest n
	emit := p.emit
	p.emit = func(m message) error {
		m.text = slices.Clone(m.text)
		if len(last) == n {
			last = slices.Delete(last, 0, 1)
		}
		last = append(last, m)
		return nil
	}
	for at := min(from[0], from[1]); at < end; {
		r, err := reader.Next(at)
		if err != nil {
			return 0, err
		}
		if at >= from[r.Stream-1] {
			if err := p.add(r.Stream, r.Time, r.Data); err != nil {
				return 0, err
			}
		}
		at = r.Next
	}
	p.emit = emit
	if n == 1 && len(p.open[1].text) > 0 {
		p.open[0].text = nil // of two open lines the second is the last
	}
	// A line that is open counts as one, and stays open for what follows.
	for i := range p.open {
		if len(p.open[i].text) > 0 {
			n--
		}
	}
	last = last[max(0, len(last)-n):]
	for _, m := range last {
		if err := emit(m); err != nil {
			return 0, err
		}
	}
	return end, nil
}

// maxSearch is how far tailStart looks for the beginning of a line, beyond the messages that are needed. Without a limit
// a program with one line on standard error would have all of its standard output read.
const maxSearch = 1 << 20

// tailStart finds for each stream an offset at which a line begins, such that there are at least n messages behind.
func tailStart(reader *spool.Reader, end int64, n int) (from [2]int64, err error) {
	var newlines, size [2]int // of what was read
	var found [2]bool
	enough := int64(-1) // where there were n messages
	for at := end; ; {
		r, err := reader.Before(at)
		if errors.Is(err, io.EOF) {
			for i := range found {
				if !found[i] {
					from[i] = 0
				}
			}
			return from, nil
		}
		if err != nil {
			return from, err
		}
		i := r.Stream - 1
		if enough >= 0 && !found[i] && r.Data[len(r.Data)-1] == '\n' {
			found[i], from[i] = true, r.Next
		}
		if enough >= 0 && (found[0] || size[0] == 0) && (found[1] || size[1] == 0) || enough-r.Offset > maxSearch && enough >= 0 {
			for i := range found {
				if !found[i] { // nothing of the stream is needed, or its line is taken to begin with a record, as most do
					from[i] = r.Next
				}
			}
			return from, nil
		}
		if enough < 0 {
			newlines[i] += bytes.Count(r.Data, []byte{'\n'})
			size[i] += len(r.Data)
		}
		at = r.Offset
		// The first line of each stream may be a piece of one, hence one more each; long lines are several messages.
		messages := 0
		for i := range newlines {
			messages += max(newlines[i]-1, 0, size[i]/maxLine-newlines[i]-1)
		}
		if enough < 0 && messages >= n {
			enough = at
		}
	}
}
