//go:build !linux

package rootfs

import "os"

// fastRoot is Linux's.
type fastRoot struct{}

func (fastRoot) open(*os.Root) error                    { return nil }
func (fastRoot) close() error                           { return nil }
func (fastRoot) openFile(string, int) (*os.File, error) { return nil, errNotFast }
func (fastRoot) lstat(string) (Attr, error)             { return Attr{}, errNotFast }
