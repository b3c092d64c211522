package shell

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write docs/shell.md anew")

// A row is a script of the tables. why says in what it is allowed to differ from the real shells.
type row struct {
	script string
	why    string
}

// readTable reads a table: scripts that lines of dashes part. Lines "%name a | b" before a script make many of it, one for each
// combination of the values that its {name} may have. A line "# differs: why" marks a script that does not do as the real
// shells do; with values, "# differs name=value: why" marks those with that value.
func readTable(t testing.TB, name string) []row {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tables", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for block := range strings.SplitSeq(string(data), "\n---\n") {
		rows = append(rows, combine(t, block)...)
	}
	return rows
}

var differs = regexp.MustCompile(`^# differs(?: (\w+)=(.*?))?: (.*)$`)

func combine(t testing.TB, block string) []row {
	t.Helper()
	type list struct {
		name   string
		values []string
	}
	var lists []list
	var marks [][]string
	for {
		line, rest, _ := strings.Cut(block, "\n")
		if m := differs.FindStringSubmatch(line); m != nil {
			marks = append(marks, m)
		} else if strings.HasPrefix(line, "%") {
			name, values, ok := strings.Cut(line[1:], " ")
			if !ok {
				t.Fatalf("no values in %q", line)
			}
			lists = append(lists, list{name, strings.Split(values, " | ")})
		} else {
			break
		}
		block = rest
	}
	rows := []map[string]string{{}}
	for _, l := range lists {
		var more []map[string]string
		for _, r := range rows {
			for _, v := range l.values {
				c := map[string]string{l.name: v}
				for k, v := range r {
					c[k] = v
				}
				more = append(more, c)
			}
		}
		rows = more
	}
	var all []row
	for _, values := range rows {
		r := row{script: strings.TrimRight(block, "\n")}
		if len(lists) > 0 {
			r.script = placeholder.ReplaceAllStringFunc(r.script, func(s string) string {
				if v, ok := values[s[1:len(s)-1]]; ok {
					return v
				}
				return s
			})
		}
		for _, m := range marks {
			if v, known := values[m[1]]; m[1] == "" || known && v == m[2] {
				r.why = m[3]
			}
		}
		if r.script != "" {
			all = append(all, r)
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// tableNames lists the tables.
func tableNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "tables", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".txt")
	}
	return files
}

// score counts what agreed of what was compared.
type score struct{ same, all int }

func (s *score) add(same bool) {
	s.all++
	if same {
		s.same++
	}
}

func (s score) percent() float64 { return 100 * float64(s.same) / float64(max(s.all, 1)) }

// tableResult is what became of one table.
type tableResult struct {
	name              string
	scripts           int
	agreed, bash, ash score // cases where bash and ash agree, where they don't, and sh where dash and ash agree
	differ            []string
	failures          []string
}

// runTable runs the rows of a table in the real shells and in ours.
func runTable(t *testing.T, name string) *tableResult {
	rows := readTable(t, name)
	result := &tableResult{name: name, scripts: len(rows)}
	type outcome struct{ checks []func() }
	outcomes := make([]outcome, len(rows))
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) * 2 {
		wg.Go(func() {
			for i := range next {
				outcomes[i].checks = runRow(t, result, rows[i])
			}
		})
	}
	for i := range rows {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, o := range outcomes {
		for _, check := range o.checks {
			check()
		}
	}
	return result
}

// runRow runs one script; what it returns enters the outcome into the result.
func runRow(t *testing.T, table *tableResult, r row) (checks []func()) {
	bash, ash, dash := realBash.run(t, r.script), realAsh.run(t, r.script), realDash.run(t, r.script)
	agree := func(a, b result) bool { return a.stdout == b.stdout && a.code == b.code }
	ours := runShell(t, "", "bash", "-c", r.script)
	same := agree(ours, bash)
	stable := same || agree(bash, realBash.run(t, r.script))
	note := func(shell string, got, want result, same bool) {
		checks = append(checks, func() {
			text := fmt.Sprintf("%s: %s\n--- got %d %q\n--- want %d %q\n--- stderr %q\n--- want %q", shell, r.script, got.code, got.stdout, want.code, want.stdout, got.stderr, want.stderr)
			switch {
			case !same && r.why == "":
				table.failures = append(table.failures, text)
			case !same:
				table.differ = append(table.differ, r.why)
			}
		})
	}
	if stable {
		checks = append(checks, func() {
			if agree(bash, ash) {
				table.agreed.add(same)
			} else {
				table.bash.add(same)
			}
		})
		note("bash", ours, bash, same)
	}
	if agree(dash, ash) {
		sh := runShell(t, "", "sh", "-c", r.script)
		same := agree(sh, dash)
		checks = append(checks, func() { table.ash.add(same) })
		note("sh", sh, dash, same)
	}
	return checks
}

// TestTables compares the scripts of the tables with bash, and with dash and busybox ash where these two agree. What is known
// to differ is marked in the tables, and listed in docs/shell.md.
func TestTables(t *testing.T) {
	var all []*tableResult
	for _, name := range tableNames(t) {
		t.Run(name, func(t *testing.T) {
			r := runTable(t, name)
			for _, f := range r.failures {
				t.Error(f)
			}
			all = append(all, r)
		})
	}
	if t.Failed() || len(all) != len(tableNames(t)) {
		return
	}
	var total tableResult
	for _, r := range all {
		total.scripts += r.scripts
		total.agreed.same, total.agreed.all = total.agreed.same+r.agreed.same, total.agreed.all+r.agreed.all
		total.bash.same, total.bash.all = total.bash.same+r.bash.same, total.bash.all+r.bash.all
		total.ash.same, total.ash.all = total.ash.same+r.ash.same, total.ash.all+r.ash.all
	}
	if total.scripts < 3000 || total.agreed.percent() < 97 || total.bash.percent() < 90 {
		t.Errorf("%d scripts; %.1f%% where bash and ash agree, %.1f%% of bash's own", total.scripts, total.agreed.percent(), total.bash.percent())
	}
	if *update {
		document(t, all, &total)
	}
}

// document writes docs/shell.md.
func document(t *testing.T, all []*tableResult, total *tableResult) {
	t.Helper()
	head, err := os.ReadFile(filepath.Join("testdata", "shell.md"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(head)
	b.WriteString("\n| table | scripts | bash and ash agree | bash only | sh, where dash and ash agree |\n|---|---|---|---|---|\n")
	line := func(name string, r *tableResult) {
		cell := func(s score) string { return fmt.Sprintf("%d of %d", s.same, s.all) }
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", name, r.scripts, cell(r.agreed), cell(r.bash), cell(r.ash))
	}
	for _, r := range all {
		line(r.name, r)
	}
	line("all", total)
	fmt.Fprintf(&b, "\nThat is %.1f %%, %.1f %% and %.1f %%.\n\n## What differs\n\n", total.agreed.percent(), total.bash.percent(), total.ash.percent())
	for _, r := range all {
		slices.Sort(r.differ)
		for i, why := range r.differ {
			if i == 0 || why != r.differ[i-1] {
				count := 0
				for _, w := range r.differ {
					if w == why {
						count++
					}
				}
				fmt.Fprintf(&b, "* %s, %d: %s\n", r.name, count, why)
			}
		}
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "shell.md"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
