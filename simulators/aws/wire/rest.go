package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
	"github.com/aws/smithy-go/transport/http/protocol/restjson1"
)

// Route is where an operation of a service of resources is.
type Route struct {
	Method string
	Path   string // "/2015-02-01/file-systems/{FileSystemId}": members in braces
	Status int    // of the answer; 0 is 200
	// Query are the members that parameters stand for, if they have another name: {"tagKeys": "TagKeys"}.
	Query map[string]string
}

// match reads the members in a path, as it is escaped.
func (r Route) match(method, path string) (members map[string]string, ok bool) {
	if r.Method != method {
		return nil, false
	}
	want, got := strings.Split(strings.Trim(r.Path, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	members = map[string]string{}
	for i, part := range want {
		value, err := url.PathUnescape(got[i])
		switch name, braced := strings.CutPrefix(part, "{"); {
		case err != nil:
			return nil, false
		case braced && value != "":
			members[strings.TrimSuffix(name, "}")] = value
		case part != value:
			return nil, false
		}
	}
	return members, true
}

// rest is restJson1: operations are methods and paths, and members of a structure may be in the path, in parameters, in headers, or
// the whole body.
type rest struct {
	routes map[string]Route
	codec  *restjson1.Protocol // nil for a service whose structures have no schemas
}

// PlainREST is restJson1 of a service of which the SDK has no schemas, with the routes of its operations.
func PlainREST(routes map[string]Route) Protocol { return rest{routes: routes} }

// REST is restJson1 of a service of the SDK with these operations.
func REST(service *smithy.ServiceSchema, operations ...*smithy.Schema) Protocol {
	p := rest{routes: map[string]Route{}, codec: restjson1.New(service)}
	for _, op := range operations {
		at, _ := smithy.SchemaTrait[*traits.HTTP](op) // every operation of the protocol has it
		path, _, _ := strings.Cut(at.URI, "?")
		p.routes[op.ID().Name] = Route{Method: at.Method, Path: path, Status: at.Code}
	}
	return p
}

// find is the operation that a request asks for, with the members in its path: the one of which most is literal.
func (p rest) find(c *Call) (name string, members map[string]string) {
	for other, r := range p.routes {
		found, ok := r.match(c.HTTP.Method, c.HTTP.URL.EscapedPath())
		if ok && (name == "" || len(found) < len(members)) {
			name, members = other, found
		}
	}
	return name, members
}

func (p rest) Name(c *Call) string {
	name, _ := p.find(c)
	return name
}

// Decode takes members from the body, and those that are elsewhere from there.
func (p rest) Decode(c *Call, in any) error {
	outside, body := p.outside(c, in)
	if len(c.Body) > 0 {
		if raw, ok := body.(*[]byte); ok {
			*raw = c.Body
		} else if err := json.Unmarshal(c.Body, body); err != nil {
			return fmt.Errorf("Could not parse request body into json: %w", err) //nolint:staticcheck // as the services say it
		}
	}
	for name, texts := range outside {
		if err := set(in, name, texts); err != nil {
			return err
		}
	}
	return nil
}

// outside are the members that are not in the body, and where that goes: to the input, or to one member.
func (p rest) outside(c *Call, in any) (texts map[string][]string, body any) {
	_, members := p.find(c)
	query := c.HTTP.URL.Query()
	texts, body = map[string][]string{}, in
	if p.codec == nil {
		for name, values := range query {
			if other := p.routes[c.Operation].Query[name]; other != "" {
				name = other
			}
			texts[name] = values
		}
		for name, value := range members {
			texts[name] = []string{value}
		}
		return texts, body
	}
	for name, member := range schemaOf(in.(smithy.Serializable)).Members() {
		if _, ok := smithy.SchemaTrait[*traits.HTTPPayload](member); ok {
			body = reflect.ValueOf(in).Elem().FieldByName(name).Addr().Interface()
		} else if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](member); ok {
			texts[name] = []string{members[name]}
		} else if t, ok := smithy.SchemaTrait[*traits.HTTPQuery](member); ok {
			texts[name] = query[t.Name]
		} else if t, ok := smithy.SchemaTrait[*traits.HTTPHeader](member); ok {
			texts[name] = c.HTTP.Header.Values(t.Name)
		}
	}
	return texts, body
}

// set gives a member the value of a text, or a list those of all; without one it has none, whatever the body says. A member that is not
// there is none.
func set(in any, name string, texts []string) error {
	v := reflect.ValueOf(in).Elem().FieldByName(strings.ToUpper(name[:1]) + name[1:])
	if !v.IsValid() {
		return nil
	}
	v.SetZero()
	if len(texts) == 0 {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[0])
	case reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(texts[0])
		v.SetBool(b)
	case reflect.Int32, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(texts[0], 10, 64)
		v.SetInt(n)
	case reflect.Slice:
		v.Set(reflect.ValueOf(texts).Convert(v.Type()))
	default:
		err = fmt.Errorf("a %s cannot be outside a body", v.Kind())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Encode writes an output, of a service with schemas as the SDK writes an input: headers and body of both have one form. The status is
// that of the operation, or the output's own.
func (p rest) Encode(w http.ResponseWriter, c *Call, out any) error {
	status := max(p.routes[c.Operation].Status, http.StatusOK)
	if p.codec != nil {
		return p.encode(w, status, out.(smithy.Serializable))
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return nil
	}
	body, err := plainBody(out)
	if err != nil {
		return err
	}
	return writeJSON(w, status, "application/json", body)
}

func (p rest) encode(w http.ResponseWriter, status int, out smithy.Serializable) error {
	again := reflect.New(reflect.TypeOf(out).Elem()) // without the status, which is not in the body
	again.Elem().Set(reflect.ValueOf(out).Elem())
	empty := status == http.StatusNoContent
	for name, member := range schemaOf(out).Members() {
		if _, ok := smithy.SchemaTrait[*traits.HTTPPayload](member); ok {
			empty = empty || again.Elem().FieldByName(name).IsZero()
		}
		if _, ok := smithy.SchemaTrait[*traits.HTTPResponseCode](member); ok {
			field := again.Elem().FieldByName(name)
			if field.Int() != 0 {
				status = int(field.Int())
			}
			field.SetZero()
		}
	}
	return p.write(w, status, empty, again.Interface().(smithy.Serializable))
}

// write sends a structure with a schema; empty is one without a body.
func (p rest) write(w http.ResponseWriter, status int, empty bool, out smithy.Serializable) error {
	var body []byte
	if schemaOf(out) != anything {
		text, request, err := serialized(p.codec, out)
		if err != nil {
			return err
		}
		body = text
		maps.Copy(w.Header(), request.Header)
	}
	if empty {
		w.Header().Del("Content-Type")
		w.WriteHeader(status)
		return nil
	}
	kind := w.Header().Get("Content-Type")
	if kind == "" {
		kind = "application/json"
	}
	return writeJSON(w, status, kind, body)
}

func (p rest) Unknown(c *Call) *Error {
	return &Error{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: fmt.Sprintf("the simulator has no operation %s %s", c.HTTP.Method, c.HTTP.URL.Path)}
}

func (p rest) Fail(w http.ResponseWriter, _ *Call, err *Error) {
	w.Header().Set("X-Amzn-Errortype", err.Code)
	if err.structure != nil && p.write(w, err.status(), false, err.structure) == nil {
		return
	}
	fields := map[string]any{"ErrorCode": err.Code, "Message": err.Message}
	if p.codec != nil {
		fields = map[string]any{"message": err.Message}
	}
	maps.Copy(fields, err.Fields)
	body, _ := json.Marshal(fields)                          // of strings and numbers
	_ = writeJSON(w, err.status(), "application/json", body) // the client is gone
}
