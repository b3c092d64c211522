package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithy "github.com/aws/smithy-go"

	"github.com/sockerless/sockerless/offload"
)

// CheckCaller tells who the credentials belong to.
func CheckCaller(ctx context.Context, c aws.Config) offload.Finding {
	who, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return offload.Found("credentials", "", Classify("ask whose they are", err))
	}
	return offload.Found("credentials", aws.ToString(who.Arn)+" in "+c.Region, nil)
}

// CheckRole tells whether a role is there and may be taken on by a service: "ecs-tasks.amazonaws.com".
func CheckRole(ctx context.Context, c aws.Config, what, arn, service string) offload.Finding {
	out, err := iam.NewFromConfig(c).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(Name(arn))})
	var none *types.NoSuchEntityException
	switch {
	case errors.As(err, &none):
		return offload.Finding{What: what, Verdict: offload.Absent, Detail: "there is no role " + Name(arn)}
	case err != nil:
		return Looked(what, "iam:GetRole", err)
	case aws.ToString(out.Role.Arn) != arn:
		return offload.Finding{What: what, Verdict: offload.Absent, Detail: fmt.Sprintf("there is %s, not %s", aws.ToString(out.Role.Arn), arn)}
	}
	trust, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	if err == nil && !strings.Contains(trust, `"`+service+`"`) {
		return offload.Finding{What: what, Verdict: offload.Absent, Detail: arn + " does not let " + service + " assume it: its trust policy needs that service as a principal"}
	}
	return offload.Found(what, arn, err)
}

// Looked is a finding of a look that failed: where the credentials may not look, nothing is known.
func Looked(what, right string, err error) offload.Finding {
	var api smithy.APIError
	if errors.As(err, &api) && (strings.HasPrefix(api.ErrorCode(), "AccessDenied") || api.ErrorCode() == "UnauthorizedOperation") {
		return offload.Finding{What: what, Verdict: offload.Unknown, Detail: "the credentials may not look: that needs " + right}
	}
	return offload.Found(what, "", Classify("look at it", err))
}
