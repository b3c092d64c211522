package image

import (
	"testing"

	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestParsePlatform(t *testing.T) {
	for s, want := range map[string]string{
		"linux/amd64": "linux/amd64", "LINUX/AMD64": "linux/amd64", "x86_64": "linux/amd64", "linux/amd64/v1": "linux/amd64", "linux/amd64/v3": "linux/amd64/v3",
		"aarch64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "linux/arm": "linux/arm/v7", "armel": "linux/arm/v6", "linux/arm/6": "linux/arm/v6",
		"linux/i386": "linux/386", "wasi/wasm": "wasi/wasm", "riscv64": "linux/riscv64",
	} {
		if got, err := parsePlatform(s); err != nil || formatPlatform(got) != want {
			t.Errorf("%s: %s, %v, want %s", s, formatPlatform(got), err, want)
		}
	}
	// The texts are dockerd's.
	for s, want := range map[string]string{
		"lin ux":           `"lin ux" is an invalid OS component of "lin ux": OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.%-]*)((?:\\+[A-Za-z0-9_.%-]+)*)\\))?$": invalid argument`,
		"linux/am d64":     `"am d64" is an invalid component of "linux/am d64": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
		"linux/amd64/v1/x": `"linux/amd64/v1/x": cannot parse platform specifier: invalid argument`,
		"nosuch":           `"nosuch": unknown operating system or architecture: invalid argument`,
	} {
		if _, err := parsePlatform(s); err == nil || err.Error() != want || !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v, want %s", s, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	p := func(s string) ocispec.Platform {
		got, err := parsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		want, better, worse string // worse empty: better does not match at all
	}{
		{"linux/arm/v7", "linux/arm/v7", "linux/arm/v6"}, {"linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
		{"linux/amd64/v3", "linux/amd64/v3", "linux/amd64"}, {"linux/arm/v6", "linux/arm/v7", ""}, {"linux/amd64", "linux/arm64", ""},
		{"linux/amd64", "windows/amd64", ""}, {"linux/amd64", "linux/amd64/v3", ""},
	} {
		better := matches(p(c.want), p(c.better))
		if c.worse == "" && better != 0 {
			t.Errorf("%s serves %s", c.better, c.want)
		}
		if c.worse != "" && better <= matches(p(c.want), p(c.worse)) {
			t.Errorf("%s: %s is not better than %s", c.want, c.better, c.worse)
		}
	}
}
