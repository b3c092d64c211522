package wasi

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// machineMemory is the memory of this machine in bytes, 0 if it cannot be told.
func machineMemory() int64 {
	// GlobalMemoryStatusEx fills a MEMORYSTATUSEX.
	status := struct {
		length, load                                                uint32
		total, free, totalPage, freePage, totalVirtual, freeVirtual uint64
		freeExtended                                                uint64
	}{}
	status.length = uint32(unsafe.Sizeof(status))
	ok, _, _ := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx").Call(uintptr(unsafe.Pointer(&status)))
	if ok == 0 {
		return 0
	}
	return int64(status.total)
}
