package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// jsonRPC is awsJson 1.1: one path, the operation in a header.
type jsonRPC struct {
	target string            // before the operation's name in X-Amz-Target
	codec  *awsjson.Protocol // nil for a service whose structures have no schemas
}

// JSON is awsJson 1.1 of a service of the SDK.
func JSON(service *smithy.ServiceSchema) Protocol {
	return jsonRPC{service.Schema.ID().Name + ".", awsjson.New11(service)}
}

// PlainJSON is awsJson 1.1 of a service of which the SDK has no schemas. target is what stands before ".Operation" in X-Amz-Target.
func PlainJSON(target string) Protocol { return jsonRPC{target: target + "."} }

func (p jsonRPC) Name(c *Call) string {
	name, ok := strings.CutPrefix(c.HTTP.Header.Get("X-Amz-Target"), p.target)
	if !ok {
		return ""
	}
	return name
}

// Decode takes the members by their names, which the SDK's fields have in another case.
func (p jsonRPC) Decode(c *Call, in any) error {
	if len(c.Body) == 0 {
		return nil
	}
	return json.Unmarshal(c.Body, in)
}

// Encode writes an output as the SDK writes an input: in this protocol both have one form.
func (p jsonRPC) Encode(w http.ResponseWriter, c *Call, out any) error {
	if p.codec == nil {
		body, err := plainBody(out)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, "application/x-amz-json-1.1", body)
	}
	body, _, err := serialized(p.codec, out.(smithy.Serializable))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, "application/x-amz-json-1.1", body)
}

func serialized(codec smithyhttp.ClientProtocol, out smithy.Serializable) ([]byte, *smithyhttp.Request, error) {
	request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
	if err := codec.SerializeRequest(context.Background(), smithy.NewOperationSchema(anything, anything, anything), out, request); err != nil {
		return nil, nil, fmt.Errorf("write the answer: %w", err)
	}
	stream := request.GetStream()
	if stream == nil {
		return nil, request, nil
	}
	body, err := io.ReadAll(stream)
	return body, request, err
}

func (p jsonRPC) Unknown(c *Call) *Error {
	return &Error{Code: "UnknownOperationException", Message: fmt.Sprintf("the simulator has no operation %q", c.HTTP.Header.Get("X-Amz-Target"))}
}

func (p jsonRPC) Fail(w http.ResponseWriter, c *Call, err *Error) {
	fields := map[string]any{"__type": err.Code, "message": err.Message}
	maps.Copy(fields, err.Fields)
	body, _ := json.Marshal(fields) // of strings and numbers
	w.Header().Set("X-Amzn-Errortype", err.Code)
	_ = writeJSON(w, err.status(), "application/x-amz-json-1.1", body) // the client is gone
}

func writeJSON(w http.ResponseWriter, status int, kind string, body []byte) error {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}
