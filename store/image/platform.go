package image

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Patterns and texts are those of containerd's platforms package, which answers in dockerd.
var (
	osPattern        = regexp.MustCompile(`^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$`)
	componentPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

var (
	systems       = []string{"linux", "wasi", "wasip1", "windows", "darwin", "freebsd", "netbsd", "openbsd"}
	architectures = []string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
)

// ParsePlatform reads os[/arch[/variant]] or a lone architecture; "" is linux on this machine's processor. Errors:
// errdefs.ErrInvalidArgument.
func ParsePlatform(s string) (ocispec.Platform, error) {
	if s == "" {
		return normalise(ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}), nil
	}
	return parsePlatform(s)
}

// parsePlatform reads os[/arch[/variant]] or a lone architecture, in Docker's spellings ("x86_64", "aarch64", "armhf").
// Errors: errdefs.ErrInvalidArgument.
func parsePlatform(s string) (ocispec.Platform, error) {
	invalid := func(format string, args ...any) (ocispec.Platform, error) {
		return ocispec.Platform{}, errdefs.ErrInvalidArgument.WithMessage(fmt.Sprintf(format, args...) + ": invalid argument")
	}
	parts := strings.Split(s, "/")
	for i, p := range parts {
		if i == 0 && !osPattern.MatchString(p) {
			return invalid("%q is an invalid OS component of %q: OSAndVersion specifier component must match %q", p, s, osPattern)
		}
		if i > 0 && !componentPattern.MatchString(p) {
			return invalid("%q is an invalid component of %q: platform specifier component must match %q", p, s, componentPattern)
		}
		parts[i] = strings.ToLower(p)
	}
	p := ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	switch len(parts) {
	case 1:
		if slices.Contains(systems, parts[0]) {
			p.OS = parts[0]
			break
		}
		p.Architecture = parts[0]
		if !slices.Contains(architectures, normalise(p).Architecture) {
			return invalid("%q: unknown operating system or architecture", s)
		}
	case 2:
		p.OS, p.Architecture = parts[0], parts[1]
	case 3:
		p.OS, p.Architecture, p.Variant = parts[0], parts[1], parts[2]
	default:
		return invalid("%q: cannot parse platform specifier", s)
	}
	return normalise(p), nil
}

// normalise replaces other names of an architecture, and names the variant that goes without saying.
func normalise(p ocispec.Platform) ocispec.Platform {
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "i386", "i686":
		p.Architecture = "386"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	switch {
	case p.Architecture == "amd64" && p.Variant == "v1", p.Architecture == "arm64" && (p.Variant == "v8" || p.Variant == "8"):
		p.Variant = ""
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	case p.Architecture == "arm" && !strings.HasPrefix(p.Variant, "v"):
		p.Variant = "v" + p.Variant
	}
	return p
}

// supported tells whether images of an operating system can be used.
func supported(os string) bool { return os == "" || os == "linux" || os == "wasip1" || os == "wasi" }

// exactly is the best that matches can say.
const exactly = 10

// matches rates how well an image's platform serves a wanted one: 0 not at all, more is better. A processor runs what
// was built for an older variant of it.
func matches(want, have ocispec.Platform) int {
	have = normalise(have)
	switch {
	case want.OS != have.OS || want.Architecture != have.Architecture:
		return 0
	case want.Variant == have.Variant:
		return exactly
	case have.Variant == "":
		return 5
	case want.Architecture == "arm" && have.Variant < want.Variant:
		return int(have.Variant[len(have.Variant)-1] - '0') // v6 before v5
	}
	return 0
}

// wanted are the platforms to look for, the best first. The sandbox runs WebAssembly everywhere, so that an image that
// has nothing else for this machine is taken for that.
func wanted(requested string) ([]ocispec.Platform, error) {
	if requested != "" {
		p, err := parsePlatform(requested)
		return []ocispec.Platform{p}, err
	}
	here, err := ParsePlatform("")
	return []ocispec.Platform{
		here,
		{OS: "wasip1", Architecture: "wasm"},
		{OS: "wasi", Architecture: "wasm"},
	}, err
}

// formatPlatform is os/arch[/variant].
func formatPlatform(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// choose finds the manifest of an index for the first of the platforms that it has.
func choose(platforms []ocispec.Platform, manifests []ocispec.Descriptor) (ocispec.Descriptor, error) {
	for _, want := range platforms {
		best, rating := -1, 0
		for i, m := range manifests {
			if m.Platform == nil {
				continue
			}
			if r := matches(want, *m.Platform); r > rating {
				best, rating = i, r
			}
		}
		if best >= 0 {
			return manifests[best], nil
		}
	}
	return ocispec.Descriptor{}, errdefs.ErrNotFound.WithMessage(
		fmt.Sprintf("no matching manifest for %s in the manifest list entries", formatPlatform(platforms[0])))
}
