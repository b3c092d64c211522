package content

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// maxFutile is the number of attempts in a row that may bring nothing new before the download fails.
const maxFutile = 5

// download brings the flight's file to its full length and verifies it. It returns the size. After an error the file
// is kept where it has a beginning to resume from.
func (s *Store) download(ctx context.Context, f *flight, r Request) (int64, error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	t := &transfer{store: s, flight: f, request: r, file: file, hash: f.digest.Algorithm().Hash()}
	err = errors.Join(t.verified(ctx), file.Close())
	if err != nil && t.offset == 0 {
		err = errors.Join(err, os.Remove(f.path))
	}
	return t.offset, err
}

// transfer is the state of a download over its attempts: offset bytes are in the file and in the hash.
type transfer struct {
	store   *Store
	flight  *flight
	request Request
	file    *os.File
	hash    hash.Hash
	offset  int64
	futile  int
}

// verified runs the transfer, and once more from nothing where what an earlier one left was damaged on the disk.
func (t *transfer) verified(ctx context.Context) error {
	if err := t.readBack(); err != nil {
		return err
	}
	for resumed := t.offset > 0; ; resumed = false {
		if err := t.run(ctx); err != nil {
			return err
		}
		got := digest.NewDigest(t.flight.digest.Algorithm(), t.hash)
		if got == t.flight.digest {
			return nil
		}
		wrong := fmt.Errorf("wrong digest: expected %s, got %s (%d bytes): %w", t.flight.digest, got, t.offset, errdefs.ErrDataLoss)
		if err := t.truncate(); err != nil || !resumed {
			return errors.Join(wrong, err)
		}
		t.store.log.Warn("content: a resumed download has the wrong digest, starting over", "digest", t.flight.digest.String(), "got", got.String())
	}
}

// readBack puts what an earlier transfer left through the hash.
func (t *transfer) readBack() error {
	n, err := io.Copy(t.hash, t.file)
	if err != nil {
		return fmt.Errorf("read partial download: %w", err)
	}
	t.offset = n
	if t.request.Size >= 0 && n > t.request.Size {
		return t.truncate()
	}
	return nil
}

func (t *transfer) truncate() error {
	t.hash.Reset()
	t.offset = 0
	return t.file.Truncate(0)
}

// run makes attempts until the blob is there or cannot come.
func (t *transfer) run(ctx context.Context) error {
	best := t.offset
	for attempt := 0; ; {
		// A file whose length is not known may be whole already, which only its digest tells.
		if t.request.Size >= 0 && t.offset == t.request.Size {
			t.flight.at(t.offset)
			return nil
		}
		if t.request.Size < 0 && t.offset > 0 && attempt == 0 && digest.NewDigest(t.flight.digest.Algorithm(), t.hash) == t.flight.digest {
			return nil
		}
		attempt++
		complete, err := t.attempt(ctx)
		switch {
		case err == nil && complete:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !temporary(err):
			return err
		}
		if t.offset > best {
			best, t.futile = t.offset, 0
		}
		if t.futile++; t.futile >= maxFutile {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%d attempts brought nothing beyond byte %d: %w", t.futile, best, err)
		}
		t.store.log.Info("content: transfer broke off, resuming", "digest", t.flight.digest.String(), "offset", t.offset, "error", err)
		select {
		case <-time.After(t.store.retryDelay << (t.futile - 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// attempt reads one response. complete tells that its end was the blob's end as far as the server knows.
func (t *transfer) attempt(ctx context.Context) (complete bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(t.store.stall, func() { cancel(errStalled) })
	defer watch.Stop()

	body, start, err := t.request.Source(ctx, t.offset)
	if err != nil {
		return false, stalled(ctx, err)
	}
	defer body.Close()
	switch {
	case start == t.offset:
	case start == 0:
		if err := t.truncate(); err != nil {
			return false, err
		}
	default:
		return false, fmt.Errorf("the server sent bytes from %d on, %d were asked for: %w", start, t.offset, errdefs.ErrUnavailable)
	}
	buf := make([]byte, 64<<10)
	for {
		n, rerr := body.Read(buf)
		if n > 0 {
			watch.Reset(t.store.stall)
			if t.request.Size >= 0 && t.offset+int64(n) > t.request.Size {
				return false, errors.Join(
					fmt.Errorf("the server sent more than the %d bytes of the manifest: %w", t.request.Size, errdefs.ErrDataLoss),
					t.truncate())
			}
			if _, err := t.file.WriteAt(buf[:n], t.offset); err != nil {
				// A full disk needs the room more than a later pull needs the beginning.
				return false, errors.Join(fmt.Errorf("write download: %w", err), t.truncate())
			}
			t.hash.Write(buf[:n])
			t.offset += int64(n)
			t.flight.at(t.offset)
		}
		switch {
		case rerr == io.EOF:
			return t.request.Size < 0 || t.offset == t.request.Size, nil
		case rerr != nil:
			return false, &brokenError{stalled(ctx, rerr)}
		}
	}
}

var errStalled = errors.New("no data came for too long")

// stalled replaces the mere "context canceled" of a transfer that was given up.
func stalled(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStalled {
		return &brokenError{errStalled}
	}
	return err
}

// brokenError is a failure that may pass: a transfer that began well, a server that is busy.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

func temporary(err error) bool {
	var broken *brokenError
	var network net.Error
	return errors.As(err, &broken) || errors.As(err, &network) || errdefs.IsUnavailable(err)
}
