package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// listen opens every configured address, or none.
func (c *Config) listen() (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
		}
	}()
	for _, address := range c.Listen {
		scheme, rest, _ := strings.Cut(address, "://")
		var l net.Listener
		switch scheme {
		case "unix":
			l, err = listenUnix(rest)
		case "tcp":
			l, err = c.listenTCP(rest)
		default:
			err = errors.New("an address begins with unix:// or tcp://")
		}
		if err != nil {
			return listeners, fmt.Errorf("listen on %s: %w", address, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// listenUnix makes a socket for its owner alone. A socket that nobody answers on is left over from a server that was
// killed, and is replaced.
func listenUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, errors.New("the path is missing")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return nil, errors.New("another server answers there: stop it, or choose another address with --listen")
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	// The socket is made under another name and only then moved into place, so that it is never there with a wider mode.
	temporary, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(temporary, "s"), Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(filepath.Join(temporary, "s"), 0o600)
	if err == nil {
		err = os.Rename(filepath.Join(temporary, "s"), path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &unixListener{l, path}, nil
}

// unixListener removes its socket when it is closed.
type unixListener struct {
	net.Listener
	path string
}

func (l *unixListener) Close() error {
	err := l.Listener.Close()
	_ = os.Remove(l.path)
	return err
}

// listenTCP opens a port, with TLS and client certificates where they are configured: without them only on loopback,
// since whoever reaches the port has all rights of the server's user.
func (c *Config) listenTCP(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	secure := c.TLSCert != "" || c.TLSKey != "" || c.TLSCA != ""
	if !secure {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, errors.New("beyond loopback only with TLS and client certificates: set tls-cert, tls-key and tls-ca, or listen on 127.0.0.1")
		}
		return net.Listen("tcp", address)
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", address, config)
}

func (c *Config) tls() (*tls.Config, error) {
	if c.TLSCert == "" || c.TLSKey == "" || c.TLSCA == "" {
		return nil, errors.New("TLS needs all of tls-cert, tls-key and tls-ca")
	}
	certificate, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("tls-cert, tls-key: %w", err)
	}
	pem, err := os.ReadFile(c.TLSCA)
	if err != nil {
		return nil, fmt.Errorf("tls-ca: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls-ca: %s holds no certificate (PEM)", c.TLSCA)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{certificate},
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}
