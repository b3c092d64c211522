package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestWASI runs a Go program, compiled to WebAssembly, as an image's entry point.
func TestWASI(t *testing.T) {
	module := filepath.Join(t.TempDir(), "program.wasm")
	build := exec.Command("go", "build", "-o", module, "testdata/wasi/main.go")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	s, f := runningServer(t), newFaulty(t)
	for _, platform := range []v1.Platform{linuxAMD64, {OS: "wasi", Architecture: "wasm"}, {OS: "wasip1", Architecture: "wasm"}} {
		t.Run(platform.String(), func(t *testing.T) {
			tag := "program:" + platform.OS
			f.push(t, tag, layeredImage(t, platform, v1.Config{Entrypoint: []string{"/program.wasm"}, Env: []string{"GREETING=hello"}},
				layerTar(t, file("program.wasm", 0o755, string(program)), file("data/in", 0o644, "from the image"))))
			testWASI(t, s, f.host+"/"+tag)
		})
	}
}

func testWASI(t *testing.T, s *server, image string) {
	run := func(stdin string, args ...string) outcome {
		cmd := s.docker(t, append([]string{"run", "--rm", "-i"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		return outcomeOf(t, cmd)
	}
	s.ok(t, "pull", image)
	million := strings.Repeat("x", 1_000_000)
	for _, c := range []struct {
		stdin string
		args  []string
		want  outcome
	}{
		{"", []string{image, "args", "one", "two words", "", "ü"}, outcome{stdout: "[\"one\" \"two words\" \"\" \"ü\"]\n"}},
		{"", []string{image, "env", "GREETING"}, outcome{stdout: "hello\n"}},
		{"", []string{"-e", "GREETING=other", image, "env", "GREETING"}, outcome{stdout: "other\n"}},
		{"a\nb\n", []string{image, "upper"}, outcome{"A\nB\n", "end of input\n", 0}},
		{million, []string{image, "count"}, outcome{stdout: "1000000\n"}},
		{"", []string{image, "exit"}, outcome{code: 3}},
		{"", []string{image, "copy", "/nosuch", "/x"}, outcome{"", "wasi: open /nosuch: No such file or directory\n", 1}},
	} {
		if got := run(c.stdin, c.args...); got != c.want {
			t.Errorf("%.100q: %+v, want %+v", c.args, got, c.want)
		}
	}
	if got := run("", image, "panic"); got.code != 2 || !strings.Contains(got.stderr, "panic: on purpose") {
		t.Errorf("panic: %+v", got)
	}

	copier := s.ok(t, "create", image, "copy", "/data/in", "/data/out")
	s.ok(t, "start", "-a", copier)
	if got := contentOf(t, s, copier, "/data/out"); got != "copied: from the image" {
		t.Errorf("docker cp of what it wrote: %q", got)
	}
	if got := s.ok(t, "diff", copier); got != "C /data\nA /data/out\nA /etc" { // /etc, for hosts and hostname, is not in the image
		t.Errorf("docker diff: %q", got)
	}
	s.ok(t, "rm", copier)

	for _, stuck := range []string{"spin", "block"} {
		id := s.ok(t, "run", "-d", "-i", image, stuck)
		for s.ok(t, "logs", id) != "ready" {
		}
		s.ok(t, "kill", id)
		if got := s.ok(t, "wait", id); got != "137" {
			t.Errorf("docker kill of one that %ss: %s", stuck, got)
		}
		s.ok(t, "rm", id)
		id = s.ok(t, "run", "-d", "-i", image, stuck)
		s.ok(t, "stop", "-t", "0", id)
		s.ok(t, "rm", id)
	}
}
