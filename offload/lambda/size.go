package lambda

import (
	"fmt"
	"math"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

// shape is what Lambda sells: MB of memory, with which processors come, and MB of /tmp.
type shape struct{ memory, disk int32 }

const (
	leastMemory = 128
	mostMemory  = 10240
	usualMemory = 1769 // with which one whole processor comes
	mostCPU     = 6    // with the most memory
	memoryStep  = 64   // so that like tasks share a function
	leastDisk   = 512
	mostDisk    = 10240
	diskStep    = 512
)

// shapeOf is the smallest shape that has room for a size. Errors: errdefs.ErrFailedPrecondition where there is none.
func shapeOf(s runtime.Size) (shape, error) {
	memory := (s.Memory + 1<<20 - 1) >> 20
	if s.CPU == 0 && s.Memory == 0 {
		memory = usualMemory
	}
	memory = max(memory, min(int64(math.Ceil(s.CPU*usualMemory)), mostMemory), leastMemory)
	disk := max((s.Disk+1<<20-1)>>20, leastDisk)
	if s.CPU > mostCPU || memory > mostMemory || disk > mostDisk {
		return shape{}, errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf(
			"Lambda has no function with %g processors, %d MB of memory and %d MB of disk: it goes up to %d processors, %d MB and %d MB", s.CPU, memory, disk, mostCPU, mostMemory, mostDisk))
	}
	return shape{int32(up(memory, memoryStep)), int32(up(disk, diskStep))}, nil
}

func up(n, step int64) int64 { return (n + step - 1) / step * step }

// Prices in us-east-1 on x86, in US dollars: of a GB of memory and of a GB of /tmp above what is free, for a second.
const (
	memorySecond = 0.0000166667
	diskSecond   = 0.0000000309
)

// price is that of a second; the $0.0000002 that an invocation costs besides is left out.
func (s shape) price() float64 {
	return memorySecond*float64(s.memory)/1024 + diskSecond*float64(s.disk-leastDisk)/1024
}
