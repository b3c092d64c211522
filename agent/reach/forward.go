package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/containerd/errdefs"
)

// Wrap makes the agent's raw listener one of TLS connections from its server. The handshake of a connection is done by
// its first Read or Write, which fails for a peer without a certificate that the authority has signed for a server.
func (i *Identity) Wrap(raw net.Listener) net.Listener {
	pool := x509.NewCertPool()
	pool.AddCert(i.authority)
	return tls.NewListener(raw, &tls.Config{
		Certificates: []tls.Certificate{i.certificate}, MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, SessionTicketsDisabled: true,
	})
}

// Dial connects the server to the agent of a task at a TCP address. Errors: errdefs.ErrUnavailable where nobody
// answers, errdefs.ErrPermissionDenied where the one who answers is not that agent, or does not take this server.
func (i *Identity) Dial(ctx context.Context, address, task string) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial agent of %s: %w", task, errors.Join(err, errdefs.ErrUnavailable))
	}
	pool := x509.NewCertPool()
	pool.AddCert(i.authority)
	want := subject("agent", task).String()
	conn := tls.Client(raw, &tls.Config{
		Certificates: []tls.Certificate{i.certificate}, MinVersion: tls.VersionTLS13,
		InsecureSkipVerify: true, // an agent has no host name: VerifyConnection does all of it
		VerifyConnection: func(state tls.ConnectionState) error {
			peer := state.PeerCertificates[0]
			_, err := peer.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
			if err != nil {
				return err
			}
			for _, u := range peer.URIs {
				if u.String() == want {
					return nil
				}
			}
			return fmt.Errorf("certificate is that of %v, not of %s", peer.URIs, want)
		},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dial agent of %s at %s: %w", task, address, ctx.Err())
		}
		return nil, fmt.Errorf("dial agent of %s at %s: %w", task, address, errors.Join(err, errdefs.ErrPermissionDenied))
	}
	return conn, nil
}
