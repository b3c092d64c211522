package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates and writes them as PEM files into a folder.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{folder: t.TempDir()}
	a.certificate, a.key = a.issue(t, "ca", x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true})
	return a
}

// issue writes NAME.pem and NAME-key.pem.
func (a *authority) issue(t *testing.T, name string, template x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name: {Type: "CERTIFICATE", Bytes: der}, name + "-key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name+".pem") }

// freeAddress is an address of the loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server", x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	client := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	a.issue(t, "client", client)
	stranger := newAuthority(t)
	stranger.issue(t, "client", client)
	address := freeAddress(t)
	s := runningServer(t, "--listen", "tcp://"+address, "--tls-cert", a.file("server"), "--tls-key", a.file("server-key"), "--tls-ca", a.file("ca"))
	remote := func(of *authority, args ...string) []string {
		return append([]string{"-H", "tcp://" + address, "--tlsverify", "--tlscacert", a.file("ca"), "--tlscert", of.file("client"), "--tlskey", of.file("client-key")}, args...)
	}

	if got := s.ok(t, remote(a, "run", "--rm", "sockerless/base", "echo", "over TLS")...); got != "over TLS" {
		t.Errorf("got %q", got)
	}
	cat := s.docker(t, remote(a, "run", "--rm", "-i", "sockerless/base", "cat")...)
	data := noise(3 << 20)
	cat.Stdin = strings.NewReader(string(data))
	same(t, "cat over TLS", []byte(outcomeOf(t, cat).stdout), data)
	s.fails(t, 125, []string{"certificate"}, remote(stranger, "run", "--rm", "sockerless/base", "true")...)
	s.fails(t, 1, []string{"certificate required"}, "-H", "tcp://"+address, "--tlsverify", "--tlscacert", a.file("ca"), "ps")
	s.fails(t, 1, nil, "-H", "tcp://"+address, "ps")
	if got := s.ok(t, "ps", "-aq"); got != "" {
		t.Errorf("containers are left: %q", got)
	}
}

func TestPlainTCP(t *testing.T) {
	address := freeAddress(t)
	s := runningServer(t, "--listen", "tcp://"+address)
	if got := s.ok(t, "-H", "tcp://"+address, "run", "--rm", "sockerless/base", "echo", "over TCP"); got != "over TCP" {
		t.Errorf("got %q", got)
	}
	ask := func(host, origin string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/containers/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"", "", 200}, {"localhost", "", 200}, {"", "https://evil.example", 403}, {"", "null", 403},
		{"", "http://" + address, 403}, {"evil.example", "", 403}, {"evil.example:2375", "", 403},
	} {
		if status, body := ask(c.host, c.origin); status != c.status || status == 403 && !strings.Contains(body, `"message"`) {
			t.Errorf("Host %q, Origin %q: %d %s", c.host, c.origin, status, body)
		}
	}
}
