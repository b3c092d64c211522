package ecr

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// user is the name that goes with every token.
const user = "AWS"

// tokenFor is how long a token counts.
const tokenFor = 12 * time.Hour

func (e *ECR) sign(text string) string {
	mac := hmac.New(sha256.New, e.secret)
	_, _ = mac.Write([]byte(text)) // never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// password is one that counts until then: the time, and who has the secret has signed it.
func (e *ECR) password(until time.Time) string {
	text := strconv.FormatInt(until.Unix(), 10)
	return text + "." + e.sign(text)
}

// until is when a password ends; ok is false for one that is none.
func (e *ECR) until(password string) (at time.Time, ok bool) {
	text, signature, _ := strings.Cut(password, ".")
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil && hmac.Equal([]byte(signature), []byte(e.sign(text)))
}

// Credentials are those with which a service of this account pulls: they count as a user's do.
func (e *ECR) Credentials() (name, password string) {
	return user, e.password(e.config.Now().Add(tokenFor))
}

func (e *ECR) getAuthorizationToken(_ context.Context, _ *wire.Call, _ *ecr.GetAuthorizationTokenInput) (*ecr.GetAuthorizationTokenOutput, error) {
	until := e.config.Now().Add(tokenFor)
	return &ecr.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{{
		AuthorizationToken: aws.String(base64.StdEncoding.EncodeToString([]byte(user + ":" + e.password(until)))),
		ExpiresAt:          aws.Time(until), ProxyEndpoint: aws.String("http://" + e.config.Host),
	}}}, nil
}
