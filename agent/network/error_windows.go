package network

import "golang.org/x/sys/windows"

// errnos are the errors of this system that have a code.
var errnos = []errnoCode{
	{windows.WSAECONNREFUSED, Refused},
	{windows.WSAEHOSTUNREACH, HostUnreachable},
	{windows.WSAEHOSTDOWN, HostUnreachable},
	{windows.WSAENETUNREACH, NetworkUnreachable},
	{windows.WSAENETDOWN, NetworkUnreachable},
	{windows.WSAEADDRNOTAVAIL, NetworkUnreachable},
	{windows.WSAETIMEDOUT, TimedOut},
	{windows.WSAECONNRESET, Reset},
	{windows.WSAECONNABORTED, Reset},
	{windows.WSAEACCES, Denied},
	{windows.WSAEOPNOTSUPP, Unsupported},
	{windows.WSAEAFNOSUPPORT, Unsupported},
	{windows.WSAEINVAL, Invalid},
}
