//go:build !linux

package rootfs

import "syscall"

func (h *hostHandle) hostPath() (string, error) { return "", syscall.ENOTSUP }
