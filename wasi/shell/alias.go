package shell

import (
	"slices"
	"strings"
)

// usesAliases says whether aliases are replaced: in bash only interactively, or after `shopt -s expand_aliases`.
func (sh *shell) usesAliases() bool {
	return len(sh.aliases) > 0 && (sh.posix() || sh.interactive || sh.shopts.expandAliases || sh.opts.posix)
}

// maxAliases bounds the replacements in one command.
const maxAliases = 1000

// unaliased is a command's text with its aliases replaced. An alias may be any text, so this is done before parsing, by a
// scanner that knows of the grammar just where commands begin.
func (sh *shell) unaliased(text string) (string, bool) {
	a := aliasScanner{text: text, aliases: sh.aliases, command: true}
	for a.at < len(a.text) {
		a.step()
	}
	return a.text, a.changed > 0
}

type aliasScanner struct {
	text    string
	aliases map[string]string
	at      int
	command bool // the next word may name a command
	follows bool // the next word is looked at too, since an alias ended with a blank
	target  bool // the next word is a redirection's
	changed int
	active  []activeAlias
	cases   int  // nested case commands
	in      bool // `case word` was read
	pattern bool
	here    []hereDelimiter
}

// activeAlias is an alias whose text is being read: it is not replaced again in there.
type activeAlias struct {
	name  string
	end   int
	blank bool
}

type hereDelimiter struct {
	word         string
	tabs, quoted bool
}

func (a *aliasScanner) step() {
	for n := len(a.active); n > 0 && a.at >= a.active[n-1].end; n-- {
		a.follows = a.follows || a.active[n-1].blank
		a.active = a.active[:n-1]
	}
	rest := a.text[a.at:]
	switch c := rest[0]; {
	case c == ' ' || c == '\t':
		a.at++
	case strings.HasPrefix(rest, "\\\n"):
		a.at += 2
	case c == '\n':
		a.at++
		a.skipDocuments()
		a.command, a.follows = true, false
	case c == '#':
		if a.at += strings.IndexByte(rest, '\n'); a.at < len(a.text)-len(rest) {
			a.at = len(a.text)
		}
	case strings.HasPrefix(rest, ";;") && a.cases > 0:
		a.at += 2
		a.pattern = true
	case strings.HasPrefix(rest, "<<") && !strings.HasPrefix(rest, "<<<"):
		a.document()
	case c == '<' || c == '>':
		a.at++
		for a.at < len(a.text) && strings.IndexByte("<>&|", a.text[a.at]) >= 0 {
			a.at++
		}
		a.target = true
	case strings.IndexByte(";&|()", c) >= 0:
		a.at++
		a.command, a.follows, a.target = true, false, false
		if c == ')' {
			a.pattern = false
		}
	default:
		a.word()
	}
}

// document notes the delimiter of a here-document.
func (a *aliasScanner) document() {
	a.at += 2
	d := hereDelimiter{}
	if a.at < len(a.text) && a.text[a.at] == '-' {
		d.tabs = true
		a.at++
	}
	for a.at < len(a.text) && (a.text[a.at] == ' ' || a.text[a.at] == '\t') {
		a.at++
	}
	from := a.at
	a.at = wordEnd(a.text, a.at)
	d.word = strings.NewReplacer("'", "", `"`, "", `\`, "").Replace(a.text[from:a.at])
	d.quoted = d.word != a.text[from:a.at]
	a.here = append(a.here, d)
}

// skipDocuments goes over the here-documents that begin after a line.
func (a *aliasScanner) skipDocuments() {
	for _, d := range a.here {
		for a.at < len(a.text) {
			line, _, _ := strings.Cut(a.text[a.at:], "\n")
			if inside, changed := a.inside(line); changed && !d.quoted {
				a.text = a.text[:a.at] + inside + a.text[a.at+len(line):]
				line = inside
			}
			a.at = min(a.at+len(line)+1, len(a.text))
			if d.tabs {
				line = strings.TrimLeft(line, "\t")
			}
			if line == d.word {
				break
			}
		}
	}
	a.here = nil
}

func (a *aliasScanner) word() {
	end := wordEnd(a.text, a.at)
	word := a.text[a.at:end]
	if a.target {
		a.target, a.at = false, end
		return
	}
	if (a.command || a.follows) && !a.pattern && a.replace(word, end) {
		return
	}
	a.follows = false
	if inside, changed := a.inside(word); changed {
		a.text = a.text[:a.at] + inside + a.text[end:]
		end = a.at + len(inside)
	}
	a.at = end
	switch {
	case a.in && word == "in":
		a.in, a.pattern = false, true
	case word == "esac" && a.cases > 0 && (a.command || a.pattern):
		a.cases--
		a.pattern, a.command = false, false
	case !a.command || a.pattern:
	case word == "case":
		a.cases++
		a.in, a.command = true, false
	case isKeyword(word) && word != "for" && word != "in" || word == "time":
	case strings.IndexByte(word, '=') > 0 && validName(strings.TrimSuffix(word[:strings.IndexByte(word, '=')], "+")):
	default:
		a.command = false
	}
}

// inside replaces the aliases in the command substitutions of a text.
func (a *aliasScanner) inside(text string) (string, bool) {
	if !strings.Contains(text, "$(") {
		return text, false
	}
	var out strings.Builder
	last := 0
	b := brackets{text: text}
	for b.at < len(text) {
		rest := text[b.at:]
		if !strings.HasPrefix(rest, "$(") || strings.HasPrefix(rest, "$((") {
			b.step()
			continue
		}
		end := closing(text, opened{'$', b.at})
		if end == 0 {
			break
		}
		inner := aliasScanner{text: text[b.at+2 : end-1], aliases: a.aliases, command: true, changed: a.changed, active: slices.Clone(a.active)}
		for i := range inner.active {
			inner.active[i].end = 1 << 30
		}
		for inner.at < len(inner.text) {
			inner.step()
		}
		a.changed = inner.changed
		out.WriteString(text[last:b.at+2] + inner.text)
		last, b.at = end-1, end
	}
	out.WriteString(text[last:])
	return out.String(), out.String() != text
}

// replace puts the text of an alias in the place of its name.
func (a *aliasScanner) replace(word string, end int) bool {
	value, known := a.aliases[word]
	if !known || a.changed >= maxAliases {
		return false
	}
	for _, active := range a.active {
		if active.name == word {
			return false
		}
	}
	a.changed++
	a.text = a.text[:a.at] + value + a.text[end:]
	for i := range a.active {
		a.active[i].end += len(value) - len(word)
	}
	a.active = append(a.active, activeAlias{word, a.at + len(value), strings.HasSuffix(value, " ") || strings.HasSuffix(value, "\t")})
	return true
}

// wordEnd is where the word that begins at from ends.
func wordEnd(text string, from int) int {
	b := brackets{text: text, at: from}
	for b.at < len(text) {
		if len(b.stack) == 0 && strings.IndexByte(" \t\n;&|<>()", text[b.at]) >= 0 {
			break
		}
		if len(b.stack) == 0 && text[b.at] == '#' {
			b.at++
			continue
		}
		b.step()
	}
	return b.at
}
