package builtins

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// gitDiffOptions are what diff, show and log take about differences.
var gitDiffOptions = []string{"p u patch", "s no-patch", "U unified=", "name-only", "name-status", "stat?", "shortstat", "numstat", "summary", "M find-renames?", "no-renames", "diff-filter=", "full-index", "abbrev?", "a text", "z", "R",
	"color?", "no-color", "no-ext-diff", "exit-code", "quiet", "no-prefix", "src-prefix=", "dst-prefix=", "raw", "patch-with-stat", "indent-heuristic", "minimal", "no-textconv"}

// gitDiff prints differences.
type gitDiff struct {
	g        *git
	context  int
	renames  int // least likeness in percent; 0 is none
	filter   string
	full     bool
	text     bool
	null     bool
	prefixes [2]string
	forms    []string // name-only, stat, patch …
}

func (g *git) differ(c gitCall) *gitDiff {
	d := &gitDiff{g: g, context: 3, renames: 50, prefixes: [2]string{"a/", "b/"}}
	if on, ok := gitBool(g.config("diff.renames")); ok && !on && g.config("diff.renames") != "" {
		d.renames = 0
	}
	for _, o := range c.opts {
		switch o.name {
		case "p":
			d.forms = append(d.forms, "patch")
		case "patch-with-stat":
			d.forms = append(d.forms, "stat", "patch")
		case "s":
			d.forms = []string{"none"}
		case "U":
			d.context = atoiOr(o.value, 3)
			d.forms = append(d.forms, "patch")
		case "name-only", "name-status", "stat", "shortstat", "numstat", "summary", "raw":
			d.forms = append(d.forms, o.name)
		case "M":
			d.renames = 50
			if n := atoiOr(strings.TrimSuffix(o.value, "%"), 0); n > 0 {
				d.renames = n
			}
		case "no-renames":
			d.renames = 0
		case "diff-filter":
			d.filter = o.value
		case "full-index":
			d.full = true
		case "a":
			d.text = true
		case "z":
			d.null = true
		case "no-prefix":
			d.prefixes = [2]string{}
		case "src-prefix":
			d.prefixes[0] = o.value
		case "dst-prefix":
			d.prefixes[1] = o.value
		}
	}
	return d
}

func (d *gitDiff) shows(form string) bool { return slices.Contains(d.forms, form) }

// short abbreviates a hash.
func (g *git) short(h plumbing.Hash) string { return h.String()[:7] }

func (d *gitDiff) hash(h plumbing.Hash) string {
	if d.full {
		return h.String()
	}
	return d.g.short(h)
}

// detect finds renamed files among those that came and went.
func (d *gitDiff) detect(changes []gitChange) []gitChange {
	var gone, come []int
	for i, c := range changes {
		switch {
		case c.new.none() && c.old.mode != filemode.Submodule:
			gone = append(gone, i)
		case c.old.none() && c.new.mode != filemode.Submodule:
			come = append(come, i)
		}
	}
	if d.renames == 0 || len(gone) == 0 || len(come) == 0 || len(gone)*len(come) > 1_000_000 {
		return d.filtered(changes)
	}
	type pair struct{ from, to, score int }
	var pairs []pair
	chunks := map[plumbing.Hash]map[string]int{}
	sizes := map[plumbing.Hash]int{}
	load := func(b gitBlob) map[string]int {
		if c, ok := chunks[b.hash]; ok {
			return c
		}
		data, err := d.g.read(b)
		if err != nil {
			data = nil
		}
		sizes[b.hash], chunks[b.hash] = len(data), gitChunks(data)
		return chunks[b.hash]
	}
	base := func(i int) string { return lastElement(changes[i].name) }
	for _, to := range come {
		for _, from := range gone {
			old, new := changes[from].old, changes[to].new
			score := 0
			if old.hash == new.hash {
				score = 100
			} else if len(gone)*len(come) <= 10_000 {
				a, b := load(old), load(new)
				copied := 0
				for chunk, n := range a {
					copied += min(n, b[chunk]) * len(chunk)
				}
				if largest := max(sizes[old.hash], sizes[new.hash]); largest > 0 && sizes[old.hash] > 0 {
					score = copied * 60000 / largest * 100 / 60000
				}
			}
			if score >= d.renames {
				pairs = append(pairs, pair{from, to, score*2 + boolIndex(base(from) == base(to))})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return b.score - a.score })
	used := map[int]bool{}
	for _, p := range pairs {
		if used[p.from] || used[p.to] {
			continue
		}
		used[p.from], used[p.to] = true, true
		to := &changes[p.to]
		to.from, to.old, to.alike = changes[p.from].name, changes[p.from].old, p.score/2
		changes[p.from].name = ""
	}
	return d.filtered(slices.DeleteFunc(changes, func(c gitChange) bool { return c.name == "" }))
}

func (d *gitDiff) filtered(changes []gitChange) []gitChange {
	if d.filter == "" {
		return changes
	}
	return slices.DeleteFunc(changes, func(c gitChange) bool {
		letter := string(c.status()[0])
		if strings.ToUpper(d.filter) != d.filter {
			return strings.Contains(strings.ToUpper(d.filter), letter)
		}
		return !strings.Contains(d.filter, letter)
	})
}

func (c gitChange) status() string {
	if c.from != "" {
		return fmt.Sprintf("R%03d", c.alike)
	}
	return string(c.letter())
}

// gitChunks counts the pieces of a file that git compares to find renamed files: lines, of 64 bytes at most.
func gitChunks(data []byte) map[string]int {
	all := map[string]int{}
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n') + 1
		if n == 0 || n > 64 {
			n = min(64, len(data))
		}
		all[string(data[:n])]++
		data = data[n:]
	}
	return all
}

// print writes the changes in the forms that were asked for.
func (d *gitDiff) print(changes []gitChange) error {
	g := d.g
	end := "\n"
	if d.null {
		end = "\x00"
	}
	name := func(n string) string {
		if d.null {
			return n
		}
		return gitQuote(n)
	}
	for _, c := range changes {
		switch {
		case d.shows("raw"):
			fmt.Fprintf(g.out, ":%06o %06o %s %s %s", uint32(c.old.mode), uint32(c.new.mode), d.hash(c.old.hash), d.hash(c.new.hash), c.status())
			if c.from != "" {
				g.out.WriteString("\t" + name(c.from))
			}
			g.out.WriteString("\t" + name(c.name) + end)
		case d.shows("name-status"):
			tab := "\t"
			if d.null {
				tab = "\x00"
			}
			g.out.WriteString(c.status() + tab)
			if c.from != "" {
				g.out.WriteString(name(c.from) + tab)
			}
			g.out.WriteString(name(c.name) + end)
		case d.shows("name-only"):
			g.out.WriteString(name(c.name) + end)
		}
	}
	if d.shows("numstat") {
		for _, c := range changes {
			added, removed, binary, err := d.count(c)
			if err != nil {
				return err
			}
			if binary {
				g.out.WriteString("-\t-\t" + c.title() + "\n")
			} else {
				fmt.Fprintf(g.out, "%d\t%d\t%s\n", added, removed, c.title())
			}
		}
	}
	if d.shows("stat") {
		if err := d.stat(changes); err != nil {
			return err
		}
	}
	if d.shows("shortstat") || d.shows("stat") {
		if err := d.shortstat(changes); err != nil {
			return err
		}
	}
	if d.shows("summary") {
		d.summary(changes)
	}
	if d.shows("patch") {
		if len(d.forms) > 1 && len(changes) > 0 {
			g.out.WriteString("\n")
		}
		for _, c := range changes {
			if err := d.patch(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// sides are the two contents of a change, in lines, and whether one is binary.
func (d *gitDiff) sides(c gitChange) (old, new []byte, binary bool, err error) {
	if old, err = d.side(c.old, c.name); err != nil {
		return nil, nil, false, err
	}
	if new, err = d.side(c.new, c.name); err != nil {
		return nil, nil, false, err
	}
	isBinary := func(b []byte) bool { return bytes.IndexByte(b[:min(len(b), 8000)], 0) >= 0 }
	return old, new, !d.text && (isBinary(old) || isBinary(new)), nil
}

// side reads a blob from the repository, or from the working tree if it is only there.
func (d *gitDiff) side(b gitBlob, name string) ([]byte, error) {
	if b.none() || b.mode == filemode.Submodule || d.g.store.HasEncodedObject(b.hash) == nil {
		return d.g.read(b)
	}
	return d.g.content(name, b.mode)
}

// gitLines numbers the lines of two files, equal ones alike.
func gitLines(old, new []byte) (a, b [][]byte, hunks []hunk) {
	split := func(data []byte) [][]byte {
		if len(data) == 0 {
			return nil
		}
		return bytes.SplitAfter(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	}
	a, b = split(old), split(new)
	numbers := map[string]int{}
	count := func(lines [][]byte, data []byte) []int {
		list := make([]int, len(lines))
		for i, l := range lines {
			text := string(l)
			if i == len(lines)-1 && bytes.HasSuffix(data, []byte("\n")) {
				text += "\n"
				lines[i] = []byte(text)
			}
			n, ok := numbers[text]
			if !ok {
				n = len(numbers)
				numbers[text] = n
			}
			list[i] = n
		}
		return list
	}
	return a, b, diffLines(count(a, old), count(b, new))
}

func (d *gitDiff) count(c gitChange) (added, removed int, binary bool, err error) {
	old, new, binary, err := d.sides(c)
	if err != nil || binary {
		return 0, 0, binary, err
	}
	_, _, hunks := gitLines(old, new)
	for _, h := range hunks {
		added, removed = added+h.b1-h.b0, removed+h.a1-h.a0
	}
	return added, removed, false, nil
}

// title is the name of a change; a renamed file's has both names, what they share once.
func (c gitChange) title() string {
	if c.from == "" {
		return gitQuote(c.name)
	}
	a, b := c.from, c.name
	start := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if a[i] == '/' {
			start = i + 1
		}
	}
	end := 0
	for i := 1; i <= min(len(a), len(b))-start+boolIndex(start > 0) && a[len(a)-i] == b[len(b)-i]; i++ {
		if a[len(a)-i] == '/' {
			end = i
		}
	}
	if start+end == 0 {
		return a + " => " + b
	}
	middle := func(s string) string { return s[start:max(start, len(s)-end)] }
	return a[:start] + "{" + middle(a) + " => " + middle(b) + "}" + a[len(a)-end:]
}

func (d *gitDiff) stat(changes []gitChange) error {
	type row struct {
		name           string
		added, removed int
		binary         string
	}
	var rows []row
	names, most, numbers := 0, 0, 0
	for _, c := range changes {
		r := row{name: c.title()}
		var binary bool
		var err error
		if r.added, r.removed, binary, err = d.count(c); err != nil {
			return err
		}
		if binary {
			old, new, _, err := d.sides(c)
			if err != nil {
				return err
			}
			if r.binary = "Bin"; !bytes.Equal(old, new) {
				r.binary = fmt.Sprintf("Bin %d -> %d bytes", len(old), len(new))
			}
			numbers = max(numbers, 3)
		}
		names, most = max(names, len(r.name)), max(most, r.added+r.removed)
		rows = append(rows, r)
	}
	const width = 80
	numbers = max(numbers, len(itoa(most)))
	graph := most
	if names+numbers+6+graph > width {
		if graph > width*3/8-numbers-6 {
			graph = max(6, width*3/8-numbers-6)
		}
		if names > width-numbers-6-graph {
			names = width - numbers - 6 - graph
		} else {
			graph = width - numbers - 6 - names
		}
	}
	scale := func(n int) int {
		if n == 0 {
			return 0
		}
		return 1 + n*(graph-1)/most
	}
	for _, r := range rows {
		name := r.name
		if len(name) > names {
			name = name[len(name)-names+3:]
			if i := strings.IndexByte(name, '/'); i >= 0 {
				name = name[i:]
			}
			name = "..." + name
		}
		if r.binary != "" {
			fmt.Fprintf(d.g.out, " %-*s | %*s\n", names, name, numbers, r.binary)
			continue
		}
		added, removed := r.added, r.removed
		if graph <= most {
			total := scale(added + removed)
			if total < 2 && added > 0 && removed > 0 {
				total = 2
			}
			if added < removed {
				added = scale(added)
				removed = total - added
			} else {
				removed = scale(removed)
				added = total - removed
			}
		}
		line := fmt.Sprintf(" %-*s | %*d %s%s", names, name, numbers, r.added+r.removed, strings.Repeat("+", added), strings.Repeat("-", removed))
		d.g.out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return nil
}

func (d *gitDiff) shortstat(changes []gitChange) error {
	added, removed := 0, 0
	for _, c := range changes {
		a, r, _, err := d.count(c)
		if err != nil {
			return err
		}
		added, removed = added+a, removed+r
	}
	if len(changes) == 0 {
		return nil
	}
	plural := func(n int, word, mark string) string {
		if n != 1 {
			word += "s"
		}
		return itoa(n) + " " + word + mark
	}
	text := " " + plural(len(changes), "file", " changed")
	if added > 0 || removed == 0 {
		text += ", " + plural(added, "insertion", "(+)")
	}
	if removed > 0 || added == 0 {
		text += ", " + plural(removed, "deletion", "(-)")
	}
	d.g.out.WriteString(text + "\n")
	return nil
}

func (d *gitDiff) summary(changes []gitChange) {
	for _, c := range changes {
		switch {
		case c.from != "":
			fmt.Fprintf(d.g.out, " rename %s (%d%%)\n", c.title(), c.alike)
		case c.old.none():
			fmt.Fprintf(d.g.out, " create mode %06o %s\n", uint32(c.new.mode), gitQuote(c.name))
		case c.new.none():
			fmt.Fprintf(d.g.out, " delete mode %06o %s\n", uint32(c.old.mode), gitQuote(c.name))
		case c.old.mode != c.new.mode:
			fmt.Fprintf(d.g.out, " mode change %06o => %06o %s\n", uint32(c.old.mode), uint32(c.new.mode), gitQuote(c.name))
		}
	}
}

// patch is a change as diff --git shows it.
func (d *gitDiff) patch(c gitChange) error {
	out := d.g.out
	if c.letter() == 'T' { // another kind of file: deleted and made anew
		if err := d.patch(gitChange{name: c.name, old: c.old}); err != nil {
			return err
		}
		return d.patch(gitChange{name: c.name, new: c.new})
	}
	from := c.name
	if c.from != "" {
		from = c.from
	}
	a, b := gitQuote(d.prefixes[0]+from), gitQuote(d.prefixes[1]+c.name)
	out.WriteString("diff --git " + a + " " + b + "\n")
	switch {
	case c.old.none():
		fmt.Fprintf(out, "new file mode %06o\n", uint32(c.new.mode))
		a = "/dev/null"
	case c.new.none():
		fmt.Fprintf(out, "deleted file mode %06o\n", uint32(c.old.mode))
		b = "/dev/null"
	case c.old.mode != c.new.mode:
		fmt.Fprintf(out, "old mode %06o\nnew mode %06o\n", uint32(c.old.mode), uint32(c.new.mode))
	}
	if c.from != "" {
		fmt.Fprintf(out, "similarity index %d%%\nrename from %s\nrename to %s\n", c.alike, gitQuote(c.from), gitQuote(c.name))
	}
	if c.old.hash == c.new.hash {
		return nil
	}
	fmt.Fprintf(out, "index %s..%s", d.hash(c.old.hash), d.hash(c.new.hash))
	if c.old.mode == c.new.mode {
		fmt.Fprintf(out, " %06o", uint32(c.old.mode))
	}
	out.WriteString("\n")
	old, new, binary, err := d.sides(c)
	if err != nil {
		return err
	}
	if binary {
		out.WriteString("Binary files " + a + " and " + b + " differ\n")
		return nil
	}
	if len(old) == 0 && len(new) == 0 {
		return nil
	}
	tail := func(name string) string {
		if strings.Contains(name, " ") && name[0] != '"' {
			return name + "\t"
		}
		return name
	}
	out.WriteString("--- " + tail(a) + "\n+++ " + tail(b) + "\n")
	d.hunks(old, new)
	return nil
}

func (d *gitDiff) hunks(old, new []byte) {
	out := d.g.out
	linesA, linesB, hunks := gitLines(old, new)
	span := func(from, to int) string {
		switch to - from {
		case 1:
			return itoa(to)
		case 0:
			return itoa(from) + ",0"
		}
		return itoa(from+1) + "," + itoa(to-from)
	}
	line := func(mark string, text []byte) {
		out.WriteString(mark)
		out.Write(text)
		if !bytes.HasSuffix(text, []byte("\n")) {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
	for len(hunks) > 0 {
		n := 1
		for n < len(hunks) && hunks[n].a0-hunks[n-1].a1 <= 2*d.context {
			n++
		}
		group := hunks[:n]
		hunks = hunks[n:]
		first, last := group[0], group[n-1]
		before := min(d.context, first.a0, first.b0)
		after := min(d.context, len(linesA)-last.a1, len(linesB)-last.b1)
		out.WriteString("@@ -" + span(first.a0-before, last.a1+after) + " +" + span(first.b0-before, last.b1+after) + " @@" + gitFunction(linesA[:first.a0-before]) + "\n")
		at := first.a0 - before
		for _, h := range group {
			for ; at < h.a0; at++ {
				line(" ", linesA[at])
			}
			for ; at < h.a1; at++ {
				line("-", linesA[at])
			}
			for _, l := range linesB[h.b0:h.b1] {
				line("+", l)
			}
		}
		for ; at < last.a1+after; at++ {
			line(" ", linesA[at])
		}
	}
}

// gitFunction is the line above a hunk that seems to begin a function, with a blank before it.
func gitFunction(lines [][]byte) string {
	for i := len(lines) - 1; i >= 0; i-- {
		l := lines[i]
		if len(l) > 0 && (l[0] == '_' || l[0] == '$' || l[0]|0x20 >= 'a' && l[0]|0x20 <= 'z') {
			text := bytes.TrimRight(l[:min(len(l), 80)], " \t\r\n\v\f")
			return " " + string(text)
		}
	}
	return ""
}
