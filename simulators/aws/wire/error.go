package wire

import (
	"errors"
	"net/http"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// Error is an error of a service, with its own code.
type Error struct {
	Status  int // of HTTP; 0 is 400
	Code    string
	Message string
	Fields  map[string]any // what else the error's structure has

	structure modelled // the error's own, where the SDK has one with a schema
}

// modelled is an error of the SDK with a schema.
type modelled interface {
	smithy.APIError
	smithy.Serializable
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// AsError is any error as a service tells it: an [Error], an error of the SDK with a schema, or else a fault of the service.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var m modelled
	if errors.As(err, &m) {
		status := 0
		if code, ok := smithy.SchemaTrait[*traits.HTTPError](schemaOf(m)); ok {
			status = code.Code
		}
		return &Error{Status: status, Code: m.ErrorCode(), Message: m.ErrorMessage(), structure: m}
	}
	return &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
}

// Plain writes an error to a client of whose protocol nothing is known.
func Plain(w http.ResponseWriter, err *Error) {
	jsonRPC{}.Fail(w, nil, err)
}
