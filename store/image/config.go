package image

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// RegistriesConfig says how registries are reached, by host as it stands in a reference: "docker.io",
// "registry.example:5000". A registry without an entry is reached over https; one on this machine (localhost,
// 127.0.0.0/8, ::1) over https without verification, then http, as dockerd does.
type RegistriesConfig map[string]RegistryConfig

// RegistryConfig is the entry of one host.
type RegistryConfig struct {
	// Mirrors are asked first, in order: "host[:port]", or a URL with http:// or https:// and possibly a path.
	// Credentials of the registry are not sent to them.
	Mirrors []string `yaml:"mirrors"`
	// PlainHTTP speaks http instead of https.
	PlainHTTP bool `yaml:"plain_http"`
	// Insecure does not verify the certificate.
	Insecure bool `yaml:"insecure"`
	// CAFile is a PEM file of authorities that are accepted in addition to the system's.
	CAFile string `yaml:"ca_file"`
}

func (c RegistriesConfig) validate() error {
	for host, entry := range c {
		if strings.Contains(host, "/") || host == "" {
			return fmt.Errorf("registries: %q is not a host", host)
		}
		if entry.PlainHTTP && (entry.Insecure || entry.CAFile != "") {
			return fmt.Errorf("registries: %s: plain_http excludes insecure and ca_file", host)
		}
		for _, m := range entry.Mirrors {
			if _, err := mirrorURL(m); err != nil {
				return fmt.Errorf("registries: %s: %w", host, err)
			}
		}
		if entry.CAFile != "" {
			if _, err := authorities(entry.CAFile); err != nil {
				return fmt.Errorf("registries: %s: %w", host, err)
			}
		}
	}
	return nil
}

// endpoint is one address at which a repository may be found.
type endpoint struct {
	scheme   string
	host     string // host[:port]
	path     string // before /v2, without a slash at its end
	insecure bool
	caFile   string
	mirror   bool
}

// dockerHub is where docker.io really is.
const dockerHub = "registry-1.docker.io"

// endpoints lists where the repositories of domain are looked for, in order.
func (c RegistriesConfig) endpoints(domain string) ([]endpoint, error) {
	entry := c[domain]
	var list []endpoint
	for _, m := range entry.Mirrors {
		u, err := mirrorURL(m)
		if err != nil {
			return nil, err
		}
		own := c[u.Host]
		e := endpoint{scheme: u.Scheme, host: u.Host, path: strings.TrimSuffix(u.Path, "/"), insecure: own.Insecure, caFile: own.CAFile, mirror: true}
		if e.scheme != "" {
			list = append(list, e)
			continue
		}
		list = append(list, e.schemes(own)...)
	}
	e := endpoint{host: domain, insecure: entry.Insecure, caFile: entry.CAFile}
	if domain == "docker.io" {
		e.host = dockerHub
	}
	return append(list, e.schemes(entry)...), nil
}

// schemes are the endpoints of a host whose scheme was not given.
func (e endpoint) schemes(entry RegistryConfig) []endpoint {
	secure, plain := e, e
	secure.scheme, plain.scheme = "https", "http"
	switch {
	case entry.PlainHTTP:
		return []endpoint{plain}
	case isLoopback(e.host):
		secure.insecure = true
		return []endpoint{secure, plain}
	}
	return []endpoint{secure}
}

func mirrorURL(mirror string) (*url.URL, error) {
	if !strings.Contains(mirror, "://") {
		mirror = "//" + mirror
	}
	u, err := url.Parse(mirror)
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	if u.Host == "" || u.RawQuery != "" || u.User != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("mirror %q is not host[:port] or an http(s) URL", mirror)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// transport is the connection to an endpoint, to be closed with CloseIdleConnections.
func (e endpoint) transport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: e.insecure}, // asked for by the configuration
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   parallelDownloads,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
	if e.caFile != "" {
		pool, err := authorities(e.caFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s has no certificate", file)
	}
	return pool, nil
}
