package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var updateScripts = flag.Bool("update-scripts", false, "write docs/shell-scripts.md anew")

// scriptPackages are packages of Debian with many shell scripts, beside those of debianBase.
var scriptPackages = []string{
	"acpid", "adduser", "autofs", "bats", "bzip2", "ca-certificates", "cron", "cryptsetup", "debootstrap", "dh-autoreconf", "dkms", "exim4-config",
	"gawk", "gettext-base", "hdparm", "ifupdown", "init-system-helpers", "initramfs-tools", "initramfs-tools-core", "initscripts",
	"laptop-mode-tools", "libmpfr6", "libreadline8", "libsigsegv2", "live-boot", "logrotate", "lsb-release", "mdadm", "netbase", "nfs-common", "nginx-common", "os-prober",
	"patchutils", "postgresql-common", "psutils", "quilt", "reportbug", "resolvconf", "sensible-utils", "smartmontools", "ssl-cert", "sysvinit-utils",
	"ucf", "x11-common", "xdg-utils", "xinit", "xz-utils", "zutils",
}

// The source package whose configure script runs up to its search for a compiler.
const (
	sourceFile = "pool/main/h/hello/hello_2.10.orig.tar.gz"
	sourceSum  = "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"
)

// scriptsDiffer are the runs whose output is known to differ, and why: "script argument", or the script for all of its runs.
var scriptsDiffer = map[string]string{
	"/bin/bzmore help":                "help of a command",
	"/bin/bzmore version":             "version of a command",
	"/bin/egrep help":                 "help of a command",
	"/bin/egrep version":              "version of a command",
	"/bin/fgrep help":                 "help of a command",
	"/bin/fgrep version":              "version of a command",
	"/usr/bin/rgrep help":             "help of a command",
	"/usr/bin/rgrep version":          "version of a command",
	"/usr/bin/sensible-pager help":    "help of a command",
	"/usr/bin/sensible-pager version": "version of a command",
	"/usr/sbin/tarcat help":           "help of a command",
	"/usr/sbin/tarcat version":        "version of a command",
	"/etc/init.d/checkroot.sh":        "file systems of the kernel",
	"/etc/init.d/mountall.sh":         "file systems of the kernel",
	"/etc/init.d/mountdevsubfs.sh":    "file systems of the kernel",
	"/etc/init.d/mountkernfs.sh":      "file systems of the kernel",
	"/etc/init.d/hostname.sh":         "the host name of a container is not to be changed",
	"/usr/bin/linux-boot-prober":      "begins with a native program",
	"/usr/bin/os-prober":              "begins with a native program",
	"configure":                       "mkdir is not GNU's, so configure takes install-sh for it; all else is the same",
}

// mkdirLine is the line of configure's output that is known to differ.
var mkdirLine = regexp.MustCompile("checking for a thread-safe mkdir.*\n")

// TestDebianScripts runs every shell script that many packages of Debian install, their maintainer scripts, a suite under bats
// and a configure script, unmodified: in the sandbox, and under the real shells in a root of the same files. Output, exit codes
// and the files that are left are the same. docs/shell-scripts.md has the list.
func TestDebianScripts(t *testing.T) {
	s := runningServer(t)
	root, scripts := scriptsRoot(t, strings.Fields(s.ok(t, "run", "--rm", "sockerless/base", "ls", "/usr/bin")))
	want := t.TempDir()
	realResults(t, root, want)
	got := t.TempDir()
	sandboxResults(t, s, root, got)
	results := compareResults(t, scripts, want, got)
	if *updateScripts && !t.Failed() {
		listScripts(t, scripts, results)
	}
}

// scriptsRoot makes the root file system as a tar file, and lists the shell scripts in it. Of native programs it has those
// that the sandbox has too.
func scriptsRoot(t *testing.T, commands []string) (root []byte, scripts []string) {
	t.Helper()
	files, err := debianTar(slices.Concat(debianBase, scriptPackages), map[string]string{"./bin/sh": "dash", "./usr/bin/awk": "gawk", "./usr/bin/which": "which.debianutils"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := &layerWriter{Writer: tar.NewWriter(&out)}
	left := map[string]bool{}
	each(t, files, func(h *tar.Header, body []byte) {
		name := path.Clean("/" + h.Name)
		if h.Typeflag == tar.TypeLink && left[path.Clean("/"+h.Linkname)] {
			return
		}
		switch path.Dir(name) {
		case "/bin", "/sbin", "/usr/bin", "/usr/sbin":
			if bytes.HasPrefix(body, []byte("\x7fELF")) && !slices.Contains(commands, path.Base(name)) {
				left[name] = true
				return
			}
		}
		if isShellScript(h, body) {
			scripts = append(scripts, name)
		}
		w.fail(w.WriteHeader(h))
		_, err := w.Write(body)
		w.fail(err)
	})
	debs, err := packages(slices.Concat(debianBase, scriptPackages)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, deb := range debs {
		control, err := exec.Command("dpkg-deb", "--ctrl-tarfile", deb).Output()
		if err != nil {
			t.Fatal(err)
		}
		pkg, _, _ := strings.Cut(filepath.Base(deb), "_")
		each(t, control, func(h *tar.Header, body []byte) {
			name := "/var/lib/dpkg/info/" + pkg + "." + path.Base(h.Name)
			if isShellScript(h, body) {
				scripts = append(scripts, name)
				w.add(tar.Header{Name: "." + name, Mode: 0o755}, body)
			}
		})
	}
	for name, file := range map[string]string{"driver.sh": "./driver.sh", "suite.bats": "./bats/suite.bats"} {
		data, err := os.ReadFile(filepath.Join("testdata/debian", name))
		if err != nil {
			t.Fatal(err)
		}
		w.add(tar.Header{Name: file, Mode: 0o755}, data)
	}
	slices.Sort(scripts)
	w.add(tar.Header{Name: "./scripts", Mode: 0o644}, []byte(strings.Join(scripts, "\n")+"\n"))
	each(t, sourcePackage(t), func(h *tar.Header, body []byte) {
		_, rest, _ := strings.Cut(h.Name, "/")
		h.Name = "./source/" + rest
		w.fail(w.WriteHeader(h))
		_, err := w.Write(body)
		w.fail(err)
	})
	if w.fail(w.Close()); w.err != nil {
		t.Fatal(w.err)
	}
	return out.Bytes(), scripts
}

func each(t *testing.T, archive []byte, do func(h *tar.Header, body []byte)) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
		do(h, body)
	}
}

func isShellScript(h *tar.Header, body []byte) bool {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	if h.Typeflag != tar.TypeReg || !bytes.HasPrefix(line, []byte("#!")) {
		return false
	}
	for _, shell := range []string{"/sh", "bash", "/dash"} {
		if bytes.Contains(line, []byte(shell)) {
			return true
		}
	}
	return false
}

// sourcePackage downloads a source package into .cache, where it stays, and gives its files as a tar file.
func sourcePackage(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(".cache", path.Base(sourceFile))
	if _, err := os.Stat(file); err != nil {
		mirrors, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main").Output()
		if err != nil {
			t.Fatal(err)
		}
		mirror, _, _ := strings.Cut(string(mirrors), "\n")
		fetch := exec.Command("/usr/lib/apt/apt-helper", "download-file", strings.TrimSuffix(mirror, "/")+"/"+sourceFile, file, "SHA256:"+sourceSum)
		if out, err := fetch.CombinedOutput(); err != nil {
			t.Fatalf("download %s: %v\n%s", sourceFile, err, out)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != sourceSum {
		t.Fatalf("%s has the sum %s", file, sum)
	}
	gunzip := exec.Command("gzip", "-dc")
	gunzip.Stdin = bytes.NewReader(data)
	files, err := gunzip.Output()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// realResults runs the driver under the real dash and bash, in namespaces of its own, and leaves the results in a folder.
func realResults(t *testing.T, root []byte, results string) {
	t.Helper()
	dir := t.TempDir()
	unpack := exec.Command("tar", "-x", "-p", "-C", dir)
	unpack.Stdin = bytes.NewReader(root)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	inside := `
cd "$1" && mkdir -p dev proc && mount -t proc -o ro proc proc
for d in null zero full random urandom; do touch dev/$d && mount --bind /dev/$d dev/$d; done
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
hostname box
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+sys_chroot,+mknod chroot . /driver.sh`
	real := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "sh", "-ec", inside, "sh", dir)
	if out, err := real.CombinedOutput(); err != nil {
		t.Fatalf("a root of its own for the real shells (needs root on Linux): %v\n%s", err, out)
	}
	if out, err := exec.Command("cp", "-r", filepath.Join(dir, "results")+"/.", results).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

// sandboxResults runs the driver in a container of the same files.
func sandboxResults(t *testing.T, s *server, root []byte, results string) {
	t.Helper()
	img, err := imageOf(v1.History{CreatedBy: "e2e"}, []string{"/driver.sh"}, nil, static.NewLayer(root, types.DockerUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(registryHost+"/scripts", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "pull", "-q", ref.Name())
	s.ok(t, "run", "--name", "scripts", "--hostname", "box", "--network", "none", "--label", "sockerless.place=sandbox", ref.Name())
	s.ok(t, "cp", "-q", "scripts:/results/.", results)
}

// compareResults compares what each run printed and its exit code; it returns them by script and argument.
func compareResults(t *testing.T, scripts []string, want, got string) map[string]string {
	t.Helper()
	results := make(map[string]string)
	files, err := filepath.Glob(filepath.Join(want, "*.code"))
	if err != nil || len(files) < len(scripts) {
		t.Fatalf("%d results of %d scripts: %v", len(files), len(scripts), err)
	}
	read := func(dir, file string) string {
		data, _ := os.ReadFile(filepath.Join(dir, file)) // a file that is missing differs
		return string(data)
	}
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".code")
		run := id
		number, arg, ok := strings.Cut(id, ".")
		if n := 0; ok {
			if _, err := fmt.Sscan(number, &n); err != nil {
				t.Fatal(err)
			}
			run = scripts[n-1] + " " + arg
		}
		script, _, _ := strings.Cut(run, " ")
		same := read(want, id+".code") == read(got, id+".code") && read(want, id+".out") == read(got, id+".out")
		if id == "configure" && !same && mkdirLine.ReplaceAllString(read(want, id+".out"), "") != mkdirLine.ReplaceAllString(read(got, id+".out"), "") {
			t.Errorf("configure\n--- got %s--- want %s", read(got, id+".out"), read(want, id+".out"))
		}
		why, known := scriptsDiffer[run]
		if !known {
			why, known = scriptsDiffer[script]
		}
		switch {
		case same:
			results[run] = "same, " + strings.TrimSpace(read(got, id+".code"))
		case known:
			results[run] = why
		default:
			t.Errorf("%s\n--- got %s%s--- want %s%s--- stderr %s\n--- want %s", run, read(got, id+".code"), read(got, id+".out"), read(want, id+".code"), read(want, id+".out"), read(got, id+".err"), read(want, id+".err"))
		}
	}
	// The engine makes three files of its own.
	ofEngine := func(line string) bool {
		file, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}, file)
	}
	wantTree, gotTree := strings.Split(read(want, "tree"), "\n"), strings.Split(read(got, "tree"), "\n")
	for _, line := range wantTree {
		if !slices.Contains(gotTree, line) && !ofEngine(line) {
			t.Errorf("a file is missing or another: %s", line)
		}
	}
	for _, line := range gotTree {
		if !slices.Contains(wantTree, line) && !ofEngine(line) {
			t.Errorf("a file that should not be: %s", line)
		}
	}
	return results
}

// listScripts writes docs/shell-scripts.md.
func listScripts(t *testing.T, scripts []string, results map[string]string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# Debian's shell scripts\n\nEvery shell script of %d packages of Debian 12, unmodified, in the sandbox and under the real dash and bash in a root of the same files.\n"+
		"`go test ./e2e -run TestDebianScripts -update-scripts` writes this file. Each run says whether standard output and the exit code (which is given) are the same, or why they are not.\n"+
		"`n` is the check of its syntax; `none` is a run without arguments.\n\n", len(debianBase)+len(scriptPackages))
	count := 0
	for _, run := range results {
		if strings.HasPrefix(run, "same") {
			count++
		}
	}
	fmt.Fprintf(&b, "%d scripts, %d runs, %d of them the same.\n\n| script | runs |\n|---|---|\n", len(scripts), len(results), count)
	for _, script := range append(slices.Clone(scripts), "bats", "configure") {
		var runs []string
		for _, run := range slices.Sorted(maps.Keys(results)) {
			if arg, ok := strings.CutPrefix(run, script+" "); ok {
				runs = append(runs, arg+": "+results[run])
			} else if run == script {
				runs = append(runs, results[run])
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", script, strings.Join(runs, "; "))
	}
	if err := os.WriteFile("../docs/shell-scripts.md", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
