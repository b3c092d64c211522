package dockerapi

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/containerd/errdefs"
	"github.com/sockerless/sockerless/dockerapi/transport"
)

// errPage is dockerd's answer to a path or a method that it does not know (it never answers 405).
var errPage = errdefs.ErrNotFound.WithMessage("page not found")

// invalid is a fault of the client's, answered with 400.
func invalid(message string) error { return errdefs.ErrInvalidArgument.WithMessage(message) }

// statusOf is the one place where the class of an error becomes an HTTP status (moby's daemon/internal/httpstatus).
func statusOf(err error) int {
	var large *transport.TooLargeError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errdefs.IsNotFound(err):
		return http.StatusNotFound
	case errdefs.IsInvalidArgument(err):
		return http.StatusBadRequest
	case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
		return http.StatusConflict
	case errdefs.IsUnauthorized(err):
		return http.StatusUnauthorized
	case errdefs.IsUnavailable(err):
		return http.StatusServiceUnavailable
	case errdefs.IsPermissionDenied(err):
		return http.StatusForbidden
	case errdefs.IsNotModified(err):
		return http.StatusNotModified
	case errdefs.IsNotImplemented(err):
		return http.StatusNotImplemented
	case errdefs.IsResourceExhausted(err):
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// answerError is transport.Config.Error: {"message": …} and a line break, as dockerd writes it.
func answerError(err error) (status int, contentType string, body []byte) {
	status = statusOf(err)
	if status == http.StatusNotModified {
		return status, "", nil
	}
	var old *tooOldError
	if errors.As(err, &old) {
		return status, "text/plain; charset=utf-8", []byte(old.message + "\n")
	}
	body, encodeErr := encode(struct {
		Message string `json:"message"`
	}{err.Error()})
	if encodeErr != nil { // a string can always be encoded
		body = nil
	}
	return status, "application/json", body
}

// encode is JSON as dockerd writes it: & < > as they are, and a line break at the end.
func encode(v any) ([]byte, error) {
	var b buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b, nil
}

// buffer is what encode writes to, without the state that bytes.Buffer has for readers.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// notImplementedOption refuses an option that would change the result and is not understood.
func notImplementedOption(name string) error {
	return errdefs.ErrNotImplemented.WithMessage("the option " + name + " is not implemented")
}
