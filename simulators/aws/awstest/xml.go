package awstest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// node is an element.
type node struct {
	XMLName xml.Name
	Nodes   []node `xml:",any"`
	Text    string `xml:",chardata"`
}

func (n node) child(name string) (node, bool) {
	at := slices.IndexFunc(n.Nodes, func(c node) bool { return c.XMLName.Local == name })
	if at < 0 {
		return node{}, false
	}
	return n.Nodes[at], true
}

func (c checker) xmlBody(body []byte, wrapper string, m *member) error {
	if len(body) == 0 {
		return nil
	}
	var root node
	if err := xml.Unmarshal(body, &root); err != nil {
		return fmt.Errorf(": no XML: %w: %s", err, body)
	}
	if wrapper != "" {
		inner, ok := root.child(wrapper)
		if !ok {
			return fmt.Errorf(": there is no %s: %s", wrapper, body)
		}
		root = inner
	}
	return c.xml(root, m)
}

// outside are elements of an answer that no model has.
var outside = []string{"ResponseMetadata", "requestId", "RequestId"}

func (c checker) xml(n node, m *member) error {
	s := c.model.Shapes[m.Shape]
	wrong := func() error { return fmt.Errorf(": %q is no %s (%s)", n.Text, s.Type, m.Shape) }
	var err error
	switch s.Type {
	case "structure":
		return c.xmlStructure(n, m.Shape, s)
	case "list":
		name := firstOf(s.Member.LocationName, "member")
		for i, item := range n.Nodes {
			if item.XMLName.Local != name {
				return fmt.Errorf("[%d] is %s, not %s", i, item.XMLName.Local, name)
			}
			if err := c.xml(item, s.Member); err != nil {
				return fmt.Errorf("[%d]%w", i, err)
			}
		}
	case "map":
		for _, entry := range n.Nodes {
			key, hasKey := entry.child(firstOf(s.Key.LocationName, "key"))
			value, hasValue := entry.child(firstOf(s.Value.LocationName, "value"))
			if !hasKey || !hasValue {
				return fmt.Errorf(": an entry without a key or a value")
			}
			if err := errors.Join(c.xml(key, s.Key), c.xml(value, s.Value)); err != nil {
				return fmt.Errorf("[%s]%w", key.Text, err)
			}
		}
	case "boolean":
		_, err = strconv.ParseBool(n.Text)
	case "integer", "long", "short":
		_, err = strconv.ParseInt(n.Text, 10, 64)
	case "float", "double":
		_, err = strconv.ParseFloat(n.Text, 64)
	case "timestamp":
		_, err = time.Parse(time.RFC3339, n.Text)
	default:
		return c.text(n.Text, m)
	}
	if err != nil {
		return wrong()
	}
	return nil
}

func (c checker) xmlStructure(n node, name string, s *shape) error {
	count := map[string]int{}
	for _, item := range n.Nodes {
		count[item.XMLName.Local]++
	}
	known := slices.Clone(outside)
	for member, m := range s.Members {
		inner := c.model.Shapes[m.Shape]
		key := firstOf(m.LocationName, member)
		flat := inner.Type == "list" && inner.Flattened
		if flat && m.LocationName == "" {
			key = firstOf(inner.Member.LocationName, key)
		}
		known = append(known, key)
		if m.Location != "" {
			continue
		}
		if count[key] == 0 && slices.Contains(s.Required, member) && !flat {
			return fmt.Errorf(".%s is required (%s)", key, name)
		}
		if count[key] > 1 && !flat {
			return fmt.Errorf(".%s is there %d times", key, count[key])
		}
		for _, item := range n.Nodes {
			if item.XMLName.Local != key {
				continue
			}
			as := m
			if flat {
				as = inner.Member
			}
			if err := c.xml(item, as); err != nil {
				return fmt.Errorf(".%s%w", key, err)
			}
		}
	}
	for key := range count {
		if !slices.Contains(known, key) {
			return fmt.Errorf(".%s is no member of %s", key, name)
		}
	}
	return nil
}

func (m *model) checkXMLError(o *operation, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil // the answer to a HEAD
	}
	var root node
	if err := xml.Unmarshal(body, &root); err != nil {
		return fmt.Errorf(": an error that is no XML: %w: %s", err, body)
	}
	at := root
	for _, name := range []string{"Errors", "Error"} {
		if inner, ok := at.child(name); ok {
			at = inner
		}
	}
	code, _ := at.child("Code")
	if _, ok := m.known(o, code.Text); !ok {
		return fmt.Errorf(": it may not give the error %q: %s", code.Text, body)
	}
	return nil
}
