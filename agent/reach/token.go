package reach

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// A token lets the agent of one task in. It is base64url(claims) "." base64url(HMAC-SHA256 of the claims), where the
// claims are a version (1), the token's number and its expiry (nanoseconds of Unix time, uint64 big-endian), and the
// task. The number is the moment at which the token was issued, so that a later one has a higher number, after a restart
// of the server too.
type claims struct {
	number uint64
	expiry time.Time
	task   string
}

const tokenVersion = 1

// tokens issues and checks tokens.
type tokens struct{ key []byte }

func newTokens(secret []byte) tokens {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("sockerless: tokens of agents that dial back"))
	return tokens{mac.Sum(nil)}
}

func (t tokens) mac(payload []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write(payload)
	return mac.Sum(nil)
}

func (t tokens) issue(c claims) string {
	b := []byte{tokenVersion}
	b = binary.BigEndian.AppendUint64(b, c.number)
	b = binary.BigEndian.AppendUint64(b, uint64(c.expiry.UnixNano()))
	b = append(b, c.task...)
	return base64.RawURLEncoding.EncodeToString(b) + "." + base64.RawURLEncoding.EncodeToString(t.mac(b))
}

// check returns what a token claims if this server has issued it and it has not expired. The comparison takes the same
// time wherever a wrong token differs, and comes before the claims are looked at.
func (t tokens) check(token string, now time.Time) (claims, bool) {
	payload, mac, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(payload)
	m, macErr := base64.RawURLEncoding.DecodeString(mac)
	if !hmac.Equal(m, t.mac(b)) || err != nil || macErr != nil {
		return claims{}, false
	}
	if len(b) <= 17 || b[0] != tokenVersion {
		return claims{}, false
	}
	c := claims{
		number: binary.BigEndian.Uint64(b[1:]),
		expiry: time.Unix(0, int64(binary.BigEndian.Uint64(b[9:]))),
		task:   string(b[17:]),
	}
	return c, now.Before(c.expiry)
}
