package dockerapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/dockerapi/transport"
)

// maxJSON bounds a JSON body: nothing that a client configures comes near it.
const maxJSON = 4 << 20

// flag reads a boolean of the query as dockerd does: everything is true but these.
func (c *call) flag(name string) bool {
	switch strings.ToLower(strings.TrimSpace(c.value(name))) {
	case "", "0", "no", "false", "none":
		return false
	}
	return true
}

// value is the first value of a query parameter.
func (c *call) value(name string) string { return c.Query().Get(name) }

// size reads a number of rows or columns; what names it in the error.
func (c *call) size(name, what string) (uint32, error) {
	n, err := strconv.ParseUint(c.value(name), 10, 32)
	if err != nil {
		return 0, invalid("invalid resize " + what + " " + strconv.Quote(c.value(name)) + ": " + errors.Unwrap(err).Error())
	}
	return uint32(n), nil
}

// checkJSON refuses a body that does not say that it is JSON.
func (c *call) checkJSON() error {
	header := c.Header("Content-Type")
	if header == "" && c.ContentLength() == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(header)
	if err != nil {
		return invalid("malformed Content-Type header (" + header + "): " + err.Error())
	}
	if mediaType != "application/json" {
		return invalid("unsupported Content-Type header (" + header + "): must be 'application/json'")
	}
	return nil
}

// readJSON decodes a body that may be missing into v (moby's httputils.ReadJSON).
func (c *call) readJSON(v any) error {
	if err := c.checkJSON(); err != nil {
		return err
	}
	if c.ContentLength() == 0 {
		return nil
	}
	return c.decodeJSON(v)
}

// decodeJSON decodes a body that must be there.
func (c *call) decodeJSON(v any) error {
	body := c.Body(maxJSON)
	d := json.NewDecoder(body)
	err := d.Decode(v)
	switch {
	case err == nil && d.More():
		return invalid("unexpected content after JSON")
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return invalid("invalid JSON: got EOF while reading request body")
	}
	var large *transport.TooLargeError
	if errors.As(err, &large) {
		return err
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		field := strings.TrimPrefix(mistyped.Field, "Config.") // which is embedded
		return invalid("invalid JSON: json: cannot unmarshal " + mistyped.Value + " into Go struct field ." + field + " of type " + mistyped.Type.String())
	}
	return invalid("invalid JSON: " + err.Error())
}
