package guest

import (
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// memory is a guest's linear memory, accounted to its container: growing beyond the limit fails, which the guest sees
// as memory.grow returning -1.
type memory struct {
	table *kernel.Table
	size  uint64 // accounted
	bytes []byte
}

// Allocate is called once for an instance.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate gives the memory a new size; nil if the container may not have it.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.size {
		if m.table.AddMemory(int64(size-m.size)) != nil {
			return nil
		}
		m.size = size
	}
	if size > uint64(cap(m.bytes)) {
		// A little room, as append has it, since guests grow in small steps.
		grown := make([]byte, size, size+size/4)
		copy(grown, m.bytes)
		m.bytes = grown
	}
	m.bytes = m.bytes[:size]
	return m.bytes
}

// Free is called when the instance is closed; the account is settled by free, which is called in any case.
func (m *memory) Free() { m.bytes = nil }

func (m *memory) free() {
	m.bytes = nil
	_ = m.table.AddMemory(-int64(m.size))
	m.size = 0
}
