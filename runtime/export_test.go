package runtime_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/sockerless/sockerless/runtime"
)

func TestExport(t *testing.T) {
	s := open(t)
	s.Create("c", container.Config{Cmd: []string{"true"}}, container.HostConfig{Binds: []string{"vol:/tmp/v"}})
	_, err := s.ContainerExport(s.Ctx(), "nosuch")
	expect(t, "export", err, 404, "No such container: nosuch")

	var in bytes.Buffer
	w := tar.NewWriter(&in)
	for _, name := range []string{"a", "v/mounted"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 2}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "hi"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.ContainerArchivePut(s.Ctx(), "c", "/tmp", runtime.ArchivePutOptions{}, &in); err != nil {
		t.Fatal(err)
	}
	out, err := s.ContainerExport(s.Ctx(), "c")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for r := tar.NewReader(out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = string(b)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if found["tmp/a"] != "hi" {
		t.Errorf("files %q", found)
	}
	for name := range found {
		if strings.HasPrefix(name, "/") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "tmp/v/") {
			t.Errorf("%s does not belong there", name)
		}
	}

	// Who does not read to the end leaves nothing behind.
	out, err = s.ContainerExport(s.Ctx(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
}
