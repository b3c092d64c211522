package builtins

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sockerless/sockerless/store/rootfs"
)

// record writes what the real tools answer to testdata/gnu, for machines that lack them, and docs/commands.md.
var record = flag.Bool("record", false, "record the answers of the GNU tools in testdata/gnu, and write docs/commands.md")

const commandsHead = `# The commands of the sandbox

Made from the table in ` + "`builtins/commands.go`" + ` and from what each command says of itself (` + "`NAME --help`" + `); a test holds it up to
date. Each command answers as its original does, byte for byte, where the tests have the original (GNU's or Debian's tool, or busybox). An option that only the
original has is an error: "not supported in the sandbox", status 2. A command that *yields* leaves an image's own native
program of that name alone where native programs can run; all others take its place. The shells (` + "`sh`, `bash`, `dash`, `ash`" + `) are in [shell.md](shell.md).

| command | options | not supported in the sandbox | what differs |
|---|---|---|---|
`

// helpOf asks a command for its options, and for those that it lacks.
func helpOf(t *testing.T, name string) (options, lacks string) {
	t.Helper()
	c := commands[name]
	if c.words != "" {
		return c.words, ""
	}
	tree := rootfs.NewTree(rootfs.NewTmpfs(1<<20, 0o755), false)
	defer tree.Close()
	var stdout, stderr bytes.Buffer
	p := &Process{Context: t.Context(), Args: []string{name, "--help"}, Files: tree.View(rootfs.Cred{}), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, System: quietSystem{}}
	c.run(p)
	has, lack, _ := strings.Cut(stdout.String(), "\nNot supported in the sandbox:\n")
	list := func(text string) string {
		var all []string
		for line := range strings.Lines(text) {
			if option, ok := strings.CutPrefix(line, "  -"); ok && option != "-help\n" && option != "-version\n" {
				all = append(all, strings.ReplaceAll("-"+strings.TrimSpace(option), ", ", " "))
			}
		}
		return strings.Join(all, ", ")
	}
	return list(has), list(lack)
}

// TestCommandsDocument holds docs/commands.md against the table; -record writes it.
func TestCommandsDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(commandsHead)
	cell := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
	}
	for _, name := range Names() {
		c := commands[name]
		options, lacks := helpOf(t, name)
		differs := c.differs
		if c.yields {
			differs = strings.TrimPrefix(differs+"; yields", "; ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, cell(options), cell(lacks), strings.ReplaceAll(differs, "|", `\|`))
	}
	const file = "../docs/commands.md"
	if *record {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != b.String() {
		t.Errorf("%s is not what the table says (go test ./builtins -run TestCommandsDocument -record): %v", file, err)
	}
	if len(commands) < 150 {
		t.Errorf("only %d commands", len(commands))
	}
}
