package runtime

import (
	"testing"

	"github.com/moby/moby/api/types/mount"
)

func TestParseBind(t *testing.T) {
	bind := func(source, target, mode string, ro bool) mountPoint {
		return mountPoint{Type: mount.TypeBind, Source: source, Target: target, Mode: mode, ReadOnly: ro, Create: true, Propagation: mount.PropagationRPrivate}
	}
	for raw, want := range map[string]mountPoint{
		"/host:/dir":      bind("/host", "/dir", "", false),
		"/host/:/dir/:ro": bind("/host", "/dir", "ro", true),
		"/host:/dir:rw,z": bind("/host", "/dir", "rw,z", false),
		"vol1:/data":      {Type: mount.TypeVolume, Name: "vol1", Target: "/data", Mode: "z"},
		"vol1:/data:ro":   {Type: mount.TypeVolume, Name: "vol1", Target: "/data", Mode: "ro", ReadOnly: true},
		"/anonymous":      {Type: mount.TypeVolume, Target: "/anonymous"},
	} {
		if got, err := parseBind(raw); err != nil || !equalMount(got, want) {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		"/nosuch:relative": `invalid volume specification: '/nosuch:relative': invalid mount config for type "bind": invalid mount path: 'relative' mount path must be absolute`,
		"/host:/":          `invalid volume specification: '/host:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
		"/a:/b:/c:/d":      "invalid volume specification: '/a:/b:/c:/d'",
		":/b":              "invalid volume specification: ':/b'",
		"/a:ro":            "invalid volume specification: '/a:ro'",
		"/a:/b:bogus":      "invalid mode: bogus",
		"a!b:/b":           `create a!b: "a!b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
	} {
		if _, err := parseBind(raw); err == nil || err.Error() != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func equalMount(a, b mountPoint) bool {
	a.labels, b.labels = nil, nil
	return a.Type == b.Type && a.Name == b.Name && a.Source == b.Source && a.Target == b.Target && a.Mode == b.Mode &&
		a.ReadOnly == b.ReadOnly && a.Propagation == b.Propagation && a.Create == b.Create
}

func TestParseTmpfs(t *testing.T) {
	m, err := parseTmpfs("/run", "size=64m,mode=1770,noexec")
	if err != nil || m.Size != 64<<20 || m.Perm != 0o1770 || !m.Hidden {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := parseTmpfs("/run", "bogus=1"); err == nil {
		t.Error("a bogus option is accepted")
	}
}
