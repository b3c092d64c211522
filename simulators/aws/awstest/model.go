package awstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// model is of a service: what of service-2.json says how answers look.
type model struct {
	Metadata   struct{ Protocol string }
	Operations map[string]*operation
	Shapes     map[string]*shape
}

type operation struct {
	HTTP   struct{ ResponseCode int }
	Output *member
	Errors []member
}

// member is how a shape is used.
type member struct {
	Shape           string
	Location        string // header, headers, statusCode; "" is the body
	LocationName    string
	ResultWrapper   string
	TimestampFormat string
}

type shape struct {
	Type            string
	Required        []string
	Members         map[string]*member
	Member          *member // of a list
	Key, Value      *member // of a map
	Enum            []string
	Payload         string
	Flattened       bool
	Document        bool
	Eventstream     bool
	TimestampFormat string
	Error           struct{ Code string }
}

// Models are the models of the services that were asked for so far.
type Models struct {
	dir string
	mu  sync.Mutex
	all map[string]*model
}

// NewModels finds the models of the installed client.
func NewModels(t testing.TB) *Models {
	return &Models{dir: installed(t, "awscli", "awscli", "botocore", "data"), all: map[string]*model{}}
}

// folder names are the services' names in signatures but for these.
var folder = map[string]string{"elasticfilesystem": "efs", "route53": "route53"}

func (m *Models) of(service string) (*model, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.all[service]; known != nil {
		return known, nil
	}
	name := service
	if other, ok := folder[service]; ok {
		name = other
	}
	versions, err := filepath.Glob(filepath.Join(m.dir, name, "*", "service-2.json"))
	if err != nil || len(versions) == 0 {
		return nil, errors.Join(fmt.Errorf("model of %s: %w", service, fs.ErrNotExist), err)
	}
	text, err := os.ReadFile(slices.Max(versions))
	if err != nil {
		return nil, err
	}
	read := &model{}
	if err := json.Unmarshal(text, read); err != nil {
		return nil, fmt.Errorf("model of %s: %w", service, err)
	}
	m.all[service] = read
	return read, nil
}

// beyond are values that services give though their models do not name them: EC2 says so of gateways.
var beyond = map[string]string{"AttachmentStatus": "available"}

// common are the errors that every operation of every service may give, by what was wrong with the call itself.
var common = []string{
	"AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "IncompleteSignatureException", "InternalFailure",
	"InvalidAction", "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken", "RequestExpired", "SerializationException",
	"SignatureDoesNotMatch", "Throttling", "ThrottlingException", "UnknownOperationException", "UnrecognizedClientException", "ValidationError",
	"ValidationException", "XAmzContentSHA256Mismatch",
}

// Check tells what of an answer is not as the model of its service has it.
func (m *Models) Check(service, name string, status int, header http.Header, body []byte) error {
	of, err := m.of(service)
	if err != nil {
		return err
	}
	o := of.Operations[name]
	xml := !strings.Contains(of.Metadata.Protocol, "json")
	at := service + "." + name
	if status >= http.StatusBadRequest {
		if xml {
			err = of.checkXMLError(o, body)
		} else {
			err = of.checkJSONError(o, header, body)
		}
		return wrap(at, err)
	}
	if o == nil {
		return fmt.Errorf("%s: there is no such operation, and it was answered with %d", at, status)
	}
	if want := o.HTTP.ResponseCode; of.tellsStatus(o) {
		// it is a member of the output
	} else if want != 0 && want != status || want == 0 && status != http.StatusOK && status >= 300 {
		return fmt.Errorf("%s: status %d, not %d", at, status, want)
	}
	if o.Output == nil {
		return nil
	}
	out := of.Shapes[o.Output.Shape]
	c := checker{model: of, header: header}
	if err := c.headers(out); err != nil {
		return wrap(at, err)
	}
	if out.Payload != "" {
		payload := out.Members[out.Payload]
		inner := of.Shapes[payload.Shape]
		if inner.Eventstream || inner.Type != "structure" || len(body) == 0 {
			return nil
		}
		if xml {
			return wrap(at, c.xmlBody(body, "", payload))
		}
		return wrap(at, c.jsonBody(body, payload))
	}
	if xml {
		return wrap(at, c.xmlBody(body, o.Output.ResultWrapper, o.Output))
	}
	return wrap(at, c.jsonBody(body, o.Output))
}

// tellsStatus tells whether the status of an operation's answer is for the service to choose.
func (m *model) tellsStatus(o *operation) bool {
	if o.Output == nil {
		return false
	}
	for _, member := range m.Shapes[o.Output.Shape].Members {
		if member.Location == "statusCode" {
			return true
		}
	}
	return false
}

func wrap(at string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", at, err)
}

// checker compares an answer with a model.
type checker struct {
	model  *model
	header http.Header
}

// headers are the members of an output that are not in its body.
func (c checker) headers(out *shape) error {
	for _, name := range out.Required {
		if m := out.Members[name]; m.Location == "header" && c.header.Get(m.LocationName) == "" {
			return fmt.Errorf(".%s is required, and there is no header %s", name, m.LocationName)
		}
	}
	return nil
}

// known tells whether an operation may give an error, and finds its shape.
func (m *model) known(o *operation, code string) (*shape, bool) {
	if slices.Contains(common, code) {
		return nil, true
	}
	if o == nil {
		return nil, false
	}
	for _, e := range o.Errors {
		s := m.Shapes[e.Shape]
		if e.Shape == code || s.Error.Code == code {
			return s, true
		}
	}
	// EC2 and S3 do not tell their errors in their models.
	return nil, m.Metadata.Protocol == "ec2" || m.Metadata.Protocol == "rest-xml"
}
