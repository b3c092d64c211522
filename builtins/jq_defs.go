package builtins

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/itchyny/gojq"
)

// jqDefinitions are the functions that jq has in its own language.
const jqDefinitions = `
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type | . == "array" or . == "object");
def scalars: select(type | . != "array" and . != "object");
def finites: select(isinfinite or isnan | not);
def normals: select(isnormal);
def select(f): if f then . else empty end;
def map(f): [.[] | f];
def map_values(f): .[] |= f;
def add(f): reduce f as $x (null; . + $x);
def recurse(f): def r: ., (f | r); r;
def recurse(f; cond): def r: ., (f | select(cond) | r); r;
def recurse_down: recurse;
def to_entries: [keys_unsorted[] as $k | {key: $k, value: .[$k]}];
def from_entries: reduce .[] as $x ({}; . + {
  ($x | if type == "object" then (if .key == null then .k // .name // .Name // .K // .Key else .key end) else error("Cannot index \(type) with \"key\"") end
    | if type == "string" then . else tojson end):
  ($x | if has("value") then .value elif has("v") then .v else .Value end)});
def with_entries(f): to_entries | map(f) | from_entries;
def del(f): delpaths([path(f)]);
def paths: path(..) | select(length > 0);
def paths(f): . as $dot | paths | select(. as $p | $dot | getpath($p) | f);
def leaf_paths: paths(scalars);
def pick(f): . as $v | reduce path(f) as $p (null; setpath($p; $v | getpath($p)));
def any: reduce .[] as $x (false; . or $x);
def all: reduce .[] as $x (true; . and $x);
def any(f): any(.[]; f);
def all(f): all(.[]; f);
def isempty(g): label $go | (first(g | false), true) | ., break $go;
def any(g; cond): isempty(first(g | cond or empty)) | not;
def all(g; cond): isempty(first(g | cond and empty));
def flatten: flatten(1e9);
def flatten($depth): if $depth < 0 then error("flatten depth must not be negative") else
  [.[] | if type == "array" and $depth > 0 then flatten($depth - 1)[] elif type == "array" then . else . end] end;
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def combinations: if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $w | [$x] + $w end;
def combinations(n): . as $dot | [range(n)] | map($dot) | combinations;
def walk(f): def w: if type == "object" then map_values(w) elif type == "array" then map(w) else . end | f; w;
def first: .[0];
def last: .[-1];
def last(f): reduce f as $x (null; $x);
def nth($n): .[$n];
def nth($n; f): if $n < 0 then error("Out of bounds negative array index") else last(limit($n + 1; f)) end;
def skip($n; f): if $n > 0 then foreach f as $x ($n; . - 1; if . < 0 then $x else empty end) else f end;
def env: $ENV;
def transpose: if . == [] then [] else . as $in | (map(length) | max) as $max | [range(0; $max) as $j | [range(0; $in | length) as $i | $in[$i][$j]]] end;
def sort_by(f): _sort_by(map([f]));
def group_by(f): _group_by(map([f]));
def unique: unique_by(.);
def unique_by(f): _unique_by(map([f]));
def min: min_by(.);
def max: max_by(.);
def min_by(f): _min_by(map([f]));
def max_by(f): _max_by(map([f]));
def indices($i): if . == null then null else _indices($i) end;
def index($i): indices($i) | if . == null then null else .[0] end;
def rindex($i): indices($i) | if . == null then null else .[-1:][0] end;
def join($x): reduce .[] as $i (null; (if . == null then "" else . + $x end) + ($i | if . == null then "" elif type == "boolean" or type == "number" then tojson else . end)) // "";
def ascii: [.] | implode;
def todate: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%SZ") | mktime;
def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdate: fromdateiso8601;
def date: todate;
def dateadd(u; n): . + n;
def datesub(u; n): . - n;
def match($re): if $re | type == "array" then match($re[0]; $re[1]) else match($re; null) end;
def match($re; $flags): _match($re; $flags; false)[];
def test($re): if $re | type == "array" then test($re[0]; $re[1]) else test($re; null) end;
def test($re; $flags): _match($re; $flags; true);
def _captured: [.captures[] | select(.name != null) | {key: .name, value: .string}] | from_entries;
def capture($re): match($re) | _captured;
def capture($re; $flags): match($re; $flags) | _captured;
def scan($re): scan($re; null);
def scan($re; $flags): match($re; "g" + $flags) | if (.captures | length) > 0 then [.captures[].string] else .string end;
def splits($re): splits($re; null);
def splits($re; $flags): split($re; $flags)[];
def split($re; $flags): . as $s | [foreach ((match($re; $flags + "g") | [.offset, .length]), null) as $m ([0, null]; if $m == null then [.[0], $s[.[0]:]] else [$m[0] + $m[1], $s[.[0]:$m[0]]] end; .[1])];
def sub($re; str): sub($re; str; "");
def gsub($re; str): sub($re; str; "g");
def gsub($re; str; $flags): sub($re; str; $flags + "g");
def sub($re; str; $flags): . as $s |
  def go($ms; $at): if ($ms | length) == 0 then $s[$at:] else $ms[0] as $m |
    ($m | _captured | str) as $new | ($s[$at:$m.offset] + $new) + go($ms[1:]; $m.offset + $m.length) end;
  go([match($re; $flags)]; 0);
def tostream: path(def r: (.[]? | r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f): foreach f as $i ({}; if .done then {} else . end | $i as [$p, $v] | if ($i | length) == 2 then
    (if ($p | length) == 0 then {v: $v, done: true} else setpath(["v"] + $p; $v) end)
  else (if ($p | length) == 1 then .done = true else . end) end; if .done then .v else empty end);
def truncate_stream(stream): . as $n | null | stream | . as $in | if (.[0] | length) > $n then setpath([0]; .[0][$n:]) else empty end;
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row);
def INDEX(f): INDEX(.[]; f);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def JOIN($idx; f): [.[] | [., $idx[f]]];
def JOIN($idx; stream; f): stream | [., $idx[f]];
def JOIN($idx; stream; f; g): stream | [., $idx[f]] | g;
def abs: if type == "number" and . < 0 then -. else . end;
def toarray: if type == "array" then . else [.] end;
def have_literal_numbers: true;
def have_decnum: false;
def bsearch($x): if length == 0 then -1 else . as $a | {lo: 0, hi: (length - 1), at: null} |
  until(.lo > .hi or .at != null; ((.lo + .hi) / 2 | floor) as $m | if $a[$m] == $x then .at = $m elif $a[$m] < $x then .lo = $m + 1 else .hi = $m - 1 end) |
  .at // (-1 - .lo) end;
.`

// jqPrelude are jqDefinitions by "name/arity". The one scope has them all, so that they may call one another in any order.
var jqPrelude = sync.OnceValue(func() map[string]*jqFunction {
	q, err := gojq.Parse(jqDefinitions)
	if err != nil {
		panic(err)
	}
	all := map[string]*jqFunction{}
	for _, d := range q.FuncDefs {
		name := fmt.Sprintf("%s/%d", d.Name, len(d.Args))
		all[name] = &jqFunction{params: d.Args, body: d.Body, self: name}
	}
	return all
})

// undefined finds what a program calls and nothing defines: "name/arity" or "$name", "" if all is well. It does not
// look at where a definition holds.
func (j *jq) undefined(q *gojq.Query, variables map[string]bool) string {
	defined := map[string]bool{"$ENV/0": true, "$__loc__/0": true, "$__prog_args/0": true, "$ARGS/0": true}
	for name := range variables {
		defined[name+"/0"] = true
	}
	var called []string
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				return
			}
			switch x := v.Interface().(type) {
			case *gojq.FuncDef:
				defined[fmt.Sprintf("%s/%d", x.Name, len(x.Args))] = true
				for _, a := range x.Args {
					defined[a+"/0"] = true
					if a[0] == '$' {
						defined[a[1:]+"/0"] = true
					}
				}
			case *gojq.Pattern:
				for _, name := range jqNames(x, nil) {
					defined[name+"/0"] = true
				}
			case *gojq.Func:
				called = append(called, fmt.Sprintf("%s/%d", x.Name, len(x.Args)))
			case *gojq.ObjectKeyVal:
				if x.Key != "" && x.Key[0] == '$' {
					called = append(called, x.Key+"/0")
				}
			}
			walk(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(q))
	for _, name := range called {
		at := len(name) - 1
		for name[at] != '/' {
			at--
		}
		native, arity := j.native[name[:at]], int(name[at+1]-'0')
		if defined[name] || j.defs[name] != nil || arity < len(native) && native[arity] != nil {
			continue
		}
		if name[0] == '$' {
			return name[:at]
		}
		return name
	}
	return ""
}
