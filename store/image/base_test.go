package image

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestBase(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, nil)
	img, err := s.Resolve("sockerless/base")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(img.RepoTags, []string{BaseName}) || !slices.Equal(img.Spec.Config.Cmd, []string{"sh"}) || img.Spec.OS != "linux" {
		t.Errorf("%+v", img)
	}
	layers, err := s.Layers(img.ID)
	if err != nil {
		t.Fatal(err)
	}
	headers, contents := map[string]*tar.Header{}, map[string]string{}
	for r := tar.NewReader(bytes.NewReader(readLayer(t, layers[0]))); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if headers[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		headers[name], contents[name] = h, string(b)
	}
	for name, mode := range map[string]int64{"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777, "proc": 0o555, "home": 0o755, "var/log": 0o755} {
		if h := headers[name]; h == nil || h.Typeflag != tar.TypeDir || h.Mode != mode || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for _, name := range []string{"sh", "bash", "ash", "dash", "cat", "ls"} {
		if h := headers["usr/bin/"+name]; h == nil || h.Typeflag != tar.TypeLink || h.Linkname != markerFile {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := headers[markerFile]; h == nil || h.Mode != 0o755 || contents[markerFile] != BuiltinMarker {
		t.Errorf("%s: %+v %q", markerFile, h, contents[markerFile])
	}
	if h := headers["bin"]; h == nil || h.Linkname != "usr/bin" {
		t.Errorf("/bin: %+v", h)
	}
	for _, line := range []string{"root:x:0:0:", "nobody:x:65534:65534:", "daemon:x:1:1:"} {
		if !strings.Contains(contents["etc/passwd"], line) {
			t.Errorf("no %q in /etc/passwd", line)
		}
	}

	// The same commands in another order are the same image; others are not.
	again, _, err := baseTar([]string{"sh", "ls", "cat", "ls", "a/b", ""})
	if err != nil || !bytes.Equal(again.Bytes(), readLayer(t, layers[0])) {
		t.Errorf("the layer is not the same each time (%v)", err)
	}
	s.state.Close()
	s = newStore(t, dir, nil)
	if same, err := s.Resolve(BaseName); err != nil || same.ID != img.ID {
		t.Errorf("after a restart: %v", err)
	}
	s.builtins = append(s.builtins, "new")
	if r, err := s.ensureBase(context.Background()); err != nil || r.id == img.ID {
		t.Errorf("with another command: %v", err)
	}
}

func TestPullBase(t *testing.T) {
	s := newStore(t, t.TempDir(), nil)
	img, lines, err := s.pull(PullOptions{Reference: "sockerless/base"})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, lines, "latest: Pulling from sockerless/base", "Digest: "+img.ID.String(), upToDate(BaseName))
	if _, err := s.remove(BaseName, false); err != nil {
		t.Fatal(err)
	}
	if all := s.List(); len(all) != 0 {
		t.Fatalf("%d images", len(all))
	}
	back, lines, err := s.pull(PullOptions{Reference: BaseName})
	if err != nil || back.ID != img.ID {
		t.Fatal(err)
	}
	wantLines(t, lines, "latest: Pulling from sockerless/base", "Digest: "+img.ID.String(), downloaded(BaseName))
}
