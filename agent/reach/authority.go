package reach

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/containerd/errdefs"
)

// Authority signs the certificates of a task, or of all tasks of a server.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Identity is what one side of a forward connection proves itself with, and the authority by which it knows the other
// side.
type Identity struct {
	certificate tls.Certificate
	authority   *x509.Certificate
}

// skew is how much the clocks of server and agent may differ.
const skew = 5 * time.Minute

// NewAuthority makes an authority for a time. Certificates that it signs end with it at the latest.
func NewAuthority(life time.Duration) (*Authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "sockerless"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	a := &Authority{}
	der, key, err := sign(template, life, nil)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	a.key = key
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return a, nil
}

// sign makes a key and a certificate for it; without a parent it signs itself.
func sign(template *x509.Certificate, life time.Duration, parent *Authority) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-skew), now.Add(life)
	by, signer := template, key
	if parent != nil {
		by, signer = parent.certificate, parent.key
		if template.NotAfter.After(by.NotAfter) {
			template.NotAfter = by.NotAfter
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, signer)
	return der, key, err
}

// Agent makes the identity of the agent of a task.
func (a *Authority) Agent(task string, life time.Duration) (*Identity, error) {
	return a.issue("agent", task, x509.ExtKeyUsageServerAuth, life)
}

// Server makes an identity with which the server dials agents. name is for the reader of logs.
func (a *Authority) Server(name string, life time.Duration) (*Identity, error) {
	return a.issue("server", name, x509.ExtKeyUsageClientAuth, life)
}

// Gate makes the certificate with which a server proves to agents that dial back that it is the host of their URL.
func (a *Authority) Gate(host string, life time.Duration) (tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: host},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, key, err := sign(template, life, a)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate of %s: %w", host, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// PEM is the authority's certificate, by which agents know what it has signed.
func (a *Authority) PEM() []byte { return encodeCertificate(a.certificate.Raw) }

// subject names the holder of a certificate.
func subject(role, name string) *url.URL {
	return &url.URL{Scheme: "sockerless", Host: role, Path: "/" + name}
}

func (a *Authority) issue(role, name string, usage x509.ExtKeyUsage, life time.Duration) (*Identity, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{subject(role, name)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true,
	}
	der, key, err := sign(template, life, a)
	if err != nil {
		return nil, fmt.Errorf("make certificate of %s %s: %w", role, name, err)
	}
	return &Identity{certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, authority: a.certificate}, nil
}

// Encode writes the authority as PEM: its certificate, its key. It is a secret of the server.
func (a *Authority) Encode() ([]byte, error) {
	key, err := encodeKey(a.key)
	if err != nil {
		return nil, err
	}
	return append(encodeCertificate(a.certificate.Raw), key...), nil
}

// DecodeAuthority reads what Encode wrote.
func DecodeAuthority(data []byte) (*Authority, error) {
	certificates, key, err := decodePEM(data, 1)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	return &Authority{certificate: certificates[0], key: key}, nil
}

// Encode writes the identity as PEM: its certificate, that of the authority, its key. It travels to the agent as a
// secret, in its environment or a file.
func (i *Identity) Encode() ([]byte, error) {
	key, err := encodeKey(i.certificate.PrivateKey)
	if err != nil {
		return nil, err
	}
	return append(append(encodeCertificate(i.certificate.Certificate[0]), encodeCertificate(i.authority.Raw)...), key...), nil
}

// DecodeIdentity reads what Encode wrote.
func DecodeIdentity(data []byte) (*Identity, error) {
	certificates, key, err := decodePEM(data, 2)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{certificates[0].Raw}, PrivateKey: key}, authority: certificates[1],
	}, nil
}

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der})
}

func encodeKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// decodePEM reads so many certificates and one key, the key of the first certificate. Errors quote nothing.
func decodePEM(data []byte, certificates int) ([]*x509.Certificate, *ecdsa.PrivateKey, error) {
	invalid := func(what string) error { return fmt.Errorf("%s: %w", what, errdefs.ErrInvalidArgument) }
	var found []*x509.Certificate
	var key *ecdsa.PrivateKey
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case certificateBlock:
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, invalid("bad certificate")
			}
			found = append(found, c)
		case keyBlock:
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			k, ok := parsed.(*ecdsa.PrivateKey)
			if err != nil || !ok {
				return nil, nil, invalid("bad private key")
			}
			key = k
		}
	}
	if len(found) != certificates || key == nil {
		return nil, nil, invalid(fmt.Sprintf("%d certificates and a private key wanted as PEM", certificates))
	}
	if !key.PublicKey.Equal(found[0].PublicKey) {
		return nil, nil, invalid("the private key is not that of the certificate")
	}
	return found, key, nil
}
