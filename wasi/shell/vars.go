package shell

import (
	"maps"
	"slices"
	"sort"
	"strconv"
	"sync/atomic"
)

// A variable has a value or none, and attributes. What the table shares with another process is never changed in place:
// see varTable.
type variable struct {
	kind    varKind
	attrs   varAttrs
	set     bool // has a value
	dynamic bool // the value is computed at every use
	temp    bool // an assignment before a command
	str     string
	list    indexed
	dict    *assoc
	depth   int // the function depth at which it was made local, 0 for a global one
	owner   *varTable
	gen     uint64
}

type varKind uint8

const (
	scalar varKind = iota
	indexedArray
	assocArray
)

type varAttrs uint16

const (
	attrExport varAttrs = 1 << iota
	attrReadonly
	attrInteger
	attrLower
	attrUpper
	attrCapital
	attrNameref
	attrTrace
)

// indexed is the value of an indexed array. at is nil while the indices are 0, 1, 2 …
type indexed struct {
	vals []string
	at   []int64
}

func (a *indexed) find(i int64) (pos int, ok bool) {
	if a.at == nil {
		if i < int64(len(a.vals)) {
			return int(i), true
		}
		return len(a.vals), false
	}
	return slices.BinarySearch(a.at, i)
}

func (a *indexed) get(i int64) (string, bool) {
	if pos, ok := a.find(i); ok {
		return a.vals[pos], true
	}
	return "", false
}

func (a *indexed) sparse() {
	if a.at == nil {
		a.at = make([]int64, len(a.vals))
		for i := range a.at {
			a.at[i] = int64(i)
		}
	}
}

func (a *indexed) put(i int64, value string) {
	pos, ok := a.find(i)
	if ok {
		a.vals[pos] = value
		return
	}
	if a.at == nil && i == int64(len(a.vals)) {
		a.vals = append(a.vals, value)
		return
	}
	a.sparse()
	a.at = slices.Insert(a.at, pos, i)
	a.vals = slices.Insert(a.vals, pos, value)
}

func (a *indexed) remove(i int64) {
	pos, ok := a.find(i)
	if !ok {
		return
	}
	if a.at == nil && pos == len(a.vals)-1 {
		a.vals = a.vals[:pos]
		return
	}
	a.sparse()
	a.at = slices.Delete(a.at, pos, pos+1)
	a.vals = slices.Delete(a.vals, pos, pos+1)
}

// index gives the index of the element at a position.
func (a *indexed) index(pos int) int64 {
	if a.at == nil {
		return int64(pos)
	}
	return a.at[pos]
}

// end is one more than the highest index.
func (a *indexed) end() int64 {
	if len(a.vals) == 0 {
		return 0
	}
	return a.index(len(a.vals)-1) + 1
}

// assoc is the value of an associative array. Its order is the one of bash's hash table, so that listings agree.
type assoc struct {
	vals map[string]assocEntry
	seq  int
}

type assocEntry struct {
	value string
	seq   int
}

func newAssoc() *assoc { return &assoc{vals: make(map[string]assocEntry)} }

func (a *assoc) put(key, value string) {
	e, ok := a.vals[key]
	if !ok {
		a.seq++
		e.seq = a.seq
	}
	e.value = value
	a.vals[key] = e
}

// keys lists the keys by bucket of bash's table (FNV-1, 1024 buckets), the newest of a bucket first.
func (a *assoc) keys() []string {
	type place struct {
		key         string
		bucket, seq int
	}
	places := make([]place, 0, len(a.vals))
	for key, e := range a.vals {
		places = append(places, place{key, int(assocHash(key) & 1023), e.seq})
	}
	sort.Slice(places, func(i, j int) bool {
		if places[i].bucket != places[j].bucket {
			return places[i].bucket < places[j].bucket
		}
		return places[i].seq > places[j].seq
	})
	keys := make([]string, len(places))
	for i, p := range places {
		keys[i] = p.key
	}
	return keys
}

func assocHash(key string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(key); i++ {
		h *= 16777619
		h ^= uint32(int32(int8(key[i])))
	}
	return h
}

// varTable holds the variables of one or more processes. A fork shares the table and counts the sharers in refs; who
// wants to write while there are others copies the map first and raises the generation of the old one, which makes every
// variable in it copied before a write: variables reached by two tables are never changed.
type varTable struct {
	vars map[string]*variable
	refs atomic.Int32
	gen  atomic.Uint64
}

func newVarTable() *varTable {
	t := &varTable{vars: make(map[string]*variable, 64)}
	t.refs.Store(1)
	return t
}

// share gives a forked shell its view of the table.
func (t *varTable) share() *varTable {
	t.refs.Add(1)
	return t
}

// drop is called when a shell that had the table has ended.
func (t *varTable) drop() { t.refs.Add(-1) }

// own returns the table to write to.
func (sh *shell) own() *varTable {
	t := sh.vars
	if t.refs.Load() == 1 {
		return t
	}
	fresh := &varTable{vars: maps.Clone(t.vars)}
	fresh.refs.Store(1)
	t.gen.Add(1)
	t.drop()
	sh.vars = fresh
	return fresh
}

// writable returns a variable that may be changed, made if there is none.
func (sh *shell) writable(name string) *variable {
	t := sh.own()
	v := t.vars[name]
	switch {
	case v == nil:
		v = &variable{owner: t, gen: t.gen.Load()}
		t.vars[name] = v
	case v.owner != t || v.gen != t.gen.Load():
		v = v.clone()
		v.owner, v.gen = t, t.gen.Load()
		t.vars[name] = v
	}
	return v
}

func (v *variable) clone() *variable {
	c := *v
	c.list = indexed{slices.Clone(v.list.vals), slices.Clone(v.list.at)}
	if v.dict != nil {
		c.dict = &assoc{maps.Clone(v.dict.vals), v.dict.seq}
	}
	return &c
}

// value is the variable as a string: element 0 of an array.
func (v *variable) value() (string, bool) {
	switch v.kind {
	case indexedArray:
		return v.list.get(0)
	case assocArray:
		e, ok := v.dict.vals["0"]
		return e.value, ok
	}
	return v.str, v.set
}

// count is the number of elements; a scalar with a value is one.
func (v *variable) count() int {
	switch {
	case v == nil:
		return 0
	case v.kind == indexedArray:
		return len(v.list.vals)
	case v.kind == assocArray:
		return len(v.dict.vals)
	case v.set:
		return 1
	}
	return 0
}

// elements lists the values in order.
func (v *variable) elements() []string {
	switch {
	case v == nil:
		return nil
	case v.kind == indexedArray:
		return v.list.vals
	case v.kind == assocArray:
		keys := v.dict.keys()
		for i, k := range keys {
			keys[i] = v.dict.vals[k].value
		}
		return keys
	case v.set:
		return []string{v.str}
	}
	return nil
}

// keys lists the subscripts in the order of elements.
func (v *variable) keys() []string {
	switch {
	case v == nil:
		return nil
	case v.kind == indexedArray:
		keys := make([]string, len(v.list.vals))
		for i := range keys {
			keys[i] = strconv.FormatInt(v.list.index(i), 10)
		}
		return keys
	case v.kind == assocArray:
		return v.dict.keys()
	case v.set:
		return []string{"0"}
	}
	return nil
}

// lookup finds a variable, its value computed if it is a dynamic one; nil if there is none.
func (sh *shell) lookup(name string) *variable {
	v := sh.vars.vars[name]
	if v != nil && v.dynamic {
		return sh.dynamicVar(name, v)
	}
	return v
}

// get returns the value of a variable by its name, through namerefs.
func (sh *shell) get(name string) (string, bool) {
	v := sh.vars.vars[name]
	if v == nil {
		return "", false
	}
	if v.dynamic {
		v = sh.dynamicVar(name, v)
	}
	if v.attrs&attrNameref != 0 {
		target, sub, ok := sh.followRef(name)
		if !ok {
			return "", false
		}
		if sub != "" {
			return sh.getElement(target, sub)
		}
		if v = sh.lookup(target); v == nil {
			return "", false
		}
	}
	return v.value()
}

// getOr is get with "" for an unset variable.
func (sh *shell) getOr(name, otherwise string) string {
	if value, ok := sh.get(name); ok {
		return value
	}
	return otherwise
}

// maxRefs bounds a chain of namerefs.
const maxRefs = 8

// followRef follows namerefs from name on to the variable meant, and the subscript if the reference is to an element.
func (sh *shell) followRef(name string) (target, sub string, ok bool) {
	for range maxRefs {
		v := sh.vars.vars[name]
		if v == nil || v.attrs&attrNameref == 0 {
			return name, "", true
		}
		if !v.set || v.str == "" {
			return name, "", true
		}
		base, subscript, isElement := splitSubscript(v.str)
		if isElement {
			return base, sh.writtenSubscript(base, subscript), true
		}
		if v.str == name {
			return name, "", false
		}
		name = v.str
	}
	sh.warn("%s: circular name reference", name)
	return name, "", false
}

// splitSubscript takes name[sub] apart.
func splitSubscript(s string) (name, sub string, ok bool) {
	n := len(s)
	if n < 3 || s[n-1] != ']' {
		return s, "", false
	}
	for i := 0; i < n; i++ {
		if s[i] == '[' {
			return s[:i], s[i+1 : n-1], i > 0 && validName(s[:i])
		}
	}
	return s, "", false
}

func validName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return true
}

func isNameByte(b byte) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}
