package wire

import (
	"errors"
	"net/http"
)

// Error is an error of a service, with its own code.
type Error struct {
	Status  int // of HTTP; 0 is 400
	Code    string
	Message string
	Fields  map[string]any // what else the error's structure has
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// AsError is any error as a service tells it: one that is no [Error] is a fault of the service.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
}

// Plain writes an error to a client of whose protocol nothing is known.
func Plain(w http.ResponseWriter, err *Error) {
	jsonRPC{}.Fail(w, nil, err)
}
