package builtins

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitFormat writes commits.
type gitFormat struct {
	g         *git
	name      string // medium, short, full, fuller, oneline, raw, reference or user
	user      string // with placeholders
	dates     string
	short     bool
	parents   bool
	decorate  bool
	oneline   bool
	separates bool // a newline stands between commits, not behind each
	block     bool // a commit is a paragraph
	given     bool // by --format
	refs      map[plumbing.Hash][]string
}

func (g *git) formatter(c gitCall) *gitFormat {
	f := &gitFormat{g: g, name: "medium", dates: c.value("date"), short: c.has("abbrev-commit"), parents: c.has("parents")}
	for _, o := range c.opts {
		switch {
		case o.name == "oneline":
			f.name, f.short = "oneline", true
		case (o.name == "format" || o.name == "pretty") && o.has:
			f.set(o.value)
		case o.name == "decorate":
			f.decorate = o.value != "no" && (o.value != "auto" || g.p.System.IsTerminal(1))
		case o.name == "no-decorate":
			f.decorate = false
		case o.name == "no-abbrev-commit":
			f.short = false
		}
	}
	f.oneline = f.name == "oneline"
	f.block = f.name != "user" && !f.oneline && f.name != "reference"
	f.separates = f.separates || f.block
	return f
}

func (f *gitFormat) set(text string) {
	f.separates, f.given = false, true
	switch text {
	case "oneline", "short", "medium", "full", "fuller", "raw", "reference":
		f.name = text
		return
	}
	f.name = "user"
	if rest, ok := strings.CutPrefix(text, "format:"); ok {
		f.user, f.separates = rest, true
		return
	}
	f.user = strings.TrimPrefix(text, "tformat:")
}

func (f *gitFormat) id(h plumbing.Hash) string {
	if f.short {
		return f.g.short(h)
	}
	return h.String()
}

// date is a time as --date asks for it.
func (f *gitFormat) date(t time.Time) string {
	switch f.dates {
	case "", "default":
		return t.Format(gitDateFormat)
	case "iso", "iso8601":
		return t.Format("2006-01-02 15:04:05 -0700")
	case "iso-strict", "iso8601-strict":
		return gitStrict(t)
	case "rfc", "rfc2822":
		return t.Format("Mon, 2 Jan 2006 15:04:05 -0700")
	case "short":
		return t.Format("2006-01-02")
	case "unix":
		return strconv.FormatInt(t.Unix(), 10)
	case "raw":
		return fmt.Sprintf("%d %s", t.Unix(), t.Format("-0700"))
	case "relative":
		return f.g.ago(t)
	case "local":
		return t.In(f.g.p.location()).Format("Mon Jan 2 15:04:05 2006")
	}
	if layout, ok := strings.CutPrefix(f.dates, "format:"); ok {
		return strftime(layout, t)
	}
	return t.Format(gitDateFormat)
}

func gitStrict(t time.Time) string {
	if _, offset := t.Zone(); offset == 0 {
		return t.Format("2006-01-02T15:04:05") + "+00:00"
	}
	return t.Format("2006-01-02T15:04:05-07:00")
}

// ago is git's relative time.
func (g *git) ago(t time.Time) string {
	diff := int64(g.p.System.Now().Sub(t) / time.Second)
	if diff < 0 {
		return "in the future"
	}
	words := func(n int64, unit string) string {
		if n != 1 {
			unit += "s"
		}
		return fmt.Sprintf("%d %s ago", n, unit)
	}
	minutes := (diff + 30) / 60
	hours := (minutes + 30) / 60
	days := (hours + 12) / 24
	switch {
	case diff < 90:
		return words(diff, "second")
	case minutes < 90:
		return words(minutes, "minute")
	case hours < 36:
		return words(hours, "hour")
	case days < 14:
		return words(days, "day")
	case days < 70:
		return words((days+3)/7, "week")
	case days < 365:
		return words((days+15)/30, "month")
	case days < 1825:
		months := (days*12*2 + 365) / (365 * 2)
		years := words(months/12, "year")
		if months%12 == 0 {
			return years
		}
		return strings.TrimSuffix(years, " ago") + ", " + words(months%12, "month")
	}
	return words((days+183)/365, "year")
}

// decorations are the references to a commit, HEAD's first.
func (f *gitFormat) decorations(h plumbing.Hash) string {
	if f.refs == nil {
		f.refs = map[plumbing.Hash][]string{}
		branch := f.g.branch()
		if head, err := f.g.head(); err == nil && head != nil {
			name := "HEAD"
			if branch != "" {
				name += " -> " + branch
			}
			f.refs[head.Hash] = append(f.refs[head.Hash], name)
		}
		_ = f.g.eachRef(func(ref *plumbing.Reference) error {
			n := ref.Name()
			commit, err := f.g.peel(ref.Hash())
			if err != nil || n.IsBranch() && n.Short() == branch {
				return nil
			}
			name := n.Short()
			if n.IsTag() {
				name = "tag: " + name
			}
			f.refs[commit.Hash] = append(f.refs[commit.Hash], name)
			return nil
		})
	}
	refs := slices.Clone(f.refs[h])
	rest := refs
	if len(refs) > 0 && strings.HasPrefix(refs[0], "HEAD") {
		rest = refs[1:]
	}
	slices.Reverse(rest) // the last one found stands first
	return strings.Join(refs, ", ")
}

func (f *gitFormat) format(k *object.Commit) (string, error) {
	var b strings.Builder
	mark := ""
	if f.decorate {
		if d := f.decorations(k.Hash); d != "" {
			mark = " (" + d + ")"
		}
	}
	message := strings.TrimRight(k.Message, "\n")
	switch f.name {
	case "user":
		b.WriteString(f.expand(f.user, k))
		if !f.separates {
			b.WriteString("\n")
		}
		return b.String(), nil
	case "oneline":
		return f.id(k.Hash) + mark + " " + gitSubject(k.Message) + "\n", nil
	case "reference":
		return f.g.short(k.Hash) + " (" + gitSubject(k.Message) + ", " + k.Author.When.Format("2006-01-02") + ")\n", nil
	}
	b.WriteString("commit " + f.id(k.Hash))
	if f.parents {
		for _, p := range k.ParentHashes {
			b.WriteString(" " + f.id(p))
		}
	}
	b.WriteString(mark + "\n")
	if len(k.ParentHashes) > 1 && f.name != "raw" {
		b.WriteString("Merge:")
		for _, p := range k.ParentHashes {
			b.WriteString(" " + f.g.short(p))
		}
		b.WriteString("\n")
	}
	who := func(s object.Signature) string { return s.Name + " <" + s.Email + ">" }
	switch f.name {
	case "raw":
		b.WriteString("tree " + k.TreeHash.String() + "\n")
		for _, p := range k.ParentHashes {
			b.WriteString("parent " + p.String() + "\n")
		}
		raw := func(s object.Signature) string {
			return fmt.Sprintf("%s %d %s", who(s), s.When.Unix(), s.When.Format("-0700"))
		}
		b.WriteString("author " + raw(k.Author) + "\ncommitter " + raw(k.Committer) + "\n")
	case "short":
		b.WriteString("Author: " + who(k.Author) + "\n")
		message = firstLine(message)
	case "full":
		b.WriteString("Author: " + who(k.Author) + "\nCommit: " + who(k.Committer) + "\n")
	case "fuller":
		b.WriteString("Author:     " + who(k.Author) + "\nAuthorDate: " + f.date(k.Author.When) + "\nCommit:     " + who(k.Committer) + "\nCommitDate: " + f.date(k.Committer.When) + "\n")
	default:
		b.WriteString("Author: " + who(k.Author) + "\nDate:   " + f.date(k.Author.When) + "\n")
	}
	b.WriteString("\n")
	if message != "" {
		for line := range strings.Lines(message + "\n") {
			b.WriteString("    " + line)
		}
	}
	return b.String(), nil
}

// gitSubject is the first paragraph in one line.
func gitSubject(message string) string {
	paragraph, _, _ := strings.Cut(strings.TrimLeft(message, "\n"), "\n\n")
	return strings.ReplaceAll(strings.TrimRight(paragraph, "\n"), "\n", " ")
}

func gitBody(message string) string {
	_, body, _ := strings.Cut(strings.TrimLeft(message, "\n"), "\n\n")
	return strings.TrimLeft(body, "\n")
}

// expand replaces the placeholders of --format.
func (f *gitFormat) expand(text string, k *object.Commit) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		rest := text[i+1:]
		value, used := f.placeholder(rest, k)
		if used == 0 {
			b.WriteByte('%')
			continue
		}
		b.WriteString(value)
		i += used
	}
	return b.String()
}

func (f *gitFormat) placeholder(rest string, k *object.Commit) (value string, used int) {
	hashes := func(list []plumbing.Hash, short bool) string {
		var all []string
		for _, h := range list {
			if short {
				all = append(all, f.g.short(h))
			} else {
				all = append(all, h.String())
			}
		}
		return strings.Join(all, " ")
	}
	switch rest[0] {
	case 'H':
		return k.Hash.String(), 1
	case 'h':
		return f.g.short(k.Hash), 1
	case 'T':
		return k.TreeHash.String(), 1
	case 't':
		return f.g.short(k.TreeHash), 1
	case 'P':
		return hashes(k.ParentHashes, false), 1
	case 'p':
		return hashes(k.ParentHashes, true), 1
	case 's':
		return gitSubject(k.Message), 1
	case 'f':
		var b strings.Builder
		for _, r := range gitSubject(k.Message) {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
				b.WriteRune(r)
			} else if s := b.String(); s != "" && s[len(s)-1] != '-' {
				b.WriteByte('-')
			}
		}
		return strings.Trim(b.String(), "-."), 1
	case 'b':
		return gitBody(k.Message), 1
	case 'B':
		return k.Message, 1
	case 'd':
		if d := f.decorations(k.Hash); d != "" {
			return " (" + d + ")", 1
		}
		return "", 1
	case 'D':
		return f.decorations(k.Hash), 1
	case 'n':
		return "\n", 1
	case '%':
		return "%", 1
	case 'N', 'e':
		return "", 1
	case 'x':
		if len(rest) > 2 {
			if n, err := strconv.ParseUint(rest[1:3], 16, 8); err == nil {
				return string([]byte{byte(n)}), 3
			}
		}
	case 'C':
		if strings.HasPrefix(rest, "C(") {
			if end := strings.IndexByte(rest, ')'); end > 0 {
				return "", end + 1
			}
		}
		for _, color := range []string{"red", "green", "blue", "reset"} {
			if strings.HasPrefix(rest[1:], color) {
				return "", 1 + len(color)
			}
		}
	case 'a', 'c':
		if len(rest) < 2 {
			return "", 0
		}
		s := k.Author
		if rest[0] == 'c' {
			s = k.Committer
		}
		switch rest[1] {
		case 'n', 'N':
			return s.Name, 2
		case 'e', 'E':
			return s.Email, 2
		case 'l', 'L':
			local, _, _ := strings.Cut(s.Email, "@")
			return local, 2
		case 'd':
			return f.date(s.When), 2
		case 't':
			return strconv.FormatInt(s.When.Unix(), 10), 2
		case 'i':
			return s.When.Format("2006-01-02 15:04:05 -0700"), 2
		case 'I':
			return gitStrict(s.When), 2
		case 's':
			return s.When.Format("2006-01-02"), 2
		case 'D':
			return s.When.Format("Mon, 2 Jan 2006 15:04:05 -0700"), 2
		case 'r':
			return f.g.ago(s.When), 2
		}
	}
	return "", 0
}
