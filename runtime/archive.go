package runtime

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/klauspost/compress/zstd"
	types "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// files returns the agent that has a container's files open; one that does not run is opened first.
func (e *Engine) files(ctx context.Context, c *container) (*link, error) {
	if err := e.kept(c); err != nil {
		return nil, err
	}
	if l := e.execAgent(c); l != nil {
		return l, nil
	}
	c.op.Lock()
	defer c.op.Unlock()
	if l := e.execAgent(c); l != nil {
		return l, nil
	}
	if c.isRemoving() {
		return nil, notFound("No such container: %s", c.id)
	}
	if err := e.kept(c); err != nil {
		return nil, err
	}
	e.releaseRun(c)
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	spec, err := e.spec(c, d)
	if err != nil {
		return nil, err
	}
	l, err := e.keeper(ctx, c, d, spec)
	if err != nil {
		return nil, err
	}
	if err := l.OpenContainer(ctx, spec); err != nil {
		return nil, fmt.Errorf("open files of container %s: %w", c.id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.record()
	next.Agent = l.ID()
	c.current.Store(&next) // not stored: the agent itself tells a new server what it has open
	return l, nil
}

// keeper returns an agent where a container's files are.
func (e *Engine) keeper(ctx context.Context, c *container, d *definition, spec *agentpb.Container) (*link, error) {
	if e.home(c, c.record()) == "" {
		return e.acquire(ctx, c, d, spec)
	}
	place, err := e.place(ctx, c, d)
	if err != nil {
		return nil, err
	}
	return e.native(ctx, c, d, spec, place)
}

func missing(path, name string) error {
	return notFound("Could not find the file %s in container %s", path, name)
}

func pathStat(s *agentpb.PathStat) types.PathStat {
	return types.PathStat{
		Name: s.GetName(), Size: s.GetSize(), Mode: fs.FileMode(s.GetMode()), Mtime: time.Unix(0, s.GetMtime()).UTC(), LinkTarget: s.GetLinkTarget(),
	}
}

// ContainerStatPath describes a path in a container, running or not. Errors: errdefs.ErrNotFound.
func (e *Engine) ContainerStatPath(ctx context.Context, name, path string) (types.PathStat, error) {
	c, l, err := e.openPath(ctx, name, path)
	if err != nil {
		return types.PathStat{}, err
	}
	s, err := l.Stat(ctx, c.id, path)
	if errdefs.IsNotFound(err) {
		err = missing(path, name)
	}
	return pathStat(s), err
}

func (e *Engine) openPath(ctx context.Context, name, path string) (*container, *link, error) {
	if path == "" {
		return nil, nil, invalid("bad parameter: pathcannot be empty")
	}
	c, err := e.lookup(name)
	if err != nil {
		return nil, nil, err
	}
	l, err := e.files(ctx, c)
	return c, l, err
}

// ContainerArchiveGet reads a path as an uncompressed tar stream, which must be closed. Errors: errdefs.ErrNotFound.
func (e *Engine) ContainerArchiveGet(ctx context.Context, name, path string) (io.ReadCloser, types.PathStat, error) {
	c, l, err := e.openPath(ctx, name, path)
	if err != nil {
		return nil, types.PathStat{}, err
	}
	s, tar, err := l.Get(ctx, c.id, path)
	if err != nil {
		if errdefs.IsNotFound(err) {
			err = missing(path, name)
		}
		return nil, types.PathStat{}, err
	}
	e.event(c, events.ActionArchivePath)
	return tar, pathStat(s), nil
}

// ArchivePutOptions of [Engine.ContainerArchivePut].
type ArchivePutOptions struct {
	NoOverwriteDirNonDir bool // a folder is not replaced by something else, nor the reverse
	CopyUIDGID           bool // keep the owners of the archive; else all is root's
}

// ContainerArchivePut unpacks a tar stream, which may be compressed by gzip, bzip2 or zstd, in a folder. Errors:
// errdefs.ErrNotFound, ErrInvalidArgument if path is no folder, ErrPermissionDenied if it cannot be written to.
func (e *Engine) ContainerArchivePut(ctx context.Context, name, path string, opts ArchivePutOptions, tar io.Reader) error {
	c, l, err := e.openPath(ctx, name, path)
	if err != nil {
		return err
	}
	s, err := l.Stat(ctx, c.id, path)
	if errdefs.IsNotFound(err) {
		return missing(path, name)
	}
	if err != nil {
		return err
	}
	if mode := fs.FileMode(s.GetMode()); !mode.IsDir() && mode&fs.ModeSymlink == 0 {
		return invalid("extraction point is not a directory")
	}
	plain, err := decompress(tar)
	if err != nil {
		return err
	}
	defer plain.Close()
	open := &agentpb.PutOpen{
		Container: c.id, Path: path, NoOverwriteDirNonDir: opts.NoOverwriteDirNonDir, CopyOwner: opts.CopyUIDGID,
	}
	if err := l.Put(ctx, open, plain); err != nil {
		return err
	}
	d, err := e.definition(c)
	if err == nil {
		err = e.exchange(ctx, c, d, l, nil) // it may be in a volume
	}
	if err != nil {
		return err
	}
	e.event(c, events.ActionExtractToDir)
	return nil
}

// decompress recognises a compression by its first bytes.
func decompress(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 32<<10)
	head, err := in.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		return z, nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(in)), nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")):
		return nil, errdefs.ErrNotImplemented.WithMessage("archives compressed by xz are not supported: send it uncompressed or by gzip, bzip2 or zstd")
	}
	return io.NopCloser(in), nil
}

// ContainerChanges lists what differs between a container's files and its image, by path.
func (e *Engine) ContainerChanges(ctx context.Context, name string) ([]types.FilesystemChange, error) {
	c, err := e.lookup(name)
	if err != nil {
		return nil, err
	}
	l, err := e.files(ctx, c)
	if err != nil {
		return nil, err
	}
	changes, err := l.Changes(ctx, c.id)
	if err != nil {
		return nil, fmt.Errorf("changes of container %s: %w", c.id, err)
	}
	list := make([]types.FilesystemChange, len(changes))
	for i, ch := range changes {
		kind := types.ChangeModify
		switch ch.GetKind() {
		case agentpb.Change_ADDED:
			kind = types.ChangeAdd
		case agentpb.Change_DELETED:
			kind = types.ChangeDelete
		}
		list[i] = types.FilesystemChange{Kind: kind, Path: ch.GetPath()}
	}
	return list, nil
}

// ContainerTop lists the processes of a running container; args are those of ps, -ef if empty.
func (e *Engine) ContainerTop(ctx context.Context, name, args string) (types.TopResponse, error) {
	var none types.TopResponse
	if args == "" {
		args = "-ef"
	}
	c, err := e.lookup(name)
	if err != nil {
		return none, err
	}
	r := c.record()
	l := e.agentOf(r)
	switch {
	case r.Status == types.StateRestarting:
		return none, conflict("container %s is restarting, wait until the container is running", c.id)
	case !r.running() || l == nil:
		return none, conflict("container %s is not running", c.id)
	}
	reply, err := l.Top(ctx, c.id, strings.Fields(args))
	if err != nil {
		return none, err
	}
	top := types.TopResponse{Titles: reply.GetTitles(), Processes: [][]string{}}
	for _, p := range reply.GetProcesses() {
		top.Processes = append(top.Processes, p.GetCells())
	}
	if twin := e.twinOf(r); twin != nil {
		more, err := twin.Top(ctx, c.id, strings.Fields(args))
		if err == nil && slices.Equal(more.GetTitles(), reply.GetTitles()) { // else it has just ended
			for _, p := range more.GetProcesses() {
				top.Processes = append(top.Processes, p.GetCells())
			}
		}
	}
	e.event(c, events.ActionTop)
	return top, nil
}
