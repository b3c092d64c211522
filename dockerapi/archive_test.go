package dockerapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/sockerless/sockerless/runtime"
)

// files is an engine that holds one file.
type files struct {
	Engine
	content string
	put     chan error
	closed  chan struct{}
}

var fileStat = container.PathStat{Name: "f.txt", Size: 3, Mode: 0o644, Mtime: time.Unix(0, 0).UTC()}

func (f *files) ContainerStatPath(context.Context, string, string) (container.PathStat, error) {
	return fileStat, nil
}

func (f *files) ContainerArchiveGet(context.Context, string, string) (io.ReadCloser, container.PathStat, error) {
	return &closer{strings.NewReader(f.content), f.closed}, fileStat, nil
}

type closer struct {
	io.Reader
	closed chan struct{}
}

func (c *closer) Close() error {
	close(c.closed)
	return nil
}

func (f *files) ContainerArchivePut(_ context.Context, name, path string, o runtime.ArchivePutOptions, tar io.Reader) error {
	b, err := io.ReadAll(tar)
	if err == nil && (name != "c" || path != "/tmp" || !o.NoOverwriteDirNonDir || o.CopyUIDGID || string(b) != f.content) {
		err = fmt.Errorf("%s %s %+v %d bytes", name, path, o, len(b))
	}
	f.put <- err
	return err
}

// recordedStat is what dockerd sends for fileStat.
const recordedStat = "eyJuYW1lIjoiZi50eHQiLCJzaXplIjozLCJtb2RlIjo0MjAsIm10aW1lIjoiMTk3MC0wMS0wMVQwMDowMDowMFoiLCJsaW5rVGFyZ2V0IjoiIn0="

func TestArchive(t *testing.T) {
	f := &files{content: strings.Repeat("tar", 100_000), put: make(chan error, 1)}
	path := socket(t, f)
	got := ask(t, path, "HEAD /containers/c/archive?path=/tmp/f.txt", "")
	if got.status != 200 || got.header.Get(pathStatHeader) != recordedStat {
		t.Errorf("%v", got)
	}
	f.closed = make(chan struct{})
	got = ask(t, path, "GET /containers/c/archive?path=/tmp/f.txt", "")
	if got.status != 200 || got.body != f.content || got.header.Get(pathStatHeader) != recordedStat || got.header.Get("Content-Type") != "application/x-tar" {
		t.Errorf("%d %v", got.status, got.header)
	}
	<-f.closed
	f.closed = make(chan struct{})
	got = ask(t, path, "GET /containers/c/archive?path=/tmp/f.txt", "", "Accept-Encoding: deflate, gzip;q=0.5")
	z, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil || got.header.Get("Content-Encoding") != "gzip" {
		t.Fatal(got.header, err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != f.content {
		t.Errorf("%d bytes %v", len(b), err)
	}
	<-f.closed

	_, err = dockerClient(t, path).CopyToContainer(t.Context(), "c", client.CopyToContainerOptions{DestinationPath: "/tmp", Content: strings.NewReader(f.content)})
	if putErr := <-f.put; err != nil || putErr != nil {
		t.Errorf("%v %v", err, putErr)
	}
}

// An upload that is cut off is an error of the engine's reader: half a file must not look like a whole one.
func TestArchivePutIsCutOff(t *testing.T) {
	f := &files{put: make(chan error, 1)}
	c, err := net.Dial("unix", socket(t, f))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "PUT /containers/c/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nContent-Length: 1000\r\n\r\n%s", strings.Repeat("x", 500))
	c.Close()
	if err := <-f.put; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate": false, "deflate, gzip": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=1.0": true, "xgzip": false,
	} {
		if acceptsGzip(header) != want {
			t.Errorf("%q: %v", header, !want)
		}
	}
}
