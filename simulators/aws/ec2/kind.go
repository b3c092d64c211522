package ec2

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/sockerless/sockerless/simulators/aws/wire"
	"github.com/sockerless/sockerless/simulators/internal/table"
	"github.com/sockerless/sockerless/store/state"
)

// record is something of a region.
type record[T any] struct {
	Region string
	ID     string
	Value  T
}

// kind is all things of a kind, by their ids.
type kind[T any] struct {
	*table.Table[record[T]]
	noun, notFound string // as messages and errors name them
}

func (k *kind[T]) open(records state.Store, noun, notFound string) (err error) {
	k.noun, k.notFound = noun, notFound
	k.Table, err = table.Open[record[T]](records, "ec2/"+strings.ReplaceAll(noun, " ", "-")+"/")
	return err
}

// find is one of a region.
func (k *kind[T]) find(region string, id *string) (T, error) {
	r, ok := k.Get(aws.ToString(id))
	if !ok || r.Region != region {
		return r.Value, failure(k.notFound, "The %s ID '%s' does not exist", k.noun, aws.ToString(id))
	}
	return r.Value, nil
}

func (k *kind[T]) put(ctx context.Context, region, id string, value T) error {
	return k.Put(ctx, id, record[T]{Region: region, ID: id, Value: value})
}

// of are those of a region that match.
func (k *kind[T]) of(region string, match func(T) bool) []T {
	var list []T
	for _, r := range k.All() {
		if r.Region == region && match(r.Value) {
			list = append(list, r.Value)
		}
	}
	return list
}

// question is what all Describe operations have.
type question struct {
	ids     []string
	filters []types.Filter
	token   *string
	limit   *int32
}

// describe answers a question with what show makes of things: T with its tags and all that is counted.
func describe[T, S any](e *EC2, k *kind[T], c *wire.Call, q question, show func(T) S) ([]S, *string, error) {
	for _, id := range q.ids {
		if _, err := k.find(c.Region, &id); err != nil {
			return nil, nil, err
		}
	}
	list := []S{}
	for _, r := range k.All() {
		if r.Region != c.Region || len(q.ids) > 0 && !slices.Contains(q.ids, r.ID) {
			continue
		}
		shown := show(r.Value)
		e.showTags(r.ID, reflect.ValueOf(&shown).Elem())
		list = append(list, shown)
	}
	return answer(list, q)
}

// answer is the page of a list that a question asks for.
func answer[S any](all []S, q question) ([]S, *string, error) {
	list := []S{}
	for _, one := range all {
		ok, err := matches(reflect.ValueOf(one), q.filters)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			list = append(list, one)
		}
	}
	if len(all) == 0 {
		var none S
		if _, err := matches(reflect.ValueOf(none), q.filters); err != nil {
			return nil, nil, err
		}
	}
	return wire.Page(list, aws.ToString(q.token), int(aws.ToInt32(q.limit)), 1000)
}

func same[T any](v T) T { return v }

// showTags fills in the tags of a structure of the SDK.
func (e *EC2) showTags(id string, v reflect.Value) {
	field := v.FieldByName("Tags")
	if !field.IsValid() {
		field = v.FieldByName("TagSet")
	}
	if field.IsValid() {
		field.Set(reflect.ValueOf(e.tagsOf(id)))
	}
}

// aliases are the names of filters that are no path of fields.
var aliases = map[string]string{
	"cidr": "cidr-block", "cidrBlock": "cidr-block", "isDefault": "is-default", "availabilityZone": "availability-zone", "defaultForAz": "default-for-az",
	"NetworkInterface.group-id": "groups.group-id", "NetworkInterface.group-name": "groups.group-name", "NetworkAcl.default": "is-default",
	"NetworkInterface.addresses.private-ip-address": "private-ip-addresses.private-ip-address", "NetworkInterface.association.public-ip": "association.public-ip",
	"Vpc.dhcp-options-id": "dhcp-options-id", "egress": "is-egress",
}

// matches tells whether something has what all filters ask for: each names a path of fields, "attachment.vpc-id", or a tag.
func matches(v reflect.Value, filters []types.Filter) (bool, error) {
	for _, f := range filters {
		name := aws.ToString(f.Name)
		var has []string
		if key, ok := strings.CutPrefix(name, "tag:"); ok || name == "tag-key" {
			for _, tag := range tagsIn(v) {
				switch {
				case name == "tag-key":
					has = append(has, aws.ToString(tag.Key))
				case aws.ToString(tag.Key) == key:
					has = append(has, aws.ToString(tag.Value))
				}
			}
		} else {
			at := name
			for _, alias := range []string{name, v.Type().Name() + "." + name} {
				if other, ok := aliases[alias]; ok {
					at = other
				}
			}
			if !exists(v.Type(), strings.Split(at, ".")) {
				return false, failure("InvalidParameterValue", "The filter '%s' is invalid", name)
			}
			has = valuesAt(v, strings.Split(at, "."))
		}
		if !slices.ContainsFunc(has, func(value string) bool {
			return slices.ContainsFunc(f.Values, func(pattern string) bool {
				ok, _ := path.Match(strings.NewReplacer("[", `\[`, "/", "\x00").Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
				return ok
			})
		}) {
			return false, nil
		}
	}
	return true, nil
}

func tagsIn(v reflect.Value) []types.Tag {
	for _, name := range []string{"Tags", "TagSet"} {
		if field := v.FieldByName(name); field.IsValid() {
			return field.Interface().([]types.Tag)
		}
	}
	return nil
}

// fieldOf is the field that a part of a filter's name stands for: "vpc-id" → VpcId, "attachment" → Attachments.
func fieldOf(t reflect.Type, part string) (reflect.StructField, bool) {
	var name strings.Builder
	for word := range strings.SplitSeq(part, "-") {
		if word != "" {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	for _, ending := range []string{"", "s"} {
		if f, ok := t.FieldByName(name.String() + ending); ok && f.IsExported() {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func exists(t reflect.Type, parts []string) bool {
	for _, part := range parts {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return false
		}
		f, ok := fieldOf(t, part)
		if !ok {
			return false
		}
		t = f.Type
	}
	return true
}

// valuesAt are the texts at a path that exists.
func valuesAt(v reflect.Value, parts []string) (values []string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return valuesAt(v.Elem(), parts)
	case reflect.Slice:
		for i := range v.Len() {
			values = append(values, valuesAt(v.Index(i), parts)...)
		}
		return values
	case reflect.Struct:
		if len(parts) == 0 {
			if state := v.FieldByName("State"); state.IsValid() { // "state" of a thing that has a state with a message
				return valuesAt(state, nil)
			}
			return nil
		}
		f, _ := fieldOf(v.Type(), parts[0])
		return valuesAt(v.FieldByIndex(f.Index), parts[1:])
	}
	return []string{fmt.Sprint(v.Interface())}
}
