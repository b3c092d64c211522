package rootfs

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/layer"
)

// entry is a line of a test's layer. Mode 0 is a file, 0644.
type entry struct {
	name, body, symlink, link string
	mode                      fs.FileMode
	uid, gid                  int
	xattrs                    map[string]string
}

var layerTime = time.Unix(1_700_000_000, 123_000_000)

func tarOf(t testing.TB, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.mode == 0 {
			e.mode = 0o644
		}
		h := &tar.Header{
			Name: e.name, Mode: int64(UnixMode(e.mode)), Uid: e.uid, Gid: e.gid, ModTime: layerTime, Format: tar.FormatPAX,
			Typeflag: tar.TypeReg, Size: int64(len(e.body)),
		}
		switch {
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeLink, e.link
		case e.symlink != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.symlink
		case e.mode.IsDir():
			h.Typeflag = tar.TypeDir
		case e.mode&fs.ModeCharDevice != 0:
			h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 3
		}
		for k, v := range e.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// layers imports layers, lowest first, and gives their directories.
func layers(t testing.TB, all ...[]entry) (dirs []string) {
	t.Helper()
	store, err := layer.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entries := range all {
		id, _, err := store.Import(t.Context(), bytes.NewReader(tarOf(t, entries)))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, store.Path(id))
	}
	return dirs
}

func openOverlay(t testing.TB, dirs []string, upper string) *Overlay {
	t.Helper()
	o, err := OpenOverlay(dirs, upper)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func rootView(f FS) *View { return NewTree(f, false).View(Cred{}) }
