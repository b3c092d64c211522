//go:build linux

package builtins

import (
	"strings"
	"testing"
)

func TestJq(t *testing.T) {
	tr := trial{setup: `cat > p.json <<'X'
{"name":"x","version":"1.2.3","scripts":{"test":"go test","build":"make \"all\""},"deps":[{"n":"b","v":2},{"n":"a","v":10},{"n":"a","v":1.5}],"z":null,"t":true,"é":"ü\u0001\n€😀"}
X
printf '1 2 [3,[4]] "a"\n{"b":1,"a":[]}\n' > many; printf 'one\ntwo\n\nthree' > lines; printf '{"a":1' > cut; printf '[1,2' > cut2; printf 'nul' > bad; : > empty; mkdir dir
printf '.a|.b\n' > prog; printf '[{"a":1,"b":"x"},{"a":null,"b":"y,\\"q\\""}]' > rows`, stdin: `{"b":1,"a":[1,2,{"c":3}]}`, loose: true}
	var lines []string
	for _, program := range []string{".", ".b", ".a[]", ".a[2].c", ".a[1:]", ".a[-1]", ".a[:1]", ".x", ".x?", ".b.c?", `.["a"]`, ".a|length", "keys", "to_entries", "with_entries(.value|=tostring)", ".b+1", ".b-2", ".b*3", ".b/4", ".a[0]%2", "[.a[]|numbers]",
		".a|map(type)", "del(.a)", "del(.a[0,2])", ".b=5", ".b|=.+1", ".b+=10", ".a[2].d=7", ".n.e.w=1", ".a[5]=1", ".c//\"no\"", ".b//1", `"x\(.b)y"`, `@base64 "v=\(.a)"`, ".a|@json", "[paths]", "[leaf_paths]", "[..]", "path(..)", "tostream", "[tostream]|fromstream(.[])", "reduce .a[] as $x (0; .+($x|numbers))",
		"foreach .a[0,1] as $x (0; .+$x; [$x,.])", "label $f|.a[]|if type==\"object\" then break $f else . end", ". as {b:$x,a:[$y]}|[$x,$y]", ". as [$x] ?// {b:$x}|$x", "def f(x): x*2; f(.b)", "def f($x;$y): $x+$y; f(1;2)", "def fac: if .<2 then 1 else .*(.-1|fac) end; 10|fac", "try error(\"x\") catch .", "try error({a:1}) catch .a", ".a[]|select(type==\"number\")|.*2",
		"if .b==1 then \"one\" elif .b==2 then \"two\" else \"more\" end", ".b as $x|[$x,$x]", "[range(5)]", "[range(2;8;3)]", "[range(5;0;-2)]", "[limit(3;range(10))]", "first(range(5))", "[.[]?]", "any", "all", "[true,false]|any,all", "has(\"b\")", ".a|has(0,7)", "[1,[2]]|flatten", "[[1,[2]],3]|flatten(1)", "\"a,b\"|split(\",\")", "[\"a\",1,null]|join(\"-\")",
		"\"test\"|ascii_upcase", "\"aXbX\"|gsub(\"X\";\"-\")", "\"abc\"|sub(\"(?<x>b)\";\"[\\(.x)]\")", "\"foo bar\"|test(\"O b\";\"i\")", "\"foo bar foo\"|[match(\"foo\";\"g\").offset]", "\"xyz\"|match(\"(x)(q)?\")", "\"2015-03-05T23:51:47Z\"|fromdate", "1425599621|todate", "1425599621|gmtime", "1425599621|strftime(\"%A, %B %d, %Y\")", "\"a b\"|@uri",
		"[1,\"a\\\"\",null,true]|@csv", "[1,\"a\\tb\",null,false]|@tsv", "\"<&'>\"|@html", "[\"a b\",1]|@sh", "\"aGk=\"|@base64d", "{a:1}|tojson", "\"[1,2]\"|fromjson", "\"12\"|tonumber", "[3,1,2]|sort", "[{a:2},{a:1}]|sort_by(.a)", "[{a:2,b:1},{a:1,b:2},{a:2,b:3}]|group_by(.a)", "[1,1,2]|unique", "[{a:1,b:1},{a:1,b:2}]|unique_by(.a)", "[1,5,3]|min,max", "[{a:1},{a:3}]|max_by(.a)",
		"[1,2,3]|add", "[\"a\",\"b\"]|add", "[[1],[2]]|add", "[]|add", "[1,2]|reverse", "[1,2]|contains([1])", "{a:{b:1}}*{a:{c:2}}", "[1,2,1]-[1]", "\"abc\"|.[1:2]", "\"abcb\"|indices(\"b\")", "[1,2,1]|index(1),rindex(1)", "\"abc\"|explode|implode", "[1,2]|combinations(2)", "[[1,2],[3,4]]|combinations", "[[1,2],[3]]|transpose", "walk(if type==\"number\" then .+1 else . end)", "[.[]|scalars]",
		"env|type", "$ENV|type", "[splits(\"a\")]?", "\"a1b2\"|[scan(\"[a-z]\\\\d\")]", "\"aXbxc\"|ascii_downcase|[splits(\"x\")]", "{\"a\":1,\"b\":2}|map_values(.+1)", "[{name:\"a\",value:1}]|from_entries", "getpath([\"a\",2,\"c\"])", "setpath([\"x\",0];1)", "delpaths([[\"a\",0],[\"b\"]])", "[1,2,3]|.[1:]=[9]", "[1,2,3]|.[0]|=empty", "[while(.<100;.*2)?]", "1|[while(.<100;.*2)]", "1|until(.>100;.*2)",
		"[.[]|tostring]", "infinite", "nan|isnan", "[nan]|sort", "1e1000", "100000000000000000000", "0.1+0.2", "3.0", "1e-5", "[1e15,1e16,1e17,123456789012345678]", "-(1)", "[-.b,-1]", ".a|first,last", "nth(1;range(5))", "isempty(empty)", "error", "error(\"bad\")", ".b|keys", ".b[0]", ".a.b", "{(.b|tostring):2}", "{b,c:3}", "{\"x y\":1}.\"x y\"", "\"\\(1,2)-\\(3,4)\"", "[.a[]|if type==\"number\" then empty else . end]", "@text", "@nope?", "ltrimstr(\"x\")", "\"xab\"|ltrimstr(\"x\")|rtrimstr(\"b\")", "[\"ab\",\"cd\"]|map(startswith(\"a\"),endswith(\"d\"))",
		"splits", "nosuch", ".a|", "$x", "[.a[]|arrays,objects]", "[1,[2,3]]|getpath([1,0])", "to_entries|map(\"\\(.key)=\\(.value|tostring)\")|.[]", "[1,2,3]|IN(2)", "INDEX(.a[0,1];.)", "[1,2,3]|map(select(.>1))|length", "[.a[0],.b]|@text", ".a|tojson|fromjson", "limit(1;.a[])", "[.a|.[]|select(type==\"number\" and .>1)]", ".a[1:][0]", ".a|.[1]|not", "5%3,-5%3", "[1,null,\"a\",[],{},true,false]|sort", "\"x\"*3", "\"a\"*0", "{} | .a += 1 | .b.c |= 3", ".a |= (.[0]=9)", "reduce range(5) as $i ([]; .+[$i*2])", "[foreach range(5) as $i (0;.+$i)]", "to_entries[0].key as $k|$k", "halt_error", "\"bye\\n\"|halt_error(3)", "[\"a\",\"b\"]|.[1]+=\"c\"", "([1,2]|.[0],.[1])=5", ".. |= .", "(.a[]|select(type==\"number\"))|=.+1", "[bsearch(1)?]", "[1,2,3]|bsearch(2),bsearch(9)", "truncate_stream(1;tostream)?", "input?", "debug", "inside({b:1,c:2})?", "[.a[]|.c?]", "ltrimstr(1)", "tojson", "@sh?", "[\"é\",\"z\",\"a\"]|sort", "\"é😀\"|length,utf8bytelength,explode", "\"\\u00e9\"", "now|type", "mktime?", "splits(1)?", "getpath([\"a\",\"b\"])?", "[.[]|length]", "-1|fabs,sqrt", "pow(2;10)", "[1.5,-1.5]|map(floor,ceil,round)", "10|log10,exp2", "\"a\" as $x|\"b\" as $y|$x+$y"} {
		lines = append(lines, "jq -c '"+program+"'")
	}
	var run []string
	for _, line := range lines {
		if strings.Count(line, "'") == 2 {
			run = append(run, line)
		}
	}
	tr.check(t, run...)
	tr.check(t, "jq . p.json", "jq -S . p.json", "jq --tab . p.json", "jq --indent 1 . p.json", "jq --indent 0 . p.json", "jq --indent 9 . p.json", "jq -r .name p.json", "jq -j .name,.version p.json", "jq -a . p.json", "jq .scripts.build p.json", "jq -r .scripts.build p.json", "jq '.version=\"2\"' p.json", "jq -c '.deps|sort_by(.n,.v)' p.json", "jq -c . many", "jq -s -c . many", "jq -n 1", "jq -n input many", "jq -n '[inputs]' many", "jq -c -R . lines", "jq -R -s . lines", "jq -n -R '[inputs]' lines",
		"jq . empty", "jq -s . empty", "jq -n 'input' empty", "jq . none", "jq . dir", "jq -e .z p.json", "jq -e .t p.json", "jq -e .name p.json", "jq -e empty p.json", "jq -n --arg a 1 '$a'", "jq -n --argjson a '{\"x\":1}' '$a.x'", "jq -n --slurpfile a many '$a|length'", "jq -n --rawfile a lines '$a'", "jq -nc '$ARGS' --args a b", "jq -nc '$ARGS' --jsonargs 1 '{\"a\":2}'", "jq -nc --arg x 1 '[$x,$ARGS.named]'", "jq -f prog p.json", "jq", "jq .", "jq '{' p.json", "jq -c --stream . p.json", "jq -c --stream . many",
		"jq -r '.[]|[.a,.b]|@csv' rows", "jq -r '.[]|[.a,.b]|@tsv' rows", "jq -rc '.[]|.b' rows", "jq -c 'input_filename' p.json many", "jq -n --arg a", "jq -n --argjson a x .", "jq .a.b.c p.json many", "jq -c '.[0]' many", "jq -rn '\"a\\u0000b\"'", "jq -n '\"\\(1+2) is three\"'", "jq -cn '[1,2]|.[0] as $x|$x'", "jq -Mc . many", "jq --nosuch . many", "jq -cs 'add?' many", "jq -c '.deps[]|{n}' p.json", "jq -c '.deps|map({(.n):.v})|add' p.json", "jq -r 'to_entries[]|\"\\(.key)=\\(.value)\"' p.json", "jq -c 'del(.deps[]|select(.n==\"a\"))' p.json", "jq -c '.deps|=map(select(.v>1.7))' p.json", "jq -c '[.deps[]|select(.n|test(\"^a\"))|.v]' p.json", "jq --arg n a -c '.deps[]|select(.n==$n)' p.json", "jq -c '.deps|group_by(.n)|map({n:.[0].n,c:length})' p.json", "jq -c 'reduce .deps[] as $d ({}; .[$d.n]+=$d.v)' p.json")
}

// TestJqNewer has what jq 1.7 does and 1.6, the oracle above, does not.
func TestJqNewer(t *testing.T) {
	for program, want := range map[string]string{
		"pick(.b)": "{\"b\":1}\n", "1|[limit(5;repeat(.*2))]": "[1,2,4,8,16]\n", "[limit(0;1,2)]": "[]\n", "try (1/0) catch .": "\"number (1) and number (0) cannot be divided because the divisor is zero\"\n",
		"\"a\"|@base32": "\"ME======\"\n", "\" a \"|trim": "\"a\"\n", "[1,2]|have_literal_numbers": "true\n", "if .b == 1 then 2 end": "2\n", "[.a[]|abs?]": "[1,2,{\"c\":3}]\n",
		"0|until(. > 100000; . + 1)": "100001\n", "def f: if . > 40000 then . else .+1|f end; 0|try f catch \"deep\"": "\"deep\"\n", "reduce range(100000) as $i (0; .+$i)": "4999950000\n", "[range(20000)]|map(.+1)|add": "200010000\n"} {
		p, stdout, stderr := newProcess(t, t.TempDir(), []string{"jq", "-c", program})
		p.Stdin = strings.NewReader(`{"b":1,"a":[1,2,{"c":3}]}`)
		if status := jqCommand(p); status != 0 || stdout.String() != want {
			t.Errorf("%s: status %d, %q, want %q (%s)", program, status, stdout, want, stderr)
		}
	}
}
