//go:build !windows

package network

import "syscall"

// errnos are the errors of this system that have a code.
var errnos = []errnoCode{
	{syscall.ECONNREFUSED, Refused},
	{syscall.EHOSTUNREACH, HostUnreachable},
	{syscall.EHOSTDOWN, HostUnreachable},
	{syscall.ENETUNREACH, NetworkUnreachable},
	{syscall.ENETDOWN, NetworkUnreachable},
	{syscall.EADDRNOTAVAIL, NetworkUnreachable},
	{syscall.ETIMEDOUT, TimedOut},
	{syscall.ECONNRESET, Reset},
	{syscall.EPIPE, Reset},
	{syscall.EACCES, Denied},
	{syscall.EPERM, Denied},
	{syscall.EOPNOTSUPP, Unsupported},
	{syscall.EAFNOSUPPORT, Unsupported},
	{syscall.EINVAL, Invalid},
}
