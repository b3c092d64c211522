package image

import (
	"archive/tar"
	"bytes"
	"maps"
	"slices"
	"strings"
)

// shells are in the image besides the commands that the caller names.
var shells = []string{"sh", "bash", "ash", "dash"}

// markerFile is the one file that all commands are hard links to.
const markerFile = "usr/bin/sockerless-builtins"

// baseDirs are the directories with their modes, parents first.
var baseDirs = []struct {
	name string
	mode int64
}{
	{"boot", 0o755}, {"dev", 0o755}, {"etc", 0o755}, {"etc/profile.d", 0o755}, {"home", 0o755}, {"media", 0o755}, {"mnt", 0o755},
	{"opt", 0o755}, {"proc", 0o555}, {"root", 0o700}, {"run", 0o755}, {"run/lock", 0o1777}, {"srv", 0o755}, {"sys", 0o555},
	{"tmp", 0o1777}, {"usr", 0o755}, {"usr/bin", 0o755}, {"usr/lib", 0o755}, {"usr/local", 0o755}, {"usr/local/bin", 0o755},
	{"usr/local/lib", 0o755}, {"usr/local/sbin", 0o755}, {"usr/local/share", 0o755}, {"usr/sbin", 0o755}, {"usr/share", 0o755},
	{"usr/src", 0o755}, {"var", 0o755}, {"var/cache", 0o755}, {"var/lib", 0o755}, {"var/local", 0o755}, {"var/log", 0o755},
	{"var/mail", 0o755}, {"var/opt", 0o755}, {"var/spool", 0o755}, {"var/tmp", 0o1777},
}

// baseLinks are symbolic links: the merged /usr of Debian.
var baseLinks = map[string]string{
	"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "var/run": "/run", "var/lock": "/run/lock",
	"etc/os-release": "../usr/lib/os-release",
}

var baseFiles = map[string]string{
	"etc/passwd": `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`,
	"etc/group": `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
www-data:x:33:
staff:x:50:
users:x:100:
nogroup:x:65534:
`,
	"etc/hostname":      "sockerless\n",
	"etc/shells":        "/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n/usr/bin/dash\n",
	"etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
	"etc/profile": `if [ "$(id -u)" -eq 0 ]; then
  PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
else
  PATH="/usr/local/bin:/usr/bin:/bin"
fi
export PATH
for i in /etc/profile.d/*.sh; do
  if [ -r "$i" ]; then . "$i"; fi
done
unset i
`,
	"usr/lib/os-release": `PRETTY_NAME="Sockerless base"
NAME="Sockerless"
ID=sockerless
ID_LIKE=debian
`,
}

// baseTar is the image's one layer, and the number of bytes in its files. Entries are in ascending order of their
// names, but for the hard links, which come after what they link to.
func baseTar(builtins []string) (layer *bytes.Buffer, size int64, err error) {
	var buf bytes.Buffer
	t := &baseWriter{w: tar.NewWriter(&buf)}
	for _, d := range baseDirs {
		t.add(tar.Header{Typeflag: tar.TypeDir, Name: d.name + "/", Mode: d.mode}, "")
	}
	for _, name := range slices.Sorted(maps.Keys(baseLinks)) {
		t.add(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: baseLinks[name], Mode: 0o777}, "")
	}
	for _, name := range slices.Sorted(maps.Keys(baseFiles)) {
		t.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, baseFiles[name])
	}
	t.add(tar.Header{Typeflag: tar.TypeReg, Name: markerFile, Mode: 0o755}, BuiltinMarker)
	for _, name := range commandNames(builtins) {
		t.add(tar.Header{Typeflag: tar.TypeLink, Name: "usr/bin/" + name, Linkname: markerFile, Mode: 0o755}, "")
	}
	if t.err == nil {
		t.err = t.w.Close()
	}
	return &buf, t.size, t.err
}

// commandNames are the files in /usr/bin: sorted, each once, only names that a file can have.
func commandNames(builtins []string) []string {
	names := append(slices.Clone(shells), builtins...)
	names = slices.DeleteFunc(names, func(n string) bool {
		return n == "" || n == "." || n == ".." || strings.Contains(n, "/")
	})
	slices.Sort(names)
	return slices.Compact(names)
}

type baseWriter struct {
	w    *tar.Writer
	size int64
	err  error // the first one
}

func (t *baseWriter) add(h tar.Header, content string) {
	if t.err != nil {
		return
	}
	h.ModTime, h.Format, h.Uname, h.Gname = baseTime, tar.FormatUSTAR, "root", "root"
	h.Size = int64(len(content))
	t.size += h.Size
	if t.err = t.w.WriteHeader(&h); t.err == nil {
		_, t.err = t.w.Write([]byte(content))
	}
}
