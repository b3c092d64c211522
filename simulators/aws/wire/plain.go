package wire

import (
	"encoding/json"
	"reflect"
	"time"
)

// plainBody is the JSON of a structure of the SDK that has no schema: its fields under their own names, times in seconds, and
// nothing of what is not set.
func plainBody(out any) ([]byte, error) { return json.Marshal(plain(reflect.ValueOf(out))) }

func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			return float64(v.Interface().(time.Time).UnixMilli()) / 1000
		}
		fields := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue
			}
			if value := plain(v.Field(i)); value != nil {
				fields[f.Name] = value
			}
		}
		return fields
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Interface() // JSON has it in base64
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.String:
		if v.String() == "" {
			return nil // an enumeration that is not set
		}
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
	}
	return v.Interface()
}
