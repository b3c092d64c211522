package wire

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is the protocol of forms: the operation in the member Action, answers in XML.
type query struct {
	namespace string // of the answers
}

// Query is the protocol of IAM and STS. namespace is that of the answers.
func Query(namespace string) Protocol { return query{namespace: namespace} }

// spelling is how a protocol writes the names of the SDK's fields.
type spelling struct {
	// in are the names that a field may have in a form; the first that is there counts.
	in func(f reflect.StructField) []string
	// out is the name of an element, of a field of a structure.
	out func(owner reflect.Type, f reflect.StructField) string
	// counted stands before the number of a list's item in a form; item is its element.
	counted, item string
}

var querySpelling = spelling{
	in:      func(f reflect.StructField) []string { return []string{f.Name} },
	out:     func(_ reflect.Type, f reflect.StructField) string { return f.Name },
	counted: "member", item: "member",
}

func form(c *Call) url.Values {
	values, _ := url.ParseQuery(string(c.Body)) // what cannot be read is not there
	for name, list := range c.HTTP.URL.Query() {
		values[name] = append(values[name], list...)
	}
	return values
}

func (p query) Name(c *Call) string { return form(c).Get("Action") }

// Decode fills in the fields of a structure of the SDK by their names: "Tags.member.1.Key".
func (p query) Decode(c *Call, in any) error {
	return querySpelling.decode(form(c), "", reflect.ValueOf(in).Elem())
}

var timeType = reflect.TypeFor[time.Time]()

// decode reads what the form has under a prefix into a value, if it has anything.
func (s spelling) decode(values url.Values, prefix string, v reflect.Value) error {
	bad := func(err error) error { return fmt.Errorf("%s: %w", prefix, err) }
	switch v.Kind() {
	case reflect.Pointer:
		if !has(values, prefix) {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return s.decode(values, prefix, v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			at, err := time.Parse(time.RFC3339, values.Get(prefix))
			if err != nil {
				return bad(err)
			}
			v.Set(reflect.ValueOf(at))
			return nil
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			for _, name := range s.in(f) {
				if !has(values, join(prefix, name)) {
					continue
				}
				if err := s.decode(values, join(prefix, name), v.Field(i)); err != nil {
					return err
				}
				break
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(values.Get(prefix)))
			return nil
		}
		for n := 1; ; n++ {
			at := join(prefix, s.counted, strconv.Itoa(n))
			if !has(values, at) {
				return nil
			}
			item := reflect.New(v.Type().Elem()).Elem()
			if err := s.decode(values, at, item); err != nil {
				return err
			}
			v.Set(reflect.Append(v, item))
		}
	case reflect.String:
		v.SetString(values.Get(prefix))
	case reflect.Bool:
		if !has(values, prefix) {
			return nil
		}
		b, err := strconv.ParseBool(values.Get(prefix))
		if err != nil {
			return bad(err)
		}
		v.SetBool(b)
	case reflect.Int32, reflect.Int64:
		if !has(values, prefix) {
			return nil
		}
		n, err := strconv.ParseInt(values.Get(prefix), 10, 64)
		if err != nil {
			return bad(err)
		}
		v.SetInt(n)
	}
	return nil // of metadata and the like there is nothing in a form
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ".")
}

func has(values url.Values, prefix string) bool {
	for name := range maps.Keys(values) {
		if name == prefix || strings.HasPrefix(name, prefix+".") {
			return true
		}
	}
	return false
}

// requestID is that of all answers: nobody looks them up.
const requestID = "00000000-0000-0000-0000-000000000000"

// Encode writes <XResponse><XResult>…</XResult></XResponse>.
func (p query) Encode(w http.ResponseWriter, c *Call, out any) error {
	var b strings.Builder
	e := xml.NewEncoder(&b)
	response := xml.StartElement{Name: xml.Name{Local: c.Operation + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: p.namespace}}}
	err := element(e, response, func() error {
		if err := querySpelling.encode(e, c.Operation+"Result", reflect.ValueOf(out)); err != nil {
			return err
		}
		return element(e, start("ResponseMetadata"), func() error { return e.EncodeElement(requestID, start("RequestId")) })
	})
	if err != nil {
		return err
	}
	if err := e.Flush(); err != nil {
		return err
	}
	return writeXML(w, http.StatusOK, b.String())
}

func start(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }

func element(e *xml.Encoder, s xml.StartElement, content func() error) error {
	if err := e.EncodeToken(s); err != nil {
		return err
	}
	if err := content(); err != nil {
		return err
	}
	return e.EncodeToken(s.End())
}

// encode writes a value of the SDK's structures; nil is nothing.
func (s spelling) encode(e *xml.Encoder, name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return s.encode(e, name, v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			return e.EncodeElement(v.Interface().(time.Time).UTC().Format(time.RFC3339), start(name))
		}
		return element(e, start(name), func() error { return s.fields(e, v) })
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		return element(e, start(name), func() error {
			for i := range v.Len() {
				if err := s.encode(e, s.item, v.Index(i)); err != nil {
					return err
				}
			}
			return nil
		})
	case reflect.String:
		if v.String() == "" {
			return nil
		}
		return e.EncodeElement(v.String(), start(name))
	case reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64:
		return e.EncodeElement(v.Interface(), start(name))
	}
	return nil
}

// fields writes what a structure has.
func (s spelling) fields(e *xml.Encoder, v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		if err := s.encode(e, s.out(v.Type(), f), v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (p query) Unknown(c *Call) *Error {
	return &Error{Code: "InvalidAction", Message: fmt.Sprintf("Could not find operation %s in the simulator", p.Name(c))}
}

// failure is an error's answer.
type failure struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Space   string   `xml:"xmlns,attr"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	Request string   `xml:"RequestId"`
}

func (p query) Fail(w http.ResponseWriter, c *Call, err *Error) {
	who := "Sender"
	if err.status() >= http.StatusInternalServerError {
		who = "Receiver"
	}
	text, _ := xml.Marshal(failure{Space: p.namespace, Type: who, Code: err.Code, Message: err.Message, Request: requestID}) // of strings
	_ = writeXML(w, err.status(), string(text))                                                                              // the client is gone
}

func writeXML(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, err := w.Write([]byte(text))
	return err
}
