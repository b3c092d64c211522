package ecs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// memories are the sizes in MiB that go with a task's processors.
type memories struct{ least, most, step int }

// pairs are the sizes that Fargate has, by units of a processor: 1024 are one.
var pairs = map[int]memories{
	512: {1024, 4096, 1024}, 1024: {2048, 8192, 1024}, 2048: {4096, 16384, 1024},
	4096: {8192, 30720, 1024}, 8192: {16384, 61440, 4096}, 16384: {32768, 122880, 8192},
}

func (m memories) has(memory int) bool {
	return memory >= m.least && memory <= m.most && memory%m.step == 0
}

// fargateSize is a task's size in units and MiB, if Fargate has it.
func fargateSize(cpu, memory *string) (units, mebibytes string, err error) {
	if aws.ToString(cpu) == "" || aws.ToString(memory) == "" {
		return "", "", fmt.Errorf("Fargate requires that 'cpu' and 'memory' be defined at the task level.")
	}
	c, okCPU := amount(*cpu, "vcpu")
	m, okMemory := amount(*memory, "gb")
	fits := pairs[c].step > 0 && pairs[c].has(m)
	if c == 256 {
		fits = m == 512 || m == 1024 || m == 2048
	}
	if !okCPU || !okMemory || !fits {
		return "", "", fmt.Errorf("No Fargate configuration exists for given values: %s CPU, %s memory. See the Amazon ECS documentation for the valid values.", *cpu, *memory)
	}
	return strconv.Itoa(c), strconv.Itoa(m), nil
}

// amount reads "512", or "0.5 GB" in the unit of which one is 1024.
func amount(text, unit string) (int, bool) {
	number, whole := strings.CutSuffix(strings.ToLower(strings.ReplaceAll(text, " ", "")), unit)
	if !whole {
		n, err := strconv.Atoi(number)
		return n, err == nil
	}
	n, err := strconv.ParseFloat(number, 64)
	return int(n * 1024), err == nil
}
