package dockerapi

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/runtime"
)

// usageEngine says what it was asked for.
type usageEngine struct{ Engine }

func (usageEngine) VolumePrune(_ context.Context, filters runtime.Filters) (volume.PruneReport, error) {
	return volume.PruneReport{VolumesDeleted: []string{fmt.Sprint(filters)}}, nil
}

func (usageEngine) VolumeRemove(_ context.Context, name string, force bool) error {
	return invalid(fmt.Sprint(name, " ", force))
}

func (usageEngine) VolumeCreate(_ context.Context, req volume.CreateRequest) (volume.Volume, error) {
	return volume.Volume{Name: req.Name, Driver: "local"}, nil
}

func (usageEngine) DiskUsage(_ context.Context, opts runtime.DiskUsageOptions) (runtime.DiskUsage, error) {
	usage := runtime.DiskUsage{LayersSize: 7}
	if opts.Images {
		usage.Images = []image.Summary{{Size: 7}}
	}
	if opts.Volumes {
		usage.Volumes = []volume.Volume{}
	}
	return usage, nil
}

func (usageEngine) ContainerStats(_ context.Context, name string, opts runtime.StatsOptions) (Stats, error) {
	return &twoStats{name: fmt.Sprint(name, opts)}, nil
}

type twoStats struct {
	name string
	n    uint64
}

func (s *twoStats) Next(context.Context) (container.StatsResponse, error) {
	s.n++
	if s.n > 2 {
		return container.StatsResponse{}, io.EOF
	}
	return container.StatsResponse{Name: s.name, PidsStats: container.PidsStats{Current: s.n}}, nil
}

func (usageEngine) ContainerExport(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("tar")), nil
}

func (usageEngine) ContainerUpdate(_ context.Context, _ string, u container.UpdateConfig) (container.UpdateResponse, error) {
	return container.UpdateResponse{Warnings: []string{fmt.Sprintf("%d %t %s", u.Memory, u.PidsLimit != nil, u.RestartPolicy.Name)}}, nil
}

func TestUsageEndpoints(t *testing.T) {
	path := socket(t, usageEngine{})
	for _, test := range []struct {
		line, body string
		status     int
		want       string
	}{
		{"POST /v1.42/volumes/prune", "", 200, `{"VolumesDeleted":["map[]"],"SpaceReclaimed":0}` + "\n"},
		{"POST /v1.41/volumes/prune", "", 200, `{"VolumesDeleted":["map[all:map[true:true]]"],"SpaceReclaimed":0}` + "\n"},
		{"DELETE /volumes/v?force=1", "", 400, `{"message":"v true"}` + "\n"},
		{"POST /volumes/create", `{"Name":"v"}`, 201, `{"Driver":"local","Labels":null,"Mountpoint":"","Name":"v","Options":null,"Scope":""}` + "\n"},
		{"POST /volumes/create", `{"Name":1}`, 400, `{"message":"invalid JSON: json: cannot unmarshal number into Go struct field .Name of type string"}` + "\n"},
		{"GET /v1.51/system/df?type=volume", "", 200, `{"LayersSize":7,"Images":null,"Containers":null,"Volumes":[],"BuildCache":null}` + "\n"},
		{"GET /v1.51/system/df?type=bogus", "", 400, `{"message":"unknown object type: bogus"}` + "\n"},
		{"GET /v1.51/containers/c/stats?stream=1&one-shot=1", "", 400, `{"message":"cannot have stream=true and one-shot=true"}` + "\n"},
		{"GET /v1.51/containers/c/export", "", 200, "tar"},
		{"POST /v1.51/containers/c/update", `{"Memory":5,"PidsLimit":6,"RestartPolicy":{"Name":"always"}}`, 200, `{"Warnings":["5 true always"]}` + "\n"},
		{"POST /v1.39/containers/c/update", `{"Memory":5,"PidsLimit":6}`, 200, `{"Warnings":["5 false "]}` + "\n"},
		{"POST /v1.51/build/prune", "", 200, `{"CachesDeleted":null,"SpaceReclaimed":0}` + "\n"},
		{"GET /v1.51/plugins/nosuch/json", "", 404, `{"message":"plugin \"nosuch\" not found"}` + "\n"},
	} {
		if got := ask(t, path, test.line, test.body); got.status != test.status || got.body != test.want {
			t.Errorf("%s %s: %d %q, want %d %q", test.line, test.body, got.status, got.body, test.status, test.want)
		}
	}
	if got := ask(t, path, "GET /v1.43/system/df", ""); !strings.Contains(got.body, `"VirtualSize":7`) {
		t.Errorf("df of 1.43: %s", got.body)
	}
	for query, lines := range map[string]int{"": 2, "?stream=1": 2, "?stream=0": 1, "?stream=false&one-shot=true": 1} {
		got := ask(t, path, "GET /v1.51/containers/c/stats"+query, "")
		if got.status != 200 || strings.Count(got.body, "\n") != lines || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("stats%s: %d %q", query, got.status, got.body)
		}
	}
}
