package runtime_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/image"
)

func TestDiskUsageAndImagePrune(t *testing.T) {
	s := open(t)
	v := createVolume(t, s, volume.CreateRequest{Name: "data"})
	if err := os.WriteFile(filepath.Join(v.Mountpoint, "f"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Create("c", container.Config{Cmd: []string{"true"}}, container.HostConfig{Binds: []string{"data:/d"}})
	usage, err := s.DiskUsage(s.Ctx(), runtime.DiskUsageOptions{Images: true, Containers: true, Volumes: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(usage.Images) != 1 || usage.LayersSize != usage.Images[0].Size || usage.LayersSize == 0 || usage.Images[0].Containers != 1 {
		t.Errorf("images %+v of %d bytes", usage.Images, usage.LayersSize)
	}
	if len(usage.Containers) != 1 || usage.Containers[0].SizeRootFs != usage.LayersSize {
		t.Errorf("containers %+v", usage.Containers)
	}
	if len(usage.Volumes) != 1 || *usage.Volumes[0].UsageData != (volume.UsageData{RefCount: 1, Size: 5}) {
		t.Errorf("volumes %+v", usage.Volumes)
	}
	if usage.BuildCache != nil {
		t.Error("a build cache was not asked for")
	}
	// A second name takes no space, and an image with two names is removed whole.
	if err := s.ImageTag(s.Ctx(), image.BaseName, "second", "1"); err != nil {
		t.Fatal(err)
	}
	again, err := s.DiskUsage(s.Ctx(), runtime.DiskUsageOptions{Images: true})
	if err != nil || again.LayersSize != usage.LayersSize || again.Containers != nil {
		t.Errorf("%+v %v", again, err)
	}

	all := runtime.Filters{"dangling": {"false": true}}
	for _, filters := range []runtime.Filters{nil, all} { // nothing dangles, and the container has it
		if report, err := s.ImagePrune(s.Ctx(), filters); err != nil || report.ImagesDeleted != nil || report.SpaceReclaimed != 0 {
			t.Errorf("%v: %+v %v", filters, report, err)
		}
	}
	_, err = s.ImagePrune(s.Ctx(), runtime.Filters{"dangling": {"bogus": true}})
	expect(t, "filter", err, 400, "invalid filter 'dangling=[bogus]'")
	if err := s.ContainerRemove(s.Ctx(), "c", runtime.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, filters := range []runtime.Filters{
		{"dangling": {"false": true}, "label": {"nosuch": true}}, {"dangling": {"false": true}, "until": {"2001-01-01T00:00:00Z": true}},
	} {
		if report, err := s.ImagePrune(s.Ctx(), filters); err != nil || report.ImagesDeleted != nil {
			t.Errorf("%v: %+v %v", filters, report, err)
		}
	}
	report, err := s.ImagePrune(s.Ctx(), all)
	if err != nil || report.SpaceReclaimed != uint64(usage.LayersSize) || len(report.ImagesDeleted) != 4 {
		t.Errorf("%+v %v", report, err) // two names, the image, its layer
	}
}
