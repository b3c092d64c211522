package runtime

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/events"
)

// ContainerExport reads all files of a container, running or not, as a tar stream, which must be closed: without what is mounted
// in it, of which only the mount points are there, as in Docker. Errors: errdefs.ErrNotFound.
func (e *Engine) ContainerExport(ctx context.Context, name string) (io.ReadCloser, error) {
	c, err := e.lookup(name)
	if err != nil {
		return nil, err
	}
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	l, err := e.files(ctx, c)
	if err != nil {
		return nil, err
	}
	_, tree, err := l.Get(ctx, c.id, "/")
	if err != nil {
		return nil, fmt.Errorf("export container %s: %w", name, err)
	}
	e.event(c, events.ActionExport)
	mounts := slices.Clone(sandboxMounts)
	for _, m := range d.Mounts {
		mounts = append(mounts, m.Target)
	}
	r, w := io.Pipe()
	out := &export{PipeReader: r, tree: tree, done: make(chan struct{})}
	go func() { // ends with the tree, or when the reader is closed
		defer close(out.done)
		w.CloseWithError(exportTree(w, tree, mounts))
	}()
	return out, nil
}

// sandboxMounts are where every container has something that is not its own.
var sandboxMounts = []string{"/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}

// export is the stream of a container's files.
type export struct {
	*io.PipeReader
	tree io.Closer
	done chan struct{}
}

// Close ends the stream, read to its end or not.
func (x *export) Close() error {
	err := errors.Join(x.PipeReader.Close(), x.tree.Close())
	<-x.done
	return err
}

// exportTree copies a tar of "/": with names that are relative to it, and without what is below the mounts.
func exportTree(w io.Writer, tree io.Reader, mounts []string) error {
	in, out := tar.NewReader(tree), tar.NewWriter(w)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return fmt.Errorf("read files: %w", err)
		}
		name := strings.Trim(h.Name, "/")
		if name == "" || slices.ContainsFunc(mounts, func(m string) bool { return strings.HasPrefix("/"+name, m+"/") }) {
			continue
		}
		h.Name = strings.TrimPrefix(h.Name, "/")
		if h.Typeflag == tar.TypeLink {
			h.Linkname = strings.TrimPrefix(h.Linkname, "/")
		}
		if slices.Contains(mounts, "/"+name) && h.Typeflag != tar.TypeDir { // a file stands for the one that is mounted over it
			h.Typeflag, h.Linkname, h.Size = tar.TypeReg, "", 0
			if err := out.WriteHeader(h); err != nil {
				return err
			}
			continue
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return fmt.Errorf("copy %s: %w", h.Name, err)
		}
	}
}
