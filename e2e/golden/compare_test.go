package golden

import (
	"strings"
	"testing"
)

// Every recording equals itself, and no recording can be changed without a difference.
func TestRecordingsEqualThemselves(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d recordings", len(all))
	}
	for _, r := range all {
		a, err := r.Answer()
		if err != nil {
			t.Fatal(err)
		}
		if found, err := Compare(r, a, nil); err != nil || len(found) > 0 {
			t.Errorf("%s: %v %v", r.Name, found, err)
		}
		a.Status++
		a.Body = append([]byte("changed "), a.Body...)
		if found, err := Compare(r, a, nil); err != nil || len(found) != 2 {
			t.Errorf("%s changed: %v %v", r.Name, found, err)
		}
	}
}

func TestCompare(t *testing.T) {
	recording := func(body string) Recording {
		return Recording{Name: "016-x", Status: 200, Body: []byte(body), Headers: map[string]string{"Api-Version": "1.51", "Date": "then"}}
	}
	const id1, id2 = "fa11fa016c3e40346aebbd903ed60d6c95a66d873dfd5eee12b494e41727da1e", "0811fa016c3e40346aebbd903ed60d6c95a66d873dfd5eee12b494e41727da1e"
	for _, test := range []struct{ want, got, paths string }{
		{`{"Id":"` + id1 + `","Created":1}`, `{"Id":"` + id2 + `","Created":2}`, ""},
		{`{"message":"container ` + id1 + ` is not running"}`, `{"message":"container ` + id2 + ` is not running"}`, ""},
		{`{"message":"container ` + id1 + ` is not running"}`, `{"message":"container ` + id2 + ` is running"}`, "body.message"},
		{`{"a":"2026-11-23T13:53:06.547420983Z"}`, `{"a":"2027-01-01T00:00:00+02:00"}`, ""},
		{`{"a":"0001-01-01T00:00:00Z"}`, `{"a":"2027-01-01T00:00:00Z"}`, "body.a"},
		{`{"a":1,"b":null}`, `{"a":2,"c":null}`, "body.a body.b body.c"},
		{`{"a":[]}`, `{"a":null}`, "body.a"},
		{`[{"Names":["/a"]},{"Pid":1}]`, `[{"Names":["/b"]},{"Pid":2}]`, "body[0].Names[0]"},
		{`{"Status":"Up 2 seconds"}`, `{"Status":"Up About a minute"}`, ""},
		{`{"ExitCode":0}`, `{"ExitCode":"0"}`, "body.ExitCode"},
	} {
		found, err := Compare(recording(test.want), Answer{Status: 200, Body: []byte(test.got), Header: map[string]string{"Api-Version": "1.51"}}, nil)
		var paths []string
		for _, d := range found {
			paths = append(paths, d.Path)
		}
		if got := strings.Join(paths, " "); err != nil || got != test.paths {
			t.Errorf("%s, %s: differences in %q (%v), want %q", test.want, test.got, got, err, test.paths)
		}
	}
	found, err := Compare(recording(`{"a":1}`), Answer{Status: 404, Body: []byte(`{"a":2}`)}, []Explained{{"016-*", "body.*", "because"}})
	if err != nil || len(found) != 3 || found[2].Reason != "because" || found[0].Reason != "" || found[1].Path != "header Api-Version" {
		t.Errorf("%v %v", found, err)
	}
}

func TestReplayFollowsIds(t *testing.T) {
	var p Replay
	create := Recording{Body: []byte(`{"Id":"7833"}`)}
	p.Learn(create, Answer{Body: []byte(`{"Id":"aaaa"}`)})
	p.Learn(Recording{Body: []byte(`[]`)}, Answer{Body: []byte(`{"Id":"bbbb"}`)})
	r := Recording{}
	r.Request.Path = "/exec/7833/json"
	if got := p.Path(r); got != "/exec/aaaa/json" {
		t.Errorf("%q", got)
	}
}
