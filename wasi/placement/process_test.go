package placement

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// TestProcesses: what a container's or an exec's command comes to.
func TestProcesses(t *testing.T) {
	more := image{
		"/app/server.js*":      "#!/usr/bin/env node\n",
		"/app/tool.py*":        "#!/usr/bin/python3 -u\n",
		"/app/strict*":         "#!/usr/bin/env -S node --strict\n",
		"/app/build*":          "#!/bin/bash -e\nls\nmake\n",
		"/app/twice*":          "#!/app/build\n",
		"/app/noexec":          "#!/bin/sh\nmake\n",
		"/app/bare*":           "make\n",
		"/app/gone*":           "#!/usr/bin/ruby\n",
		"/opt/bin/ls*":         elfHead,
		"/usr/local/bin/bash*": elfHead,
		"/etc/profile":         "PATH=/usr/local/bin:/usr/bin:/bin:/opt/tools\n",
		"/opt/tools/special*":  elfHead,
	}
	for _, world := range []struct {
		name  string
		view  image
		plans map[string]string
	}{
		{"debian", debian(more), map[string]string{
			"node":                                  "native whole node",
			"node server.js":                        "native whole node",
			"/usr/bin/python3 -m http.server":       "native whole python3",
			"nginx -g daemon_off;":                  "native whole nginx",
			"npm start":                             "native whole npm",
			"/app/server.js":                        "native whole server.js",
			"./tool.py":                             "native whole tool.py",
			"/app/strict":                           "native whole strict",
			"/app/build":                            "native whole make",
			"/app/twice":                            "native whole make",
			"/app/bare":                             "sandbox", // no shell looks at it: it fails
			"/app/noexec":                           "sandbox",
			"/app/gone":                             "sandbox",
			"/opt/bin/ls":                           "native whole ls",
			"/usr/local/bin/bash -c ls":             "native whole bash",
			"/bin/bash -c ls":                       "sandbox",
			"/bin/bash":                             "sandbox?",
			"bash":                                  "native whole bash",
			"ls -l":                                 "sandbox",
			"sleep infinity":                        "sandbox",
			"missing":                               "sandbox",
			"/app":                                  "sandbox",
			"wasmtool":                              "sandbox",
			"env A=b node x":                        "native whole node",
			"env":                                   "sandbox",
			"timeout 5 node x":                      "native whole node",
			"xargs node":                            "native whole node",
			"find / -exec node {} +":                "native? node",
			"sh -lc special":                        "native whole special",
			"sh -c special":                         "sandbox",
			"sh /app/noexec":                        "native whole make",
			"sh noexec":                             "native whole make",
			"sh -e -- noexec":                       "native whole make",
			"sh -c":                                 "sandbox",
			"sh -c ls -c node":                      "sandbox",
			"sh -o pipefail -c node":                "native whole node",
			"/bin/bash --norc -eo pipefail -c node": "native whole node",
			"/bin/bash --version":                   "sandbox",
			"sh -s node":                            "sandbox?",
			"tail -f /dev/null":                     "sandbox",
		}},
		{"sandboxed", sandboxed(image{"/usr/bin/node*": elfHead, "/usr/bin/apt-get*": elfHead, "/bin/lacking*": Mark + "\n"}), map[string]string{
			"sh -c ls":      "sandbox",
			"sh -c node":    "native node",
			"sh -c apt-get": "native apt-get",
			"env node":      "native node",
			"node":          "native whole node",
			"lacking":       "native lacking",
			"bash -c node":  "native node",
		}},
		{"busybox", image{
			"/bin/busybox*": elfHead, "/bin/sh -> busybox": "", "/bin/ls -> busybox": "", "/bin/wget -> busybox": "", "/bin/env -> busybox": "",
			"/usr/local/bin/l -> /bin/ls": "", "/opt/ls -> /bin/busybox": "", "/app/x": "",
			"/app/py*": "#!/bin/busybox python\n", "/app/sh*": "#!/bin/busybox sh\nls\n", "/app/w*": "#!/bin/sh\nexec wget x\n",
		}, map[string]string{
			"ls":                                    "sandbox",
			"wget x":                                "native whole wget",
			"busybox ls":                            "sandbox",
			"busybox wget x":                        "native whole busybox",
			"busybox":                               "native whole busybox",
			"busybox sh -c ls":                      "sandbox",
			"busybox sh -c wget":                    "native whole wget",
			"sh -c busybox\twget\tx":                "native whole busybox",
			"sh -c busybox\tls;busybox\tsh\t-c\tls": "sandbox",
			"/opt/ls":                               "sandbox",
			"/app/py":                               "native whole py",
			"/app/sh":                               "sandbox",
			"/app/w":                                "native whole wget",
			"/usr/local/bin/l":                      "native whole l",
		}},
	} {
		v := world.view.view(t)
		for command, want := range world.plans {
			args := strings.Split(command, " ")
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "\t", " ")
			}
			if p := analyze(t, v, args...); summary(p) != want {
				t.Errorf("%s: %s\n\tgot  %s (%s)\n\twant %s", world.name, command, summary(p), p.Reason, want)
			}
		}
	}
}

func TestNativeBash(t *testing.T) {
	o := options()
	o.NativeBash = true
	own, marked := debian(nil).view(t), sandboxed(nil).view(t)
	for _, c := range []struct{ script, debian, sandboxed string }{
		{"bash -c ls", "native whole bash", "sandbox"},
		{"bash", "native whole bash", "sandbox?"},
		{"sh -c ls", "sandbox", "sandbox"},
		{"sh -c bash\tx.sh", "native whole bash", "sandbox?"},
		{"sh -c bash\t-c\t'ls'", "native whole bash", "sandbox"},
		{"env bash -c ls", "native whole bash", "sandbox"},
	} {
		args := strings.Split(c.script, " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\t", " ")
		}
		for _, w := range []struct {
			plan Plan
			want string
		}{
			{Analyze(context.Background(), own, usualEnv, "/app", args, o), c.debian},
			{Analyze(context.Background(), marked, usualEnv, "/app", args, o), c.sandboxed},
		} {
			if got := summary(w.plan); got != w.want {
				t.Errorf("%s: %s (%s), want %s", c.script, got, w.plan.Reason, w.want)
			}
		}
	}
}

// TestPlan looks at all that a plan says.
func TestPlan(t *testing.T) {
	v := debian(image{
		"/app/ci.sh*":   "#!/bin/bash\nset -e\n\necho start\nls | sort\n. ./lib.sh\nbuild\nif [ -f x ]; then\n  python3 x.py\nfi\n",
		"/app/lib.sh":   "# functions\nbuild() {\n  sh -c 'cd /tmp\nmake'\n  eval 'echo\ngcc x.c'\n}\n",
		"/app/arm*":     elfHead[:18] + "\xb7\x00" + elfHead[20:],
		"/app/s390*":    "\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x16",
		"/app/entry.sh": "",
	}).view(t)
	p := analyze(t, v, "/app/ci.sh")
	want := []Program{
		{"/usr/bin/make", "make", 2, "script of sh -c in script ./lib.sh:3, line 2", "a native linux/amd64 program (ELF)"},
		{"/usr/bin/gcc", "gcc", 2, "eval in script ./lib.sh:5, line 2", "a native linux/amd64 program (ELF)"},
		{"/usr/bin/python3", "python3", 9, "script /app/ci.sh:9", "a native linux/amd64 program (ELF)"},
	}
	for i := range want {
		want[i].Where = strings.ReplaceAll(want[i].Where, "./lib.sh", "/app/lib.sh")
	}
	if !slices.Equal(p.Programs, want) {
		t.Errorf("programs\n\tgot  %+v\n\twant %+v", p.Programs, want)
	}
	// the script itself, set echo ls sort . sh cd make eval echo gcc [ python3
	if p.Commands != 14 || p.NativeCommands != 3 || !p.Native || !p.Certain || !p.Whole {
		t.Errorf("got %+v", p)
	}
	for command, reason := range map[string]string{
		"node x":                     "node is a native linux/amd64 program (ELF)",
		"/app/arm":                   "arm is a native linux/arm64 program (ELF)",
		"/app/s390":                  "s390 is a native linux/s390x program (ELF)",
		"npm ci":                     "npm (command) is run by /usr/bin/node, a native linux/amd64 program (ELF); the whole process runs natively: npm brings or builds further programs",
		"ls":                         "it needs no native program",
		"sh":                         "no native program is known to run, but what a shell reads from its input is known only then (command)",
		"sh -c git\tpull":            "git (script of sh -c, line 1) is a native linux/amd64 program (ELF); the whole process runs natively: of the programs that it starts 1 are native and 0 the sandbox's, loops counted",
		"sh -c ls&&[\t-f\tx\t]&&git": "git (script of sh -c, line 1) is a native linux/amd64 program (ELF), in a branch; it starts in the sandbox",
		"sh -c ls;cat\t<x;exec\tgit": "git (script of sh -c, line 1) is a native linux/amd64 program (ELF); the whole process runs natively: it ends in git by exec",
		"sh -c ls;cat\t<x;git":       "git (script of sh -c, line 1) is a native linux/amd64 program (ELF); of the programs that it starts most are the sandbox's (2, 1 are native)",
	} {
		args := strings.Split(command, " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\t", " ")
		}
		if p := analyze(t, v, args...); p.Reason != reason {
			t.Errorf("%s\n\tgot  %s\n\twant %s", command, p.Reason, reason)
		}
	}
}

func TestFind(t *testing.T) {
	v := debian(image{
		"/app/loop1*": "#!/app/loop2\n", "/app/loop2*": "#!/app/loop1\n", "/app/empty*": "", "/app/text*": "text", "/app/noexec": elfHead,
		"/app/none*": "#!\n", "/app/sh*": "#!/bin/sh -e\nls\n", "/app/outer*": "#! /app/sh  a b \n", "/app/crlf*": "#!/bin/sh\r\nls\n",
		"/app/long*": "#!/" + strings.Repeat("x", 300) + "\n", "/app/tabbed*": "#!\t/usr/bin/env\tnode\n",
	}).view(t)
	f := options().Finder
	for name, want := range map[string]struct {
		kind Kind
		args string
		code int
		err  error
	}{
		"/bin/ls":     {Builtin, "ls -l", 0, nil},
		"/bin/sh":     {Shell, "sh -l", 0, nil},
		"/app/sh":     {Shell, "/bin/sh -e /app/sh -l", 0, nil},
		"/app/outer":  {Shell, "/bin/sh -e /app/sh a b /app/outer -l", 0, nil},
		"/app/crlf":   {Shell, "/bin/sh /app/crlf -l", 0, nil},
		"/app/tabbed": {Builtin, "/usr/bin/env node /app/tabbed -l", 0, nil},
		"/usr/bin/go": {Native, "go -l", 0, nil},
		"/app/loop1":  {0, "", 126, syscall.ELOOP},
		"/app/empty":  {0, "", 126, syscall.ENOEXEC},
		"/app/text":   {0, "", 126, syscall.ENOEXEC},
		"/app/none":   {0, "", 126, syscall.ENOEXEC},
		"/app/long":   {0, "", 126, syscall.ENOEXEC},
		"/app/noexec": {0, "", 126, syscall.EACCES},
		"/app":        {0, "", 126, syscall.EACCES},
		"/missing":    {0, "", 127, syscall.ENOENT},
	} {
		got, err := f.Find(v, name, []string{name[strings.LastIndexByte(name, '/')+1:], "-l"})
		if want.err != nil {
			var exec *kernel.ExecError
			if !errors.As(err, &exec) || exec.Code != want.code || !errors.Is(err, want.err) {
				t.Errorf("%s: %v, want %v", name, err, want.err)
			}
			continue
		}
		if err != nil || got.Kind != want.kind || strings.Join(got.Args, " ") != want.args {
			t.Errorf("%s: %d %q %v, want %d %q", name, got.Kind, got.Args, err, want.kind, want.args)
		}
	}
}
