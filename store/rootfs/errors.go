package rootfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// errnoTexts are glibc's strerror(3) texts, the same on every host.
var errnoTexts = []struct {
	errno syscall.Errno
	text  string
}{
	{syscall.EPERM, "Operation not permitted"},
	{syscall.ENOENT, "No such file or directory"},
	{syscall.ESRCH, "No such process"},
	{syscall.EINTR, "Interrupted system call"},
	{syscall.EIO, "Input/output error"},
	{syscall.ENXIO, "No such device or address"},
	{syscall.E2BIG, "Argument list too long"},
	{syscall.ENOEXEC, "Exec format error"},
	{syscall.EBADF, "Bad file descriptor"},
	{syscall.ECHILD, "No child processes"},
	{syscall.EAGAIN, "Resource temporarily unavailable"},
	{syscall.ENOMEM, "Cannot allocate memory"},
	{syscall.EACCES, "Permission denied"},
	{syscall.EFAULT, "Bad address"},
	{syscall.EBUSY, "Device or resource busy"},
	{syscall.EEXIST, "File exists"},
	{syscall.EXDEV, "Invalid cross-device link"},
	{syscall.ENODEV, "No such device"},
	{syscall.ENOTDIR, "Not a directory"},
	{syscall.EISDIR, "Is a directory"},
	{syscall.EINVAL, "Invalid argument"},
	{syscall.ENFILE, "Too many open files in system"},
	{syscall.EMFILE, "Too many open files"},
	{syscall.ENOTTY, "Inappropriate ioctl for device"},
	{syscall.ETXTBSY, "Text file busy"},
	{syscall.EFBIG, "File too large"},
	{syscall.ENOSPC, "No space left on device"},
	{syscall.ESPIPE, "Illegal seek"},
	{syscall.EROFS, "Read-only file system"},
	{syscall.EMLINK, "Too many links"},
	{syscall.EPIPE, "Broken pipe"},
	{syscall.EDOM, "Numerical argument out of domain"},
	{syscall.ERANGE, "Numerical result out of range"},
	{syscall.EDEADLK, "Resource deadlock avoided"},
	{syscall.ENAMETOOLONG, "File name too long"},
	{syscall.ENOLCK, "No locks available"},
	{syscall.ENOSYS, "Function not implemented"},
	{syscall.ENOTEMPTY, "Directory not empty"},
	{syscall.ELOOP, "Too many levels of symbolic links"},
	{syscall.ENODATA, "No data available"},
	{syscall.EOVERFLOW, "Value too large for defined data type"},
	{syscall.EILSEQ, "Invalid or incomplete multibyte or wide character"},
	{syscall.ENOTSUP, "Operation not supported"},
	{syscall.EOPNOTSUPP, "Operation not supported"},
	{syscall.ENETUNREACH, "Network is unreachable"},
	{syscall.EHOSTUNREACH, "No route to host"},
	{syscall.ENOTCONN, "Transport endpoint is not connected"},
	{syscall.EADDRNOTAVAIL, "Cannot assign requested address"},
	{syscall.EAFNOSUPPORT, "Address family not supported by protocol"},
	{syscall.EMSGSIZE, "Message too long"},
	{syscall.ETIMEDOUT, "Connection timed out"},
	{syscall.ECONNREFUSED, "Connection refused"},
	{syscall.ECONNRESET, "Connection reset by peer"},
	{syscall.EADDRINUSE, "Address already in use"},
	{syscall.EDQUOT, "Disk quota exceeded"},
	{syscall.ESTALE, "Stale file handle"},
	{syscall.ECANCELED, "Operation canceled"},
}

// Errno finds the syscall.Errno of an error; what carries none is EIO. nil gives 0.
func Errno(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return portable(errno)
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, os.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return syscall.EBADF
	case errors.Is(err, fs.ErrInvalid):
		return syscall.EINVAL
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return syscall.EINTR
	}
	return syscall.EIO
}

// portable makes one of the numbers of errnoTexts out of a host's own (a Windows error code), where it has a class.
func portable(errno syscall.Errno) syscall.Errno {
	for _, e := range errnoTexts {
		if e.errno == errno {
			return errno
		}
	}
	switch {
	case errno.Is(fs.ErrNotExist):
		return syscall.ENOENT
	case errno.Is(fs.ErrExist):
		return syscall.EEXIST
	case errno.Is(fs.ErrPermission):
		return syscall.EACCES
	}
	return errno
}

// Strerror is the text that a Linux program prints for err, as glibc's strerror(3): "No such file or directory". An
// error that carries no number keeps its own words.
func Strerror(err error) string {
	if err == nil {
		return "Success"
	}
	errno := Errno(err)
	var has syscall.Errno
	if errno == syscall.EIO && !errors.As(err, &has) {
		return err.Error()
	}
	for _, e := range errnoTexts {
		if e.errno == errno {
			return e.text
		}
	}
	return errno.Error()
}

// pathError adds what was being done to a Node's error. The error inside is always a bare Errno where there is one.
func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: bare(err)}
}

func linkError(op, from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from, New: to, Err: bare(err)}
}

// bare strips the host's operation and path, which say nothing to a guest, and must not be shown to it.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return portable(errno)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
