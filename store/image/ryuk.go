package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/distribution/reference"
)

// ryukPath ends the names of testcontainers' reaper, in whatever registry. Its program is a builtin of the sandbox, and is not
// downloaded.
const ryukPath = "testcontainers/ryuk"

func isRyuk(ref reference.Named) bool {
	path := "/" + reference.Path(ref)
	return strings.HasSuffix(path, "/"+ryukPath)
}

// ryuk is the pull of the reaper's image.
func (p *pull) ryuk(ctx context.Context) (*Image, error) {
	var layer bytes.Buffer
	t := &baseWriter{w: tar.NewWriter(&layer)}
	t.add(tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755}, "")
	t.add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/ryuk", Mode: 0o755}, BuiltinMarker)
	if t.err == nil {
		t.err = t.w.Close()
	}
	if t.err != nil {
		return nil, t.err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	diffID, _, err := p.layers.Import(ctx, &layer)
	if err != nil {
		return nil, err
	}
	made := baseConfig(diffID)
	made.Config.Cmd = []string{"/bin/ryuk"}
	made.Config.Labels = map[string]string{"org.testcontainers.ryuk": "true"}
	config, err := json.Marshal(made)
	if err != nil {
		return nil, err
	}
	r, err := newRecord(stored{Config: config, LayerSizes: []int64{t.size}})
	if err != nil {
		return nil, err
	}
	if err := p.setRefs(ctx, r, p.ref); err != nil {
		return nil, err
	}
	p.out.message("", "Digest: "+r.id.String())
	p.out.message("", "Status: Downloaded newer image for "+reference.FamiliarString(p.ref))
	return p.snapshot(r), nil
}
