package placement

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
)

// elfHead begins a program for amd64.
const elfHead = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00\x01\x00\x00\x00"

// commands are what the sandbox of the tests has.
var commands = set("ls", "cat", "echo", "true", "false", "grep", "sed", "awk", "find", "xargs", "env", "nice", "nohup", "timeout", "setsid", "stdbuf", "sort",
	"head", "tail", "wc", "mkdir", "rm", "cp", "mv", "chmod", "chown", "touch", "sleep", "id", "uname", "date", "tar", "basename", "dirname", "which", "mktemp",
	"test", "[", "printf", "tr", "seq", "cut", "tee", "ln", "sha256sum", "hostname", "whoami", "kill", "watch", "flock", "time")

// natives are programs of the image that the sandbox has none for.
var natives = []string{"node", "python3", "make", "gcc", "apt-get", "git", "curl", "sudo", "gosu", "go", "docker", "jq", "ssh-keyscan", "nginx", "cargo", "strace"}

// image is a root of files: a path that ends in * is executable, one with " -> " in it a link.
type image map[string]string

// debian has the usual files: natives in /usr/bin, shells and core commands as ELF files, /bin a link.
func debian(more image) image {
	files := image{"/bin -> usr/bin": "", "/sbin -> usr/sbin": "", "/usr/sbin/x": "", "/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/root/x": "", "/app/x": "", "/tmp/x": ""}
	for _, name := range natives {
		files["/usr/bin/"+name+"*"] = elfHead
	}
	for name := range commands {
		files["/usr/bin/"+name+"*"] = elfHead
	}
	files["/usr/bin/dash*"] = elfHead
	files["/usr/bin/bash*"] = elfHead
	files["/usr/bin/sh -> dash"] = ""
	files["/usr/bin/python -> python3"] = ""
	files["/usr/local/bin/npm*"] = "#!/usr/bin/env node\nrequire('x')\n"
	files["/usr/local/bin/pip*"] = "#!/usr/bin/python3\nimport pip\n"
	files["/usr/local/bin/wasmtool*"] = "\x00asm\x01\x00\x00\x00"
	for name, text := range more {
		files[name] = text
	}
	return files
}

// sandboxed is the embedded image: marks, and nothing native.
func sandboxed(more image) image {
	files := image{"/app/x": "", "/tmp/x": "", "/bin/sh*": Mark + "\n", "/bin/bash*": Mark + "\n"}
	for name := range commands {
		files["/bin/"+name+"*"] = Mark + "\n"
	}
	for name, text := range more {
		files[name] = text
	}
	return files
}

func (files image) view(t testing.TB) *rootfs.View {
	t.Helper()
	v := rootfs.NewTree(rootfs.NewTmpfs(0, 0o755), false).View(rootfs.Cred{})
	// Links first: they are directories for the others.
	for _, links := range []bool{true, false} {
		for name, text := range files {
			link, target, isLink := strings.Cut(name, " -> ")
			if isLink != links {
				continue
			}
			name, run := strings.CutSuffix(link, "*")
			if isLink && strings.Count(name, "/") > 1 || !isLink {
				if err := v.MkdirAll(path.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if isLink {
				if strings.Count(name, "/") == 1 {
					if err := v.MkdirAll("/"+target, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				if err := v.Symlink(target, name); err != nil {
					t.Fatal(err)
				}
				continue
			}
			mode := uint32(0o644)
			if run {
				mode = 0o755
			}
			if err := v.WriteFile(name, []byte(text), rootfs.FromUnixMode(mode)); err != nil {
				t.Fatal(err)
			}
			if err := v.Chmod(name, rootfs.FromUnixMode(mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

var usualEnv = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}

func options() Options {
	return Options{Finder: Finder{Builtin: func(name string, _ bool) bool { return commands[name] }}}
}

// summary is the plan in a few words: "sandbox" or "native", with ? if it is not certain, "whole" and the programs.
func summary(p Plan) string {
	s := "sandbox"
	if p.Native {
		s = "native"
	}
	if !p.Certain {
		s += "?"
	}
	if p.Whole {
		s += " whole"
	}
	seen := map[string]bool{}
	for _, q := range p.Programs {
		if !seen[q.Name] {
			s += " " + q.Name
		}
		seen[q.Name] = true
	}
	return s
}

func analyze(t testing.TB, v *rootfs.View, args ...string) Plan {
	t.Helper()
	return Analyze(context.Background(), v, usualEnv, "/app", args, options())
}
