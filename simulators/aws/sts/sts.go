package sts

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

// New makes the service of an account.
func New(account string) *wire.Service {
	return &wire.Service{
		Name: "sts", Protocol: wire.Query("https://sts.amazonaws.com/doc/2011-06-15/"),
		Operations: map[string]wire.Operation{
			"GetCallerIdentity": wire.Op(func(_ context.Context, c *wire.Call, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
				return &sts.GetCallerIdentityOutput{
					Account: aws.String(account), Arn: aws.String("arn:aws:iam::" + account + ":user/" + c.Key), UserId: aws.String(c.Key),
				}, nil
			}),
		},
	}
}
