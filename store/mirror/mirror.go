package mirror

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"

	"github.com/sockerless/sockerless/store/rootfs"
)

// Copy is the other side.
type Copy interface {
	// Put applies the tar of a layer, which is no change of the copy.
	Put(ctx context.Context, layer io.Reader) error
	// Changes gives the tar of a layer with what has changed since the last Put or Forget, or the last Changes that was Taken.
	Changes(ctx context.Context) (io.ReadCloser, error)
	// Taken says that what Changes gave is here.
	Taken(ctx context.Context) error
	// Forget lets what has changed so far be no change.
	Forget(ctx context.Context) error
}

// Config is what a Mirror is made of.
type Config struct {
	Source   string // the directory
	Volume   bool   // owners and modes that the machine refuses are kept beside it
	ReadOnly bool   // the copy can only be read
	Limit    int64  // bytes of all files, 0 is none
	// Record is the file in which it is kept what the copy has, so that another process may go on; "" is none.
	Record string
}

// Stats is what travelled.
type Stats struct {
	Sent, Fetched int64 // bytes of layers
	Conflicts     int64
}

// Mirror is a directory with a copy elsewhere. Safe for concurrent use.
type Mirror struct {
	config Config
	fsys   rootfs.FS
	view   *rootfs.View

	mu    sync.Mutex
	known record
}

// record is what is known of the copy.
type record struct {
	Files   rootfs.Scan // as the copy has them; nil before the first Begin
	Settled bool        // and as it had them when its task ended
}

// Open opens a directory. Errors: errdefs.ErrInvalidArgument for what is none.
func Open(config Config) (*Mirror, error) {
	m := &Mirror{config: config}
	info, err := os.Stat(config.Source)
	if err == nil && !info.IsDir() {
		err = errdefs.ErrInvalidArgument.WithMessage(config.Source + " is no directory")
	}
	if err == nil {
		err = m.load()
	}
	if err == nil {
		m.fsys, err = rootfs.NewHostDir(config.Source, rootfs.HostOptions{Metadata: config.Volume})
	}
	if err != nil {
		return nil, fmt.Errorf("mirror %s: %w", config.Source, err)
	}
	m.view = rootfs.NewTree(m.fsys, false).View(rootfs.Cred{})
	m.view.SetUmask(0)
	return m, nil
}

// Close lets go of the directory.
func (m *Mirror) Close() error {
	if c, ok := m.fsys.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (m *Mirror) load() error {
	if m.config.Record == "" {
		return nil
	}
	f, err := os.Open(m.config.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&m.known); err != nil {
		return fmt.Errorf("read %s: %w", m.config.Record, err)
	}
	return nil
}

// store writes down what is known, whole or not at all.
func (m *Mirror) store(k record) error {
	if m.config.Record != "" {
		if err := os.MkdirAll(filepath.Dir(m.config.Record), 0o700); err != nil {
			return err
		}
		f, err := os.Create(m.config.Record + ".new")
		if err != nil {
			return err
		}
		err = errors.Join(gob.NewEncoder(f).Encode(k), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), m.config.Record)
		}
		if err != nil {
			return fmt.Errorf("write down what the copy of %s has: %w", m.config.Source, err)
		}
	}
	m.known = k
	return nil
}

// Begin brings the copy of a task that begins to what is here: with what has changed since the task ended that had it before,
// or with all there is.
func (m *Mirror) Begin(ctx context.Context, c Copy) (stats Stats, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.explain(&err)
	was := m.known.Files
	if !m.known.Settled {
		was = nil
	}
	now, err := m.scan(ctx)
	if err != nil {
		return stats, err
	}
	if err := m.store(record{}); err != nil { // a copy that is half made is made anew
		return stats, err
	}
	if err := c.Forget(ctx); err != nil {
		return stats, err
	}
	if stats.Sent, err = m.send(ctx, c, now.Changes(was), was == nil); err != nil {
		return stats, err
	}
	return stats, m.store(record{Files: now})
}

// Exchange takes over what the copy has changed, and sends it what has changed here. conflict is called for what both have
// changed, by its path in the directory: the copy's counts.
func (m *Mirror) Exchange(ctx context.Context, c Copy, conflict func(path string)) (stats Stats, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.explain(&err)
	return m.exchange(ctx, c, conflict)
}

// End is an Exchange with a task that ends.
func (m *Mirror) End(ctx context.Context, c Copy, conflict func(path string)) (stats Stats, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.explain(&err)
	if m.known.Settled {
		return stats, nil
	}
	if stats, err = m.exchange(ctx, c, conflict); err != nil {
		return stats, err
	}
	return stats, m.store(record{m.known.Files, true})
}

func (m *Mirror) exchange(ctx context.Context, c Copy, conflict func(path string)) (stats Stats, err error) {
	now, err := m.scan(ctx)
	if err != nil {
		return stats, err
	}
	known := maps.Clone(m.known.Files)
	if known == nil { // it was never begun: the copy's files are whose they are
		known = rootfs.Scan{}
	}
	if !m.config.ReadOnly {
		touched, err := m.fetch(ctx, c, now.Changes(known), &stats, conflict)
		if err != nil {
			return stats, err
		}
		for name := range touched {
			if err := now.Refresh(m.view, name); err != nil {
				return stats, err
			}
			known.Take(now, name)
		}
		if len(touched) > 0 {
			if err := m.store(record{Files: known}); err != nil {
				return stats, err
			}
			if err := c.Taken(ctx); err != nil {
				return stats, err
			}
		}
	}
	changes := now.Changes(known)
	if len(changes) == 0 {
		return stats, nil
	}
	if stats.Sent, err = m.send(ctx, c, changes, false); err != nil {
		return stats, err
	}
	return stats, m.store(record{Files: now})
}

// scan looks at the directory.
func (m *Mirror) scan(ctx context.Context) (rootfs.Scan, error) {
	now, err := m.view.Scan(ctx)
	if size := now.Bytes(); err == nil && m.config.Limit > 0 && size > m.config.Limit {
		err = errdefs.ErrResourceExhausted.WithMessage(fmt.Sprintf("it has %s, and %s is the most that is sent there", units.BytesSize(float64(size)), m.limit()))
	}
	return now, err
}

func (m *Mirror) limit() string { return units.BytesSize(float64(m.config.Limit)) }

// send brings changes to the copy; afresh, they are all that it is to have.
func (m *Mirror) send(ctx context.Context, c Copy, changes []rootfs.PathChange, afresh bool) (int64, error) {
	r, w := io.Pipe()
	counted := &counter{w: w}
	packed := make(chan error, 1)
	go func() {
		err := m.view.PackChanges(ctx, counted, changes, afresh)
		_ = w.CloseWithError(err) // nil is the end
		packed <- err
	}()
	err := c.Put(ctx, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // the packer need not go on
	if packErr := <-packed; packErr != nil && (err == nil || !errors.Is(packErr, io.ErrClosedPipe)) {
		err = packErr
	}
	return counted.n, err
}

// fetch takes over what the copy has changed, and tells which paths that are. changes are this side's.
func (m *Mirror) fetch(ctx context.Context, c Copy, changes []rootfs.PathChange, stats *Stats, conflict func(path string)) (map[string]bool, error) {
	layer, err := c.Changes(ctx)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{} // with the directories above
	for _, change := range changes {
		for name := "/" + change.Path; !changed[name]; name = path.Dir(name) {
			changed[name] = true
		}
	}
	touched := map[string]bool{}
	from := &limited{layer, m.config.Limit, &stats.Fetched}
	applied, err := m.view.ApplyLayer(from, "/", rootfs.ApplyLayerOptions{
		Conflict: conflict,
		Changed:  func(name string) bool { return changed[name] },
		Touched:  func(name string) { touched[strings.TrimPrefix(name, "/")] = true },
	})
	stats.Conflicts = applied.Conflicts
	return touched, errors.Join(err, layer.Close())
}

// explain says of what an error is.
func (m *Mirror) explain(err *error) {
	if *err != nil {
		*err = fmt.Errorf("bring %s and its copy together: %w", m.config.Source, *err)
	}
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// limited ends with an error where more comes than may.
type limited struct {
	io.Reader
	limit int64
	n     *int64
}

// heads is what a tar may have beside the contents of its files, in parts of a limit.
const heads = 2

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if *l.n += int64(n); l.limit > 0 && *l.n > heads*l.limit {
		return n, errdefs.ErrResourceExhausted.WithMessage("more has changed there than may be brought back: " + units.BytesSize(float64(heads*l.limit)))
	}
	return n, err
}
