package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
)

// spool has the files of an archive on the disk, since their list may come last. They are numbered there: what an archive calls
// them never names a file of this machine.
type spool struct {
	dir   string
	files map[string]string // name in the archive → path
	links map[string]string // → the name that it stands for
}

// maxArchiveEntries bounds what an archive may make of this machine's memory.
const maxArchiveEntries = 100_000

// spoolArchive reads an archive, compressed or not, to its end.
func spoolArchive(ctx context.Context, dir string, r io.Reader) (*spool, error) {
	plain, err := decompress(&contextReader{ctx, r})
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	s := &spool{dir: dir, files: map[string]string{}, links: map[string]string{}}
	in := tar.NewReader(plain)
	for n := 0; ; n++ {
		h, err := in.Next()
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return nil, badArchive(err)
		}
		if n == maxArchiveEntries {
			return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("the archive has more than %d entries", maxArchiveEntries))
		}
		name := entryName(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			file := filepath.Join(dir, strconv.Itoa(n))
			if err := writeFile(file, in); err != nil {
				return nil, badArchive(err)
			}
			s.files[name] = file
			delete(s.links, name)
		case tar.TypeLink:
			s.links[name] = entryName(h.Linkname)
		case tar.TypeSymlink: // of a layer that images share, in archives of Docker before 25
			s.links[name] = entryName(path.Join(path.Dir(name), h.Linkname))
		}
	}
}

// badArchive says that it was the archive that could not be read, and why.
func badArchive(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errdefs.ErrInvalidArgument.WithMessage("the archive is damaged or cut off: " + err.Error())
	}
	return fmt.Errorf("read the archive: %w", err)
}

func entryName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func writeFile(file string, r io.Reader) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// open opens a file of the archive. Errors: errdefs.ErrInvalidArgument where it has none of that name.
func (s *spool) open(name string) (*os.File, error) {
	at := entryName(name)
	for range 10 {
		if file, ok := s.files[at]; ok {
			return os.Open(file)
		}
		next, ok := s.links[at]
		if !ok {
			break
		}
		at = next
	}
	return nil, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("the archive has no file %q, which its list of images names", name))
}

func (s *spool) has(name string) bool {
	_, ok := s.files[name]
	return ok
}

// read reads a small file of the archive.
func (s *spool) read(name string, limit int64) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf("%s of the archive is larger than %d bytes", name, limit))
	}
	return data, err
}
