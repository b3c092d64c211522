package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Keys finds the secret of an access key, and the session token that goes with it, if any. ok is false for one that is not there;
// the error is why one that is there does not count any more.
type Keys func(id string) (credentials aws.Credentials, ok bool, err *Error)

// signature is what an Authorization header says.
type signature struct {
	key, date, region, service string
	signed                     []string
	value                      string
}

const algorithm = "AWS4-HMAC-SHA256"

// parseSignature reads "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=…".
func parseSignature(header string) (s signature, ok bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return s, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return s, false
			}
			s.key, s.date, s.region, s.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			s.signed = strings.Split(value, ";")
		case "Signature":
			s.value = value
		}
	}
	return s, s.key != "" && s.value != "" && len(s.signed) > 0
}

// most is how far the clock of a client may be off.
const most = 15 * time.Minute

// Verify checks a request's signature (version 4, in the header) and fills in the service, region and key of the call.
func Verify(c *Call, keys Keys, now time.Time) *Error {
	refuse := func(code, format string, args ...any) *Error {
		return &Error{Status: http.StatusForbidden, Code: code, Message: fmt.Sprintf(format, args...)}
	}
	header := c.HTTP.Header.Get("Authorization")
	if header == "" {
		return refuse("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	s, ok := parseSignature(header)
	if !ok {
		return refuse("IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' of %s", algorithm)
	}
	c.Service, c.Region, c.Key = s.service, s.region, s.key
	at, err := time.Parse("20060102T150405Z", c.HTTP.Header.Get("X-Amz-Date"))
	if err != nil {
		return refuse("IncompleteSignatureException", "Date must be in ISO-8601 'basic format': X-Amz-Date")
	}
	credentials, ok, failure := keys(s.key)
	switch {
	case failure != nil:
		return failure
	case !ok:
		return refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	case now.Sub(at).Abs() > most:
		return refuse("InvalidSignatureException", "Signature expired: %s is now earlier than %s", at.Format(time.RFC3339), now.Add(-most).Format(time.RFC3339))
	}
	sum := sha256.Sum256(c.Body)
	hash := hex.EncodeToString(sum[:])
	if claimed := c.HTTP.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != hash {
		if !strings.HasPrefix(claimed, "UNSIGNED-PAYLOAD") && !strings.HasPrefix(claimed, "STREAMING-") {
			return &Error{Status: http.StatusBadRequest, Code: "XAmzContentSHA256Mismatch", Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
		}
		hash = claimed
	}
	want, err := s.over(c, hash, credentials, at)
	if err != nil {
		return refuse("InvalidSignatureException", "the signature cannot be checked: %s", err)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.value)) != 1 {
		return refuse("InvalidSignatureException",
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return nil
}

// over computes the signature over the headers that were signed.
func (s signature) over(c *Call, hash string, credentials aws.Credentials, at time.Time) (string, error) {
	target := &url.URL{Scheme: "https", Host: c.HTTP.Host, Path: c.HTTP.URL.Path, RawPath: c.HTTP.URL.RawPath, RawQuery: c.HTTP.URL.RawQuery}
	again, err := http.NewRequest(c.HTTP.Method, target.String(), bytes.NewReader(c.Body))
	if err != nil {
		return "", err
	}
	again.ContentLength = 0 // it is signed only where it was
	for _, name := range s.signed {
		switch {
		case name == "host":
		case name == "content-length":
			again.ContentLength = c.HTTP.ContentLength
		default:
			for _, v := range c.HTTP.Header.Values(name) {
				again.Header.Add(name, v)
			}
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == "s3" })
	if err := signer.SignHTTP(context.Background(), credentials, again, hash, s.service, s.region, at); err != nil {
		return "", err
	}
	made, _ := parseSignature(again.Header.Get("Authorization"))
	return made.value, nil
}
