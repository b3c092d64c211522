package awstest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (c checker) jsonBody(body []byte, m *member) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf(": no JSON: %w: %s", err, body)
	}
	return c.json(v, m)
}

// json compares a value with a shape. Errors begin with where in the answer it is.
func (c checker) json(v any, m *member) error {
	s := c.model.Shapes[m.Shape]
	wrong := func() error { return fmt.Errorf(": %v is no %s (%s)", v, s.Type, m.Shape) }
	switch s.Type {
	case "structure":
		object, ok := v.(map[string]any)
		switch {
		case s.Document:
			return nil
		case !ok:
			return wrong()
		}
		return c.jsonStructure(object, m.Shape, s)
	case "list":
		list, ok := v.([]any)
		if !ok {
			return wrong()
		}
		for i, item := range list {
			if err := c.json(item, s.Member); err != nil {
				return fmt.Errorf("[%d]%w", i, err)
			}
		}
	case "map":
		object, ok := v.(map[string]any)
		if !ok {
			return wrong()
		}
		for key, item := range object {
			if err := errors.Join(c.text(key, s.Key), c.json(item, s.Value)); err != nil {
				return fmt.Errorf("[%s]%w", key, err)
			}
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong()
		}
	case "integer", "long", "short":
		n, ok := v.(json.Number)
		if !ok {
			return wrong()
		}
		if _, err := n.Int64(); err != nil {
			return wrong()
		}
	case "float", "double":
		if _, ok := v.(json.Number); !ok {
			return wrong()
		}
	case "timestamp":
		if format := firstOf(m.TimestampFormat, s.TimestampFormat); format == "iso8601" {
			text, ok := v.(string)
			if _, err := time.Parse(time.RFC3339, text); !ok || err != nil {
				return wrong()
			}
		} else if _, ok := v.(json.Number); !ok {
			return wrong()
		}
	default: // string, character, blob
		text, ok := v.(string)
		if !ok {
			return wrong()
		}
		return c.text(text, m)
	}
	return nil
}

func (c checker) jsonStructure(object map[string]any, name string, s *shape) error {
	seen := map[string]bool{}
	for member, m := range s.Members {
		if m.Location != "" {
			seen[member] = true
			continue
		}
		key := firstOf(m.LocationName, member)
		v, ok := object[key]
		if !ok {
			if slices.Contains(s.Required, member) {
				return fmt.Errorf(".%s is required (%s)", key, name)
			}
			continue
		}
		seen[key] = true
		if err := c.json(v, m); err != nil {
			return fmt.Errorf(".%s%w", key, err)
		}
	}
	for key := range object {
		if !seen[key] && key != "__type" {
			return fmt.Errorf(".%s is no member of %s", key, name)
		}
	}
	return nil
}

// text compares a scalar that is text on the wire.
func (c checker) text(text string, m *member) error {
	s := c.model.Shapes[m.Shape]
	switch {
	case s.Type == "blob":
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf(": %w", err)
		}
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, text) && beyond[m.Shape] != text:
		return fmt.Errorf(": %q is none of %s: %v", text, m.Shape, s.Enum)
	}
	return nil
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

func (m *model) checkJSONError(o *operation, header http.Header, body []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		return fmt.Errorf(": an error that is no JSON: %w: %s", err, body)
	}
	code, _ := fields["__type"].(string)
	code = firstOf(code, header.Get("X-Amzn-Errortype"))
	code, _, _ = strings.Cut(code[strings.LastIndex(code, "#")+1:], ":")
	s, ok := m.known(o, code)
	if !ok {
		return fmt.Errorf(": it may not give the error %q: %s", code, body)
	}
	if s == nil {
		return nil
	}
	for name := range fields {
		known := slices.Contains([]string{"__type", "message", "Message"}, name)
		for member, at := range s.Members {
			known = known || firstOf(at.LocationName, member) == name
		}
		if !known {
			return fmt.Errorf(": the error %s has no member %s", code, name)
		}
	}
	return nil
}
