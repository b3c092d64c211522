package sts

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// Config is what the service stands on.
type Config struct {
	Account string
	State   state.Store
	Now     func() time.Time
	Roles   Roles
}

// Roles are those of the account.
type Roles interface {
	// Role finds a role by its ARN.
	Role(arn string) (id, name string, ok bool)
	// Trusts tells whether somebody may take it on.
	Trusts(role, who string) bool
}

// session is a key for a time, and who it is.
type session struct {
	aws.Credentials
	ARN, User string
	Role      string // that it is of, by ARN; "" is a user
}

// STS is the service.
type STS struct {
	config   Config
	sessions *table.Table[session] // by the id of the key
}

// Open finds the keys that an earlier simulator gave out.
func Open(config Config) (*STS, error) {
	s := &STS{config: config}
	var err error
	s.sessions, err = table.Open[session](config.State, "sts/session/")
	return s, err
}

// Service is what it can do.
func (s *STS) Service() *wire.Service {
	return &wire.Service{
		Name: "sts", Protocol: wire.Query("https://sts.amazonaws.com/doc/2011-06-15/"),
		Operations: map[string]wire.Operation{
			"GetCallerIdentity": wire.Op(s.getCallerIdentity), "AssumeRole": wire.Op(s.assumeRole), "GetSessionToken": wire.Op(s.getSessionToken),
		},
	}
}

// Key is the secret and the token of a key that the service gave out.
func (s *STS) Key(id string) (aws.Credentials, bool, *wire.Error) {
	found, ok := s.sessions.Get(id)
	if ok && !s.config.Now().Before(found.Expires) {
		return found.Credentials, true, &wire.Error{Status: http.StatusForbidden, Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}
	}
	return found.Credentials, ok, nil
}

// ARN is who a key belongs to.
func (s *STS) ARN(key string) string {
	arn, _ := s.caller(key)
	return arn
}

// Role is the ARN of the role that a key is of; "" for a user's.
func (s *STS) Role(key string) string {
	found, _ := s.sessions.Get(key)
	return found.Role
}

func denied(who, role string) error {
	return &wire.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: "User: " + who + " is not authorized to perform: sts:AssumeRole on resource: " + role}
}

// caller is who a key belongs to.
func (s *STS) caller(key string) (arn, user string) {
	if found, ok := s.sessions.Get(key); ok {
		return found.ARN, found.User
	}
	return "arn:aws:iam::" + s.config.Account + ":user/" + key, key
}

func (s *STS) getCallerIdentity(_ context.Context, c *wire.Call, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	arn, user := s.caller(c.Key)
	return &sts.GetCallerIdentityOutput{Account: &s.config.Account, Arn: &arn, UserId: &user}, nil
}

// Assume gives out a key of a role, as ECS does for a task, and Lambda for a function.
func (s *STS) Assume(ctx context.Context, roleARN, sessionName string, d time.Duration) (aws.Credentials, error) {
	id, name, ok := s.config.Roles.Role(roleARN)
	if !ok {
		return aws.Credentials{}, denied("arn:aws:iam::"+s.config.Account+":root", roleARN)
	}
	arn := fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", s.config.Account, name, sessionName)
	return s.give(ctx, session{ARN: arn, User: id + ":" + sessionName, Role: roleARN}, d)
}

// give makes a key for who is to have one, that counts for d.
func (s *STS) give(ctx context.Context, made session, d time.Duration) (aws.Credentials, error) {
	var random [110]byte
	_, _ = rand.Read(random[:]) // never fails
	made.Credentials = aws.Credentials{
		AccessKeyID:     "ASIA" + base32.StdEncoding.EncodeToString(random[:10]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(random[10:40]),
		SessionToken:    base64.StdEncoding.EncodeToString(random[40:]),
		CanExpire:       true, Expires: s.config.Now().Add(d).UTC().Truncate(time.Second),
	}
	return made.Credentials, s.sessions.Put(ctx, made.AccessKeyID, made)
}

func answered(c aws.Credentials) *types.Credentials {
	return &types.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expires}
}

// duration is how long a key is to count.
func duration(seconds *int32, usual, least, most time.Duration) (time.Duration, error) {
	if seconds == nil {
		return usual, nil
	}
	d := time.Duration(*seconds) * time.Second
	if d < least || d > most {
		return 0, &wire.Error{Code: "ValidationError", Message: fmt.Sprintf("Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must be from %d to %d", *seconds, least/time.Second, most/time.Second)}
	}
	return d, nil
}

func (s *STS) assumeRole(ctx context.Context, c *wire.Call, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	d, err := duration(in.DurationSeconds, time.Hour, 15*time.Minute, 12*time.Hour)
	if err != nil {
		return nil, err
	}
	if in.RoleArn == nil || in.RoleSessionName == nil {
		return nil, &wire.Error{Code: "ValidationError", Message: "RoleArn and RoleSessionName must not be null"}
	}
	if caller, _ := s.caller(c.Key); !s.config.Roles.Trusts(*in.RoleArn, caller) {
		return nil, denied(caller, *in.RoleArn)
	}
	credentials, err := s.Assume(ctx, *in.RoleArn, *in.RoleSessionName, d)
	if err != nil {
		return nil, err
	}
	arn, user := s.caller(credentials.AccessKeyID)
	return &sts.AssumeRoleOutput{Credentials: answered(credentials), AssumedRoleUser: &types.AssumedRoleUser{Arn: &arn, AssumedRoleId: &user}}, nil
}

func (s *STS) getSessionToken(ctx context.Context, c *wire.Call, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	d, err := duration(in.DurationSeconds, 12*time.Hour, 15*time.Minute, 36*time.Hour)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(c.Key, "ASIA") {
		return nil, &wire.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Cannot call GetSessionToken with session credentials"}
	}
	arn, user := s.caller(c.Key)
	credentials, err := s.give(ctx, session{ARN: arn, User: user}, d)
	return &sts.GetSessionTokenOutput{Credentials: answered(credentials)}, err
}
