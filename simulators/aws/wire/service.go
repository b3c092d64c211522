package wire

import (
	"context"
	"errors"
	"net/http"
)

// Call is a request as an operation sees it.
type Call struct {
	Service, Operation string // "ecs", "RunTask"
	Region             string
	Key                string // id of the access key that signed it
	RequestID          string // by which the answer is known
	Role               string // ARN of the role that the key is of; "" for a user's, who may do everything
	HTTP               *http.Request
	Body               []byte
}

// Service is one service.
type Service struct {
	Name       string // as it is in the scope of a signature: "ecs", "logs"
	Protocol   Protocol
	Operations map[string]Operation
	Throttled  error // what it says to who asks too often; nil is ThrottlingException
}

// Protocol is how a service's requests and answers are written.
type Protocol interface {
	// Name is the operation that a request asks for; "" where it asks for none of this protocol.
	Name(c *Call) string
	// Decode reads the input of an operation, a pointer to a structure of the SDK.
	Decode(c *Call, in any) error
	// Encode writes the answer of an operation, a structure of the SDK.
	Encode(w http.ResponseWriter, c *Call, out any) error
	// Unknown is the protocol's error for an operation that is not there.
	Unknown(c *Call) *Error
	// Fail writes an error.
	Fail(w http.ResponseWriter, c *Call, err *Error)
}

// Operation is what a service can do.
type Operation struct {
	input func() any
	run   func(ctx context.Context, c *Call, in any) (any, error)
}

// Op makes an operation of a function over the SDK's structures.
func Op[In, Out any](f func(ctx context.Context, c *Call, in *In) (Out, error)) Operation {
	return Operation{
		input: func() any { return new(In) },
		run: func(ctx context.Context, c *Call, in any) (any, error) {
			return f(ctx, c, in.(*In))
		},
	}
}

// Call runs what a request asks for. c.Operation is set, so that who called can tell what was asked for.
func (s *Service) Call(ctx context.Context, c *Call) (any, error) {
	c.Operation = s.Protocol.Name(c)
	op, ok := s.Operations[c.Operation]
	if !ok {
		return nil, s.Protocol.Unknown(c)
	}
	in := op.input()
	if err := s.Protocol.Decode(c, in); err != nil {
		var known *Error
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, &Error{Status: http.StatusBadRequest, Code: "SerializationException", Message: err.Error()}
	}
	return op.run(ctx, c, in)
}
