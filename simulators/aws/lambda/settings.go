package lambda

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
)

func (l *Lambda) putConcurrency(ctx context.Context, c *wire.Call, in *lambda.PutFunctionConcurrencyInput) (*lambda.PutFunctionConcurrencyOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	wanted := aws.ToInt32(in.ReservedConcurrentExecutions)
	if wanted < 0 {
		return nil, outOfRange("reservedConcurrentExecutions", wanted, "Member must have value greater than or equal to 0")
	}
	if l.unreserved(c.Region, f.key())-int(wanted) < leastUnreserved {
		return nil, invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", leastUnreserved)
	}
	_, err = l.change(ctx, f.key(), func(f *function) error { f.Reserved = &wanted; return nil })
	return &lambda.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: &wanted}, err
}

// unreserved is what functions without a share of their own have together, without that of one function.
func (l *Lambda) unreserved(region, except string) int {
	left := accountConcurrency
	for _, f := range l.functions.All() {
		if f.Region == region && f.key() != except {
			left -= int(aws.ToInt32(f.Reserved))
		}
	}
	return left
}

func (l *Lambda) getConcurrency(_ context.Context, c *wire.Call, in *lambda.GetFunctionConcurrencyInput) (*lambda.GetFunctionConcurrencyOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	return &lambda.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: f.Reserved}, err
}

func (l *Lambda) deleteConcurrency(ctx context.Context, c *wire.Call, in *lambda.DeleteFunctionConcurrencyInput) (*lambda.DeleteFunctionConcurrencyOutput, error) {
	f, err := l.find(c, in.FunctionName, nil)
	if err == nil {
		_, err = l.change(ctx, f.key(), func(f *function) error { f.Reserved = nil; return nil })
	}
	return &lambda.DeleteFunctionConcurrencyOutput{}, err
}

// configureEvents writes down how events of a function are run.
func (l *Lambda) configureEvents(ctx context.Context, c *wire.Call, name, qualifier *string, in types.FunctionEventInvokeConfig, keep bool) (*types.FunctionEventInvokeConfig, error) {
	f, err := l.find(c, name, qualifier)
	if err != nil {
		return nil, err
	}
	if r := in.MaximumRetryAttempts; r != nil && (*r < 0 || *r > 2) {
		return nil, outOfRange("maximumRetryAttempts", *r, "Member must have value between 0 and 2 (inclusive)")
	}
	if a := in.MaximumEventAgeInSeconds; a != nil && (*a < 60 || *a > 21600) {
		return nil, outOfRange("maximumEventAgeInSeconds", *a, "Member must have value between 60 and 21600 (inclusive)")
	}
	if d := in.DestinationConfig; d != nil && (d.OnSuccess != nil && d.OnSuccess.Destination != nil || d.OnFailure != nil && d.OnFailure.Destination != nil) {
		return nil, invalid("The simulator has no destinations of events.")
	}
	in.FunctionArn, in.LastModified = aws.String(aws.ToString(f.FunctionArn)+":"+latest), aws.Time(l.config.Now())
	in.DestinationConfig = &types.DestinationConfig{OnSuccess: &types.OnSuccess{}, OnFailure: &types.OnFailure{}}
	_, err = l.change(ctx, f.key(), func(f *function) error {
		if keep {
			if f.Event == nil {
				return noEventConfig(f)
			}
			in.MaximumRetryAttempts = or(in.MaximumRetryAttempts, f.Event.MaximumRetryAttempts)
			in.MaximumEventAgeInSeconds = or(in.MaximumEventAgeInSeconds, f.Event.MaximumEventAgeInSeconds)
		}
		f.Event = &in
		return nil
	})
	return &in, err
}

func noEventConfig(f *function) error {
	return notFound("The function %s:%s doesn't have an EventInvokeConfig", aws.ToString(f.FunctionArn), latest)
}

func (l *Lambda) putEventConfig(ctx context.Context, c *wire.Call, in *lambda.PutFunctionEventInvokeConfigInput) (*lambda.PutFunctionEventInvokeConfigOutput, error) {
	made, err := l.configureEvents(ctx, c, in.FunctionName, in.Qualifier, types.FunctionEventInvokeConfig{
		MaximumRetryAttempts: in.MaximumRetryAttempts, MaximumEventAgeInSeconds: in.MaximumEventAgeInSeconds, DestinationConfig: in.DestinationConfig}, false)
	if err != nil {
		return nil, err
	}
	return &lambda.PutFunctionEventInvokeConfigOutput{FunctionArn: made.FunctionArn, LastModified: made.LastModified, DestinationConfig: made.DestinationConfig,
		MaximumRetryAttempts: made.MaximumRetryAttempts, MaximumEventAgeInSeconds: made.MaximumEventAgeInSeconds}, nil
}

func (l *Lambda) updateEventConfig(ctx context.Context, c *wire.Call, in *lambda.UpdateFunctionEventInvokeConfigInput) (*lambda.UpdateFunctionEventInvokeConfigOutput, error) {
	made, err := l.configureEvents(ctx, c, in.FunctionName, in.Qualifier, types.FunctionEventInvokeConfig{
		MaximumRetryAttempts: in.MaximumRetryAttempts, MaximumEventAgeInSeconds: in.MaximumEventAgeInSeconds, DestinationConfig: in.DestinationConfig}, true)
	if err != nil {
		return nil, err
	}
	return &lambda.UpdateFunctionEventInvokeConfigOutput{FunctionArn: made.FunctionArn, LastModified: made.LastModified, DestinationConfig: made.DestinationConfig,
		MaximumRetryAttempts: made.MaximumRetryAttempts, MaximumEventAgeInSeconds: made.MaximumEventAgeInSeconds}, nil
}

func (l *Lambda) getEventConfig(_ context.Context, c *wire.Call, in *lambda.GetFunctionEventInvokeConfigInput) (*lambda.GetFunctionEventInvokeConfigOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	e := f.Event
	if e == nil {
		return nil, noEventConfig(&f)
	}
	return &lambda.GetFunctionEventInvokeConfigOutput{FunctionArn: e.FunctionArn, LastModified: e.LastModified, DestinationConfig: e.DestinationConfig,
		MaximumRetryAttempts: e.MaximumRetryAttempts, MaximumEventAgeInSeconds: e.MaximumEventAgeInSeconds}, nil
}

func (l *Lambda) deleteEventConfig(ctx context.Context, c *wire.Call, in *lambda.DeleteFunctionEventInvokeConfigInput) (*lambda.DeleteFunctionEventInvokeConfigOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err == nil {
		_, err = l.change(ctx, f.key(), func(f *function) error {
			if f.Event == nil {
				return noEventConfig(f)
			}
			f.Event = nil
			return nil
		})
	}
	return &lambda.DeleteFunctionEventInvokeConfigOutput{}, err
}

// statement is one of a function's policy.
type statement struct {
	ID        string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal any                          `json:"Principal"`
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

func (l *Lambda) addPermission(ctx context.Context, c *wire.Call, in *lambda.AddPermissionInput) (*lambda.AddPermissionOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	s := statement{ID: aws.ToString(in.StatementId), Effect: "Allow", Action: aws.ToString(in.Action), Resource: aws.ToString(f.FunctionArn)}
	switch principal := aws.ToString(in.Principal); {
	case principal == "*":
		s.Principal = "*"
	case strings.HasSuffix(principal, ".amazonaws.com"):
		s.Principal = map[string]string{"Service": principal}
	case len(principal) == 12 && strings.Trim(principal, "0123456789") == "":
		s.Principal = map[string]string{"AWS": "arn:aws:iam::" + principal + ":root"}
	case strings.HasPrefix(principal, "arn:"):
		s.Principal = map[string]string{"AWS": principal}
	default:
		return nil, invalid("The provided principal was invalid. Please check the principal and try again.")
	}
	condition := func(operator, key string, value *string) {
		if value == nil {
			return
		}
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		if s.Condition[operator] == nil {
			s.Condition[operator] = map[string]string{}
		}
		s.Condition[operator][key] = *value
	}
	condition("ArnLike", "AWS:SourceArn", in.SourceArn)
	condition("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	condition("StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID)
	condition("StringEquals", "lambda:EventSourceToken", in.EventSourceToken)
	_, err = l.change(ctx, f.key(), func(f *function) error {
		if in.RevisionId != nil && *in.RevisionId != f.PolicyID {
			return stale()
		}
		if slices.ContainsFunc(f.Policy, func(other statement) bool { return other.ID == s.ID }) {
			return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", s.ID)
		}
		f.Policy, f.PolicyID = append(slices.Clone(f.Policy), s), wire.UUID()
		return nil
	})
	text, _ := json.Marshal(s) // of strings
	return &lambda.AddPermissionOutput{Statement: aws.String(string(text))}, err
}

func (l *Lambda) removePermission(ctx context.Context, c *wire.Call, in *lambda.RemovePermissionInput) (*lambda.RemovePermissionOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, err = l.change(ctx, f.key(), func(f *function) error {
		if in.RevisionId != nil && *in.RevisionId != f.PolicyID {
			return stale()
		}
		left := slices.DeleteFunc(slices.Clone(f.Policy), func(s statement) bool { return s.ID == aws.ToString(in.StatementId) })
		if len(left) == len(f.Policy) {
			return notFound("Statement %s is not found in resource policy.", aws.ToString(in.StatementId))
		}
		f.Policy, f.PolicyID = left, wire.UUID()
		return nil
	})
	return &lambda.RemovePermissionOutput{}, err
}

func (l *Lambda) getPolicy(_ context.Context, c *wire.Call, in *lambda.GetPolicyInput) (*lambda.GetPolicyOutput, error) {
	f, err := l.find(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if len(f.Policy) == 0 {
		return nil, notFound("The resource you requested does not exist.")
	}
	text, err := json.Marshal(struct {
		Version   string
		ID        string `json:"Id"`
		Statement []statement
	}{"2012-10-17", "default", f.Policy})
	return &lambda.GetPolicyOutput{Policy: aws.String(string(text)), RevisionId: aws.String(f.PolicyID)}, err
}

func (l *Lambda) listTags(_ context.Context, c *wire.Call, in *lambda.ListTagsInput) (*lambda.ListTagsOutput, error) {
	f, err := l.find(c, in.Resource, nil)
	if err != nil {
		return nil, err
	}
	tags := f.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return &lambda.ListTagsOutput{Tags: tags}, nil
}

func (l *Lambda) tag(ctx context.Context, c *wire.Call, resource *string, change func(map[string]string)) error {
	f, err := l.find(c, resource, nil)
	if err != nil {
		return err
	}
	_, err = l.change(ctx, f.key(), func(f *function) error {
		tags := map[string]string{}
		maps.Copy(tags, f.Tags)
		change(tags)
		if len(tags) > 50 {
			return invalid("Tags: a function has at most 50.")
		}
		f.Tags = tags
		return nil
	})
	return err
}

func (l *Lambda) tagResource(ctx context.Context, c *wire.Call, in *lambda.TagResourceInput) (*lambda.TagResourceOutput, error) {
	return &lambda.TagResourceOutput{}, l.tag(ctx, c, in.Resource, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

func (l *Lambda) untagResource(ctx context.Context, c *wire.Call, in *lambda.UntagResourceInput) (*lambda.UntagResourceOutput, error) {
	return &lambda.UntagResourceOutput{}, l.tag(ctx, c, in.Resource, func(tags map[string]string) {
		for _, name := range in.TagKeys {
			delete(tags, name)
		}
	})
}
