package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// debianBase is what the image "debian" is made of: the packages of a minimal Debian, unpacked and not configured.
var debianBase = []string{
	"base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils",
	"grep", "gzip", "hostname", "libacl1", "libattr1", "libc6", "libc-bin", "libcrypt1", "libgmp10", "libpcre2-8-0", "libproc2-0", "libsystemd0", "libcap2", "libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5", "libzstd1", "libselinux1", "libssl3",
	"libtinfo6", "mawk", "ncurses-base", "perl-base", "procps", "sed", "tar", "util-linux", "zlib1g",
}

// pythonPackages and redisPackages make the images "python" and "redis" of it: programs that the sandbox does not have.
var (
	pythonPackages = []string{
		"python3-minimal", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libexpat1", "libsqlite3-0", "libffi8",
		"libbz2-1.0", "libdb5.3", "libuuid1", "media-types", "netbase", "libncursesw6", "libreadline8", "libtirpc3", "libnsl2",
	}
	redisPackages = []string{"redis-server", "redis-tools", "libatomic1", "libgcc-s1", "libstdc++6", "libjemalloc2", "liblzf1"}
)

// programPackages are images of large programs on top of debian, made when a test first asks for one: the packages, with the
// release where the machine may have others from elsewhere, and the folder where the programs are.
var programPackages = map[string]struct {
	packages []string
	folder   string
}{
	"node": {folder: "/usr/bin", packages: []string{
		"nodejs/bookworm", "libnode108", "node-acorn", "node-busboy", "node-cjs-module-lexer", "node-undici", "node-xtend", "libuv1",
		"libc-ares2", "libnghttp2-14", "libbrotli1", "libicu72", "libgcc-s1", "libstdc++6",
	}},
	"postgres": {folder: "/usr/lib/postgresql/15/bin", packages: []string{
		"postgresql-15", "postgresql-client-15", "libpq5", "libxml2", "libldap-2.5-0", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3",
		"libkrb5support0", "libcom-err2", "libkeyutils1", "libsasl2-2", "libpam0g", "libaudit1", "libcap-ng0", "libgnutls30", "libffi8", "libp11-kit0", "libidn2-0",
		"libunistring2", "libtasn1-6", "libnettle8", "libhogweed6", "libicu72", "libgcc-s1",
		"libstdc++6", "libreadline8", "tzdata",
	}},
}

var pushed sync.Map // name of a program's image -> func() error, that makes it once

// programImage gives a server an image of programs, under its name there.
func (s *server) programImage(t *testing.T, name string) {
	t.Helper()
	once, _ := pushed.LoadOrStore(name, sync.OnceValue(func() error { return pushProgram(name) }))
	if err := once.(func() error)(); err != nil {
		t.Fatalf("build image %s: %v", name, err)
	}
	s.ok(t, "pull", "-q", registryHost+"/"+name)
	s.ok(t, "tag", registryHost+"/"+name, name)
}

func pushProgram(image string) error {
	base, err := name.ParseReference(registryHost+"/debian", name.Insecure)
	if err != nil {
		return err
	}
	debian, err := remote.Image(base)
	if err != nil {
		return err
	}
	files, err := debianTar(programPackages[image].packages, nil)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(debian, static.NewLayer(files, types.DockerUncompressedLayer)) // compressing takes longer than all else
	if err != nil {
		return err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.Config.Env[0] += ":" + programPackages[image].folder
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return err
	}
	return remote.Write(base.Context().Registry.Repo(image).Tag("latest"), img)
}

// pushImages builds images from Debian's packages and pushes them: busybox (one static binary with links), debian, and
// python and redis, which have a layer of their own on top of it.
func pushImages(host string) error {
	busybox, err := busyboxRoot("busybox")
	if err != nil {
		return fmt.Errorf("build image busybox: %w", err)
	}
	imported, err := busyboxRoot("imported") // another layer: a pull of busybox has something to pull where bb is
	if err != nil {
		return fmt.Errorf("build image busybox: %w", err)
	}
	debian, err := debianLayer(debianBase, map[string]string{"./bin/sh": "dash", "./usr/bin/awk": "mawk"})
	if err != nil {
		return fmt.Errorf("build image debian: %w", err)
	}
	python, err := debianLayer(pythonPackages, map[string]string{"./usr/bin/python3": "python3.11"})
	if err != nil {
		return fmt.Errorf("build image python: %w", err)
	}
	redis, err := debianLayer(redisPackages, nil)
	if err != nil {
		return fmt.Errorf("build image redis: %w", err)
	}
	created := v1.History{CreatedBy: "e2e"}
	path := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for reference, image := range map[string]func() (v1.Image, error){
		"busybox:latest": func() (v1.Image, error) { return imageOf(created, []string{"sh"}, []string{path}, busybox) },
		"bb:latest":      func() (v1.Image, error) { return imageOf(v1.History{Comment: "Imported from -"}, nil, nil, imported) },
		"debian:latest":  func() (v1.Image, error) { return imageOf(created, []string{"bash"}, []string{path}, debian) },
		"python:latest":  func() (v1.Image, error) { return imageOf(created, []string{"python3"}, []string{path}, debian, python) },
		"redis:latest": func() (v1.Image, error) {
			return imageOf(created, []string{"redis-server"}, []string{path}, debian, redis)
		},
	} {
		img, err := image()
		if err != nil {
			return fmt.Errorf("build image %s: %w", reference, err)
		}
		ref, err := name.ParseReference(host+"/"+reference, name.Insecure)
		if err != nil {
			return err
		}
		if err := remote.Write(ref, img); err != nil {
			return fmt.Errorf("push image %s: %w", reference, err)
		}
	}
	return nil
}

// imageOf makes an image of some layers, the lowest first.
func imageOf(history v1.History, cmd, env []string, layers ...v1.Layer) (v1.Image, error) {
	img := empty.Image
	for _, layer := range layers {
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: history}); err != nil {
			return nil, err
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Architecture, file.OS = "amd64", "linux"
	file.Created = v1.Time{Time: time.Unix(1_700_000_000, 0).UTC()}
	file.Config.Cmd, file.Config.Env = cmd, env
	return mutate.ConfigFile(img, file)
}

func layerOf(tar []byte) (v1.Layer, error) {
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tar)), nil },
		tarball.WithCompressedCaching, tarball.WithCompressionLevel(gzip.BestSpeed))
}

// busyboxRoot is a root file system of Debian's busybox-static, with a host name that tells two of them apart.
func busyboxRoot(hostname string) (v1.Layer, error) {
	debs, err := packages("busybox-static")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sle2e")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("dpkg-deb", "-x", debs[0], dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("dpkg-deb -x: %w\n%s", err, out)
	}
	path := filepath.Join(dir, "bin/busybox")
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := &layerWriter{Writer: tar.NewWriter(&out)}
	for _, dir := range []string{"bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "usr/sbin", "var"} {
		w.add(tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	w.add(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	w.add(tar.Header{Name: "bin/busybox", Mode: 0o755}, program)
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			w.add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeLink, Linkname: "bin/busybox", Mode: 0o755}, nil)
		}
	}
	w.add(tar.Header{Name: "etc/hostname", Mode: 0o644}, []byte(hostname+"\n"))
	w.add(tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"))
	w.add(tar.Header{Name: "etc/group", Mode: 0o644}, []byte("root:x:0:\nnobody:x:65534:\n"))
	if w.fail(w.Close()); w.err != nil {
		return nil, w.err
	}
	return layerOf(out.Bytes())
}

// layerWriter keeps the first error.
type layerWriter struct {
	*tar.Writer
	err error
}

func (w *layerWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *layerWriter) add(h tar.Header, data []byte) {
	h.Size, h.ModTime = int64(len(data)), time.Unix(1_700_000_000, 0)
	w.fail(w.WriteHeader(&h))
	_, err := w.Write(data)
	w.fail(err)
}

// packages downloads Debian's packages into .cache, where they stay, and returns their files.
func packages(names ...string) (debs []string, err error) {
	cache, err := filepath.Abs(".cache")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	file := func(p string) string {
		p, _, _ = strings.Cut(p, "/") // "name/release"
		return p + "_*.deb"
	}
	var missing []string
	for _, p := range names {
		if found, _ := filepath.Glob(filepath.Join(cache, file(p))); len(found) == 0 { // the pattern is well formed
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		download := exec.Command("apt-get", append([]string{"download", "-q"}, missing...)...)
		download.Dir = cache
		if out, err := download.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("apt-get download (run apt-get update first?): %w\n%s", err, out)
		}
	}
	for _, p := range names {
		found, err := filepath.Glob(filepath.Join(cache, file(p)))
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("package %s is not in %s: %w", p, cache, err)
		}
		debs = append(debs, found[0])
	}
	return debs, nil
}

// debianLayer is the files of packages, as they lie in them, with the accounts that base-passwd would make and the links
// that configuring would.
func debianLayer(names []string, links map[string]string) (v1.Layer, error) {
	files, err := debianTar(names, links)
	if err != nil {
		return nil, err
	}
	return layerOf(files)
}

func debianTar(names []string, links map[string]string) ([]byte, error) {
	debs, err := packages(names...)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := &layerWriter{Writer: tar.NewWriter(&out)}
	seen := map[string]bool{}
	for _, deb := range debs {
		data, err := exec.Command("dpkg-deb", "--fsys-tarfile", deb).Output()
		if err != nil {
			return nil, fmt.Errorf("dpkg-deb --fsys-tarfile %s: %w", filepath.Base(deb), err)
		}
		if err := w.copyTar(data, seen); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(deb), err)
		}
	}
	for link, target := range links {
		if !seen[link] {
			w.add(tar.Header{Name: link, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, nil)
		}
	}
	if w.fail(w.Close()); w.err != nil {
		return nil, w.err
	}
	return out.Bytes(), nil
}

// leftOut are the folders of packages that no program of the images reads.
var leftOut = []string{"./usr/share/doc/", "./usr/share/man/", "./usr/share/locale/", "./usr/share/nodejs/@types/", "./usr/lib/postgresql/15/lib/bitcode/"}

// copyTar adds the entries of a package, folders once, and what base-passwd's maintainer script copies.
func (w *layerWriter) copyTar(data []byte, seen map[string]bool) error {
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w.err
		}
		if err != nil {
			return err
		}
		if seen[h.Name] || slices.ContainsFunc(leftOut, func(folder string) bool { return strings.HasPrefix(h.Name, folder) }) {
			continue
		}
		seen[h.Name] = true
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		w.fail(w.WriteHeader(h))
		_, err = w.Write(body)
		w.fail(err)
		for master, file := range map[string]string{"passwd.master": "./etc/passwd", "group.master": "./etc/group"} {
			if h.Name == "./usr/share/base-passwd/"+master {
				w.add(tar.Header{Name: file, Mode: 0o644}, body)
			}
		}
	}
}
