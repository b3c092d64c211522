package golden

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of differences into docs/compatibility.md")

const (
	docs  = "../../docs/compatibility.md"
	begin = "<!-- made of golden.Explanations by go test ./e2e/golden -update -->\n"
	end   = "<!-- end -->\n"
)

// TestTableIsInTheDocs: docs/compatibility.md lists every difference that the comparison accepts.
func TestTableIsInTheDocs(t *testing.T) {
	recordings, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	was, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", docs)
	}
	want := Table(recordings)
	if strings.Contains(want, "|  |") {
		t.Errorf("an explanation is about no recording:\n%s", want)
	}
	if was == want {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is out of date: go test ./e2e/golden -update", docs)
	}
	if err := os.WriteFile(docs, []byte(head+begin+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
