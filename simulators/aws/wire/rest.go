package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// Route is where an operation of a service of resources is.
type Route struct {
	Method string
	Path   string // "/2015-02-01/file-systems/{FileSystemId}": members in braces
	Status int    // of the answer; 0 is 200
	// Query are the members that parameters stand for, if they have another name: {"tagKeys": "TagKeys"}.
	Query map[string]string
}

// match reads the members in a path.
func (r Route) match(method, path string) (members map[string]string, ok bool) {
	if r.Method != method {
		return nil, false
	}
	want, got := strings.Split(r.Path, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	members = map[string]string{}
	for i, part := range want {
		switch name, braced := strings.CutPrefix(part, "{"); {
		case braced && got[i] != "":
			members[strings.TrimSuffix(name, "}")] = got[i]
		case part != got[i]:
			return nil, false
		}
	}
	return members, true
}

// plainREST is restJson1 of a service of which the SDK has no schemas.
type plainREST map[string]Route

// PlainREST is restJson1 of a service of which the SDK has no schemas, with the routes of its operations.
func PlainREST(routes map[string]Route) Protocol { return plainREST(routes) }

func (p plainREST) Name(c *Call) string {
	for name, r := range p {
		if _, ok := r.match(c.HTTP.Method, c.HTTP.URL.Path); ok {
			return name
		}
	}
	return ""
}

// Decode takes members from the path, from the parameters, and from the body.
func (p plainREST) Decode(c *Call, in any) error {
	if len(c.Body) > 0 {
		if err := json.Unmarshal(c.Body, in); err != nil {
			return err
		}
	}
	r := p[c.Operation]
	members, _ := r.match(c.HTTP.Method, c.HTTP.URL.Path)
	for name, value := range members {
		if err := set(in, name, []string{value}); err != nil {
			return err
		}
	}
	for name, values := range c.HTTP.URL.Query() {
		if other := r.Query[name]; other != "" {
			name = other
		}
		if err := set(in, name, values); err != nil {
			return err
		}
	}
	return nil
}

// set gives a member the value of a text, or a list those of all; a member that is not there is none.
func set(in any, name string, texts []string) error {
	v := reflect.ValueOf(in).Elem().FieldByName(name)
	if !v.IsValid() {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[0])
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(texts[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.SetInt(n)
	case reflect.Slice:
		v.Set(reflect.ValueOf(texts).Convert(v.Type()))
	default:
		return fmt.Errorf("%s: a %s cannot be in an address", name, v.Kind())
	}
	return nil
}

func (p plainREST) Encode(w http.ResponseWriter, c *Call, out any) error {
	body, err := plainBody(out)
	if err != nil {
		return err
	}
	status := max(p[c.Operation].Status, http.StatusOK)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return nil
	}
	return writeJSON(w, status, "application/json", body)
}

func (p plainREST) Unknown(c *Call) *Error {
	return &Error{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: fmt.Sprintf("the simulator has no operation %s %s", c.HTTP.Method, c.HTTP.URL.Path)}
}

func (p plainREST) Fail(w http.ResponseWriter, _ *Call, err *Error) {
	fields := map[string]any{"ErrorCode": err.Code, "Message": err.Message}
	maps.Copy(fields, err.Fields)
	body, _ := json.Marshal(fields) // of strings and numbers
	w.Header().Set("X-Amzn-Errortype", err.Code)
	_ = writeJSON(w, err.status(), "application/json", body) // the client is gone
}
