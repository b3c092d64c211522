package wire

import (
	"net/http"
	"reflect"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// anything is the schema of what is not known: of an operation, whose output names its own, and of a structure without members.
var anything = smithy.NewSchema(smithy.ShapeID{Name: "Operation"}, smithy.ShapeTypeOperation, 0, &traits.HTTP{Method: http.MethodPost, URI: "/"})

// named takes the schema of a structure from its own serializer: of an empty one nothing but the structure is written.
type named struct {
	smithy.ShapeSerializer
	schema *smithy.Schema
}

func (n *named) WriteStruct(s *smithy.Schema) {
	if n.schema == nil {
		n.schema = s
	}
}

func (n *named) CloseStruct() {}

func schemaOf(v smithy.Serializable) *smithy.Schema {
	var n named
	reflect.New(reflect.TypeOf(v).Elem()).Interface().(smithy.Serializable).Serialize(&n)
	if n.schema == nil {
		return anything
	}
	return n.schema
}
