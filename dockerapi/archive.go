package dockerapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/dockerapi/transport"
	"github.com/sockerless/sockerless/runtime"
)

// pathStatHeader tells docker cp what a path is.
const pathStatHeader = "X-Docker-Container-Path-Stat"

// statArchive serves HEAD /containers/{name}/archive.
func statArchive(c *call) error {
	path, err := c.archivePath()
	if err != nil {
		return err
	}
	stat, err := c.engine.ContainerStatPath(c.Context(), c.name, path)
	if err != nil {
		return err
	}
	if err := c.setPathStat(stat); err != nil {
		return err
	}
	c.w.Send(http.StatusOK, "", nil)
	return nil
}

// getArchive serves GET /containers/{name}/archive: docker cp out of a container.
func getArchive(c *call) error {
	path, err := c.archivePath()
	if err != nil {
		return err
	}
	tar, stat, err := c.engine.ContainerArchiveGet(c.Context(), c.name, path)
	if err != nil {
		return err
	}
	if err := c.setPathStat(stat); err != nil {
		tar.Close()
		return err
	}
	compress := acceptsGzip(c.Header("Accept-Encoding"))
	if compress {
		c.w.SetHeader("Content-Encoding", "gzip")
	}
	c.w.Stream(http.StatusOK, "application/x-tar", func(_ context.Context, s *transport.Stream) error {
		defer tar.Close()
		if !compress {
			_, err := io.Copy(s, tar)
			return err
		}
		z, err := gzip.NewWriterLevel(s, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, tar); err != nil {
			return err
		}
		return z.Close()
	})
	return nil
}

// putArchive serves PUT /containers/{name}/archive: docker cp into a container.
func putArchive(c *call) error {
	path, err := c.archivePath()
	if err != nil {
		return err
	}
	opts := runtime.ArchivePutOptions{NoOverwriteDirNonDir: c.flag("noOverwriteDirNonDir"), CopyUIDGID: c.flag("copyUIDGID")}
	if err := c.engine.ContainerArchivePut(c.Context(), c.name, path, opts, c.Body(0)); err != nil {
		return err
	}
	c.w.Send(http.StatusOK, "", nil)
	return nil
}

// archivePath reads the path, which must not be missing. The text is dockerd's, with the space that it lacks.
func (c *call) archivePath() (string, error) {
	path := c.value("path")
	if path == "" {
		return "", invalid("bad parameter: pathcannot be empty")
	}
	return path, nil
}

func (c *call) setPathStat(stat container.PathStat) error {
	b, err := json.Marshal(stat)
	if err != nil {
		return fmt.Errorf("encode %s: %w", pathStatHeader, err)
	}
	c.w.SetHeader(pathStatHeader, base64.StdEncoding.EncodeToString(b))
	return nil
}

// acceptsGzip says whether an Accept-Encoding names gzip, and not with a weight of nothing.
func acceptsGzip(header string) bool {
	for _, part := range strings.Split(header, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight = strings.ReplaceAll(weight, " ", "")
		return weight == "" || strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != ""
	}
	return false
}
