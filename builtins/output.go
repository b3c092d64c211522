package builtins

import (
	"bufio"
	"bytes"
	"context"
	"io"
)

// output is a command's buffered standard output. On a terminal every line is written at once.
type output struct {
	*bufio.Writer
	p      *Process
	byLine bool
}

// liveWriter fails once the command is killed.
type liveWriter struct {
	ctx context.Context
	w   io.Writer
}

func (l liveWriter) Write(b []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	return l.w.Write(b)
}

func (p *Process) output() *output {
	return &output{
		Writer: bufio.NewWriterSize(liveWriter{p.Context, p.Stdout}, blockSize),
		p:      p,
		byLine: p.System != nil && p.System.IsTerminal(1),
	}
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if o.byLine && bytes.IndexByte(b, '\n') >= 0 {
		err = o.Flush()
	}
	return n, err
}

func (o *output) WriteString(s string) (int, error) {
	if o.byLine {
		return o.Write([]byte(s))
	}
	return o.Writer.WriteString(s)
}

func (o *output) WriteByte(c byte) error {
	if o.byLine {
		_, err := o.Write([]byte{c})
		return err
	}
	return o.Writer.WriteByte(c)
}

// line writes a line and its delimiter.
func (o *output) line(b []byte, delim byte) {
	o.Writer.Write(b)
	o.WriteByte(delim)
}

// broken says whether an earlier write failed, after which a command need not go on.
func (o *output) broken() bool {
	_, err := o.Writer.Write(nil)
	return err != nil
}

// finish flushes and returns the exit status: status, or 1 if something could not be written. A reader that has gone
// away is no reason for a message.
func (o *output) finish(status int) int {
	return o.finishOr(status, 1)
}

// finishOr is finish for commands whose status for trouble is not 1.
func (o *output) finishOr(status, trouble int) int {
	err := o.Flush()
	if err == nil {
		return status
	}
	if !endsOutput(err) && o.p.Context.Err() == nil {
		o.p.Errorf("write error: %s", strerror(err))
	}
	return max(status, trouble)
}

// outputTo is a buffered output to another place than standard output.
func (p *Process) outputTo(w io.Writer) *output {
	return &output{Writer: bufio.NewWriterSize(liveWriter{p.Context, w}, blockSize), p: p}
}
