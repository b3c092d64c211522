package shell

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// socketName takes /dev/tcp/HOST/PORT and /dev/udp/HOST/PORT apart, which bash knows in redirections only.
func socketName(name string) (network, host, port string, ok bool) {
	rest, found := strings.CutPrefix(name, "/dev/")
	network, rest, _ = strings.Cut(rest, "/")
	if !found || network != "tcp" && network != "udp" {
		return "", "", "", false
	}
	host, port, ok = strings.Cut(rest, "/")
	return network, host, port, ok
}

// openSocket connects to what a redirection names. Its messages are bash's: what failed, then the name.
func (sh *shell) openSocket(op syntax.RedirOperator, name, network, host, port string) (*kernel.File, bool) {
	number, ok := sh.port(network, port)
	switch {
	case host == "":
		return sh.noSocket(op, name, host+": Name or service not known", syscall.EINVAL)
	case !ok:
		return sh.noSocket(op, name, port+": Servname not supported for ai_socktype", syscall.EINVAL)
	}
	address := net.JoinHostPort(host, number)
	f, err := sh.p.Dial(sh.p.Context(), network, address)
	for err != nil && errors.Is(err, syscall.EINTR) {
		sh.runTraps()
		f, err = sh.p.Dial(sh.p.Context(), network, address)
	}
	switch {
	case errors.Is(err, kernel.ErrKilled):
		panic(abandoned{exit: true})
	case errors.Is(err, kernel.ErrNoName):
		return sh.noSocket(op, name, host+": Name or service not known", syscall.EINVAL)
	case err != nil:
		return sh.noSocket(op, name, "connect: "+errorText(err), err)
	}
	return f, true
}

func (sh *shell) noSocket(op syntax.RedirOperator, name, why string, err error) (*kernel.File, bool) {
	sh.errorf("%s", why)
	sh.redirectFailed(op, name, err)
	return nil, false
}

// port is the number of a port, which may be named as in /etc/services; a number is taken modulo 65536, as bash does.
func (sh *shell) port(network, text string) (string, bool) {
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return strconv.FormatUint(n&0xffff, 10), true
	}
	services, err := sh.p.Files().ReadFile("/etc/services")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(services)) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 && f[0] == text {
			if number, kind, _ := strings.Cut(f[1], "/"); kind == network {
				return number, true
			}
		}
	}
	return "", false
}
