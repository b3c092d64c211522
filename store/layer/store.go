package layer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
)

const (
	tarName    = "layer.tar"
	indexName  = "index"
	tempPrefix = "ingest-"
)

// Limits bound what a tar may make of this machine. An index takes about 120 bytes of memory for an entry.
type Limits struct {
	Bytes   int64 // of the uncompressed tar
	Entries int
	Depth   int // of directories
	Path    int // bytes of a name
}

// DefaultLimits are far beyond real images: 256 GiB, two million entries, 255 directories deep, names of 4096 bytes.
func DefaultLimits() Limits {
	return Limits{Bytes: 256 << 30, Entries: 2_000_000, Depth: 255, Path: 4096}
}

// Store is a folder of layers. It is safe for concurrent use, and for several processes.
type Store struct {
	dir    string
	limits Limits
}

// NewStore opens, and makes if need be, a folder of layers. It removes what imports that were cut off have left there,
// so that only one process at a time, the server, may call it; others use Open.
func NewStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("layer store: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("layer store: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("layer store: %w", err)
			}
		}
	}
	return &Store{dir: dir, limits: DefaultLimits()}, nil
}

// WithLimits gives the same store with other limits for Import.
func (s *Store) WithLimits(l Limits) *Store {
	c := *s
	c.limits = l
	return &c
}

// Scratch makes a folder for what is to become layers, for the caller to remove. NewStore removes one that a kill has left.
func (s *Store) Scratch() (string, error) {
	dir, err := os.MkdirTemp(s.dir, tempPrefix)
	if err != nil {
		return "", fmt.Errorf("layer store: %w", err)
	}
	return dir, nil
}

// Import reads an uncompressed tar to its end, checks it, and keeps it under the digest of its bytes, the diff id. It
// also gives the number of bytes. A layer that is there already is left as it is. Errors that are the tar's fault are
// *FormatError.
func (s *Store) Import(ctx context.Context, r io.Reader) (digest.Digest, int64, error) {
	temp, err := s.Scratch()
	if err != nil {
		return "", 0, err
	}
	defer os.RemoveAll(temp)
	id, n, err := s.importTo(ctx, temp, r)
	if err != nil {
		return "", 0, fmt.Errorf("import layer: %w", err)
	}
	final := s.Path(id)
	if err := os.Rename(temp, final); err != nil && !s.Has(id) {
		return "", 0, fmt.Errorf("import layer: %w", err)
	}
	syncDir(s.dir)
	return id, n, nil
}

func (s *Store) importTo(ctx context.Context, dir string, r io.Reader) (digest.Digest, int64, error) {
	f, err := os.OpenFile(filepath.Join(dir, tarName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 256<<10)
	hash := sha256.New()
	// The tar reader takes exactly the bytes it needs, so the count is the position of an entry's contents.
	in := &meter{ctx: ctx, limit: s.limits.Bytes, r: io.TeeReader(bufio.NewReaderSize(r, 256<<10), io.MultiWriter(out, hash))}
	b := newBuilder(s.limits)
	if err := b.read(in); err != nil {
		return "", 0, err
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // what follows the tar's end counts for its digest
		return "", 0, err
	}
	if err := errors.Join(out.Flush(), f.Sync(), f.Close()); err != nil {
		return "", 0, err
	}
	if err := writeSynced(filepath.Join(dir, indexName), b.index()); err != nil {
		return "", 0, err
	}
	syncDir(dir)
	return digest.NewDigestFromBytes(digest.SHA256, hash.Sum(nil)), in.n, nil
}

func writeSynced(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes a rename last. Hosts that cannot sync a directory (Windows) need not.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

// meter counts what is read, and ends it at the limit and with the context.
type meter struct {
	ctx   context.Context
	r     io.Reader
	n     int64
	limit int64
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.n > m.limit {
		return n, &FormatError{Reason: fmt.Sprintf("larger than %d bytes", m.limit)}
	}
	return n, err
}

// Path is the directory of a layer, for Open.
func (s *Store) Path(id digest.Digest) string { return Path(s.dir, id) }

// Path is where a store in a folder keeps a layer; it may not be there.
func Path(dir string, id digest.Digest) string {
	// A digest that is none must not name another directory.
	if id.Validate() != nil {
		return filepath.Join(dir, hex.EncodeToString([]byte(id)))
	}
	return filepath.Join(dir, id.Encoded())
}

// Has tells whether a layer is here.
func (s *Store) Has(id digest.Digest) bool {
	_, err := os.Stat(filepath.Join(s.Path(id), indexName))
	return err == nil
}

// Remove deletes a layer. fs.ErrNotExist if it is not here. Who has it open keeps it, but for Windows, which refuses.
func (s *Store) Remove(id digest.Digest) error {
	if !s.Has(id) {
		return fmt.Errorf("remove layer %s: %w", id, fs.ErrNotExist)
	}
	// Renamed first, so that a half removed layer is never visible.
	temp, err := s.Scratch()
	if err == nil {
		err = errors.Join(os.Rename(s.Path(id), filepath.Join(temp, "removed")), os.RemoveAll(temp))
	}
	if err != nil {
		return fmt.Errorf("remove layer %s: %w", id, err)
	}
	return nil
}

// List gives all layers, sorted.
func (s *Store) List() ([]digest.Digest, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	var all []digest.Digest
	for _, e := range entries {
		id := digest.NewDigestFromEncoded(digest.SHA256, e.Name())
		if id.Validate() == nil && s.Has(id) {
			all = append(all, id)
		}
	}
	return all, nil
}
