package image

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// statusError is a registry's refusal. Its text is that of the distribution client in dockerd, recorded from 28.5.
type statusError struct {
	status  int
	code    string // as the registry has it: MANIFEST_UNKNOWN; empty where it gave none
	message string
	// bare is a code without details and with its usual message: distribution keeps only the code of it then, and
	// dockerd does not say more either.
	bare bool
}

func (e *statusError) Error() string {
	code := strings.ToLower(strings.ReplaceAll(e.code, "_", " "))
	switch {
	case e.code == "":
		return fmt.Sprintf("received unexpected HTTP status: %d %s", e.status, http.StatusText(e.status))
	case e.bare:
		return code
	}
	return code + ": " + e.message
}

// Is gives the error the class of its code's HTTP status, which dockerd passes on.
func (e *statusError) Is(class error) bool {
	switch known[e.code].status {
	case http.StatusBadRequest:
		return class == errdefs.ErrInvalidArgument
	case http.StatusUnauthorized:
		return class == errdefs.ErrUnauthenticated
	case http.StatusForbidden:
		return class == errdefs.ErrPermissionDenied
	case http.StatusNotFound:
		return class == errdefs.ErrNotFound
	case http.StatusTooManyRequests:
		return class == errdefs.ErrResourceExhausted
	}
	return false
}

// known are the codes that a pull may meet, with their usual message and status (the distribution specification, and
// distribution's registry/api). Any other code counts as UNKNOWN.
var known = map[string]struct {
	message string
	status  int
}{
	"UNKNOWN":               {"unknown error", 500},
	"UNSUPPORTED":           {"The operation is unsupported.", 405},
	"UNAUTHORIZED":          {"authentication required", 401},
	"DENIED":                {"requested access to the resource is denied", 403},
	"UNAVAILABLE":           {"service unavailable", 503},
	"TOOMANYREQUESTS":       {"too many requests", 429},
	"NAME_INVALID":          {"invalid repository name", 400},
	"NAME_UNKNOWN":          {"repository name not known to registry", 404},
	"TAG_INVALID":           {"manifest tag did not match URI", 400},
	"MANIFEST_UNKNOWN":      {"manifest unknown", 404},
	"MANIFEST_INVALID":      {"manifest invalid", 400},
	"MANIFEST_UNVERIFIED":   {"manifest failed signature verification", 400},
	"MANIFEST_BLOB_UNKNOWN": {"blob unknown to registry", 400},
	"BLOB_UNKNOWN":          {"blob unknown to registry", 404},
	"DIGEST_INVALID":        {"provided digest did not match uploaded content", 400},
	"SIZE_INVALID":          {"provided length did not match content length", 400},
}

const maxErrorBody = 64 << 10

// responseError reads a refusal as distribution's client does: only a body of JSON is looked into.
func responseError(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return fmt.Errorf("read the registry's error (HTTP status %d): %w", resp.StatusCode, err)
	}
	e := &statusError{status: resp.StatusCode}
	if resp.StatusCode >= 500 {
		return e
	}
	e.message = string(body)
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if (mediaType == "application/json" || mediaType == "application/vnd.api+json") && resp.Request.Method != http.MethodHead {
		var list struct {
			Errors []struct {
				Code    string          `json:"code"`
				Message string          `json:"message"`
				Detail  json.RawMessage `json:"detail"`
			} `json:"errors"`
			Details string `json:"details"`
		}
		if err := json.Unmarshal(body, &list); err != nil {
			return fmt.Errorf("error parsing HTTP %d response body: %w: %q", resp.StatusCode, err, body)
		}
		if len(list.Errors) > 0 {
			first := list.Errors[0]
			if e.code = first.Code; known[e.code].status == 0 {
				e.code = "UNKNOWN"
			}
			usual := known[e.code].message
			e.message = cmp.Or(first.Message, usual)
			e.bare = e.message == usual && (first.Detail == nil || string(first.Detail) == "null")
			return e
		}
		if list.Details != "" {
			e.message = list.Details
		}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		e.code = "UNAUTHORIZED"
	case http.StatusForbidden:
		e.code = "DENIED"
	case http.StatusTooManyRequests:
		e.code = "TOOMANYREQUESTS"
	default:
		e.code = "UNKNOWN"
	}
	return e
}

// loginError makes a refusal by the token server one by the registry.
func loginError(err error) error {
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return err
	}
	e := &statusError{status: refused.StatusCode}
	if len(refused.Errors) > 0 {
		e.code, e.message = string(refused.Errors[0].Code), refused.Errors[0].Message
	} else if refused.StatusCode == http.StatusUnauthorized {
		e.code, e.message = "UNAUTHORIZED", known["UNAUTHORIZED"].message
	}
	return e
}

// pullError gives an error of a pull dockerd's text and class (moby's distribution/errors.go, translatePullError): it
// looks only at refusals that are more than a bare code, and not behind what wraps them.
func pullError(err error, ref reference.Named) error {
	refused, ok := err.(*statusError) // that is the point
	if !ok || refused.bare {
		return err
	}
	switch refused.code {
	case "MANIFEST_UNKNOWN":
		return errdefs.ErrNotFound.WithMessage(fmt.Sprintf("manifest for %s not found: %v", reference.FamiliarString(ref), refused))
	case "DENIED", "NAME_UNKNOWN":
		return errdefs.ErrNotFound.WithMessage(fmt.Sprintf(
			"pull access denied for %s, repository does not exist or may require 'docker login': %v", reference.FamiliarName(ref), refused))
	}
	return err
}
