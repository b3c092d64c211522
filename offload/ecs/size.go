package ecs

import (
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// shape is what Fargate sells: units of 1/1024 processor, and MiB.
type shape struct{ units, mebibytes int }

// sold are the processors that Fargate has with the GiB that go with them, from least to most by a step; .25 vCPU has half a GiB too.
var sold = []struct{ units, least, most, step int }{
	{256, 1, 2, 1}, {512, 1, 4, 1}, {1024, 2, 8, 1}, {2048, 4, 16, 1}, {4096, 8, 30, 1}, {8192, 16, 60, 4}, {16384, 32, 120, 8},
}

// Defaults of a task that says nothing: what a CI job needs.
const (
	usualCPU    = 1.0
	usualMemory = 2 << 30
)

// shapeOf is the smallest shape that has room for a size. Errors: errdefs.ErrFailedPrecondition where there is none.
func shapeOf(s runtime.Size) (shape, error) {
	cpu, memory := s.CPU, s.Memory
	switch {
	case cpu == 0 && memory == 0:
		cpu, memory = usualCPU, usualMemory
	case memory == 0:
		memory = int64(cpu * usualMemory)
	}
	if cpu <= .25 && memory <= 512<<20 {
		return shape{256, 512}, nil
	}
	for _, at := range sold {
		if float64(at.units) < cpu*1024 {
			continue
		}
		for gibibytes := at.least; gibibytes <= at.most; gibibytes += at.step {
			if int64(gibibytes)<<30 >= memory {
				return shape{at.units, gibibytes << 10}, nil
			}
		}
	}
	return shape{}, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(
		"Fargate has no task of %g processors and %d MiB of memory: it goes up to 16 processors and 120 GiB", cpu, memory>>20))
}

// Prices in us-east-1 on Linux/x86, in US dollars: of a processor and of a GiB of memory, for an hour. Spot is about 70 % less.
const (
	cpuHour    = 0.04048
	memoryHour = 0.004445
	spotPart   = 0.3
)

// price is that of a second.
func (s shape) price(spot bool) float64 {
	p := (cpuHour*float64(s.units)/1024 + memoryHour*float64(s.mebibytes)/1024) / 3600
	if spot {
		p *= spotPart
	}
	return p
}

// Disk of a task in GiB: what it has anyway, and the most.
const (
	usualDisk = 20
	mostDisk  = 200
)

// disk is a task's in GiB; 0 is as it has it anyway.
func disk(bytes int64) (int32, error) {
	gibibytes := (bytes + 1<<30 - 1) >> 30
	switch {
	case gibibytes <= usualDisk:
		return 0, nil
	case gibibytes > mostDisk:
		return 0, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("Fargate has no task with a disk of %d GiB: it goes up to %d", gibibytes, mostDisk))
	}
	return int32(gibibytes), nil
}
