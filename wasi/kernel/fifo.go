package kernel

import (
	"context"
	"os"
	"syscall"
)

// inode names a FIFO of the tree.
type inode struct{ dev, ino uint64 }

// fifo is a FIFO that somebody has open.
type fifo struct {
	pipe
	key     inode
	opens   int // processes that have it open or wait for the other end
	readers int // that ever came, so that a writer that waits sees one that has gone again
	writers int
}

// openFIFO opens a FIFO as fifo(7) says: a reader waits for a writer and a writer for a reader; with O_RDWR nobody waits.
func (p *Process) openFIFO(key inode, flag int) (*File, error) {
	t := p.table
	t.mu.Lock()
	q := t.fifos[key]
	if q == nil {
		q = &fifo{key: key}
		if t.fifos == nil {
			t.fifos = map[inode]*fifo{}
		}
		t.fifos[key] = q
	}
	q.opens++
	t.mu.Unlock()

	end := &fifoEnd{table: t, fifo: q}
	switch flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR) {
	case os.O_RDWR:
		end.reads, end.writes = 1, 1
	case os.O_WRONLY:
		end.writes = 1
	default:
		end.reads = 1
	}
	p.blocked()
	err := end.meet(p.ctx)
	killed := p.stand()
	p.computes()
	if killed != nil {
		err = killed
	}
	if err != nil {
		_ = end.Close()
		return nil, err
	}
	return NewFile(end), nil
}

// meet enters this end and waits for the other one.
func (e *fifoEnd) meet(ctx context.Context) error {
	q := e.fifo
	q.mu.Lock()
	defer q.mu.Unlock()
	seenReaders, seenWriters := q.readers, q.writers
	q.pipe.readers += e.reads
	q.pipe.writers += e.writes
	q.readers += e.reads
	q.writers += e.writes
	q.change()
	for e.writes == 0 && q.pipe.writers == 0 && q.writers == seenWriters ||
		e.reads == 0 && q.pipe.readers == 0 && q.readers == seenReaders {
		if err := q.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fifoEnd is a FIFO as a process has it open.
type fifoEnd struct {
	table         *Table
	fifo          *fifo
	reads, writes int
}

func (e *fifoEnd) Read(ctx context.Context, b []byte) (int, error) {
	if e.reads == 0 {
		return 0, syscall.EBADF
	}
	return e.fifo.read(ctx, b)
}

func (e *fifoEnd) Write(ctx context.Context, b []byte) (int, error) {
	if e.writes == 0 {
		return 0, syscall.EBADF
	}
	return e.fifo.write(ctx, b)
}

func (e *fifoEnd) Readable() bool { return e.fifo.readable() }

func (e *fifoEnd) Close() error {
	e.fifo.close(e.reads, e.writes)
	e.table.mu.Lock()
	defer e.table.mu.Unlock()
	if e.fifo.opens--; e.fifo.opens == 0 {
		delete(e.table.fifos, e.fifo.key)
	}
	return nil
}
