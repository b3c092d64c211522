package shell

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// ifsTable is IFS, ready for splitting.
type ifsTable struct {
	kind [256]ifsKind
	none bool   // IFS is empty: nothing is split
	join string // what "$*" joins with
}

type ifsKind uint8

const (
	ifsNo    ifsKind = iota
	ifsBlank         // white space: a run of it is one separator
	ifsHard          // any other: each is a separator
)

func (sh *shell) loadIFS() {
	value, set := sh.get("IFS")
	if !set {
		value = " \t\n"
	}
	sh.ifs = ifsTable{none: value == ""}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case ' ', '\t', '\n':
			sh.ifs.kind[c] = ifsBlank
		default:
			sh.ifs.kind[c] = ifsHard
		}
	}
	if value != "" {
		_, size := decodeChar(value, sh.utf8)
		sh.ifs.join = value[:size]
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// hasBrace says whether a word may hold a brace expansion.
func hasBrace(w *syntax.Word) bool {
	for _, part := range w.Parts {
		if lit, ok := part.(*syntax.Lit); ok && strings.IndexByte(lit.Value, '{') >= 0 {
			return true
		}
	}
	return false
}

// expandBraces gives the words that a word with brace expansions stands for, nil if it has none.
func (sh *shell) expandBraces(w *syntax.Word) []*syntax.Word {
	split := &syntax.Word{Parts: w.Parts} // the tree is shared: only the copy is changed
	if !syntax.SplitBraces(split) {
		return nil
	}
	var words []*syntax.Word
	for word, err := range expand.BracesSeq(nil, split) {
		if err != nil || len(words) == maxBraces {
			sh.fatal(1, "brace expansion: more than %d words", maxBraces)
		}
		word.Parts = mergedLiterals(word.Parts)
		words = append(words, word)
	}
	return words
}

// mergedLiterals joins literals that brace expansion has put side by side, so that a tilde prefix is seen as one.
func mergedLiterals(parts []syntax.WordPart) []syntax.WordPart {
	var out []syntax.WordPart
	for _, p := range parts {
		lit, ok := p.(*syntax.Lit)
		if n := len(out); ok && n > 0 {
			if before, ok := out[n-1].(*syntax.Lit); ok {
				out[n-1] = &syntax.Lit{ValuePos: before.ValuePos, ValueEnd: lit.ValueEnd, Value: before.Value + lit.Value}
				continue
			}
		}
		if ok && lit.Value == "" {
			continue
		}
		out = append(out, p)
	}
	return out
}

// maxBraces bounds the words of one brace expansion.
const maxBraces = 2_000_000

// tildeLiteral adds literal text whose unquoted tilde prefixes stand for home directories.
func (b *fieldBuilder) tildeLiteral(s string, partIndex, partCount int) {
	sh := b.sh
	if strings.IndexByte(s, '~') < 0 {
		b.literal(s)
		return
	}
	last := partIndex == partCount-1
	take := func(s string) string {
		end := len(s)
		for i := 1; i < len(s); i++ {
			if c := s[i]; c == '/' || c == ':' && (b.assign || partIndex >= 0 && b.inAssignWord) {
				end = i
				break
			} else if c == '\\' {
				return s
			}
		}
		if end == len(s) && !last {
			return s
		}
		if home, ok := sh.tilde(s[1:end]); ok {
			b.addQuoted(home)
			return s[end:]
		}
		return s
	}
	if !b.assign && partIndex == 0 && s[0] != '~' && sh.bash {
		// A word like an assignment.
		if name, rest, ok := strings.Cut(s, "="); ok && validName(strings.TrimSuffix(name, "+")) {
			b.addLiteral(name + "=")
			b.inAssignWord = true
			b.tildeParts(rest, take)
			b.inAssignWord = false
			return
		}
	}
	if b.assign {
		if partIndex > 0 {
			// Only what follows a colon in this part begins a tilde prefix.
			i := strings.IndexByte(s, ':')
			if i < 0 {
				b.literal(s)
				return
			}
			b.literal(s[:i+1])
			s = s[i+1:]
		}
		b.tildeParts(s, take)
		return
	}
	if partIndex == 0 && s[0] == '~' {
		s = take(s)
	}
	b.literal(s)
}

// tildeParts expands the tilde prefixes of a list with colons.
func (b *fieldBuilder) tildeParts(s string, take func(string) string) {
	for {
		if s != "" && s[0] == '~' {
			s = take(s)
		}
		i := strings.IndexByte(s, ':')
		if i < 0 {
			b.literal(s)
			return
		}
		b.literal(s[:i+1])
		s = s[i+1:]
	}
}

// tilde gives the directory that ~name stands for.
func (sh *shell) tilde(name string) (string, bool) {
	switch name {
	case "":
		if home, ok := sh.get("HOME"); ok {
			return home, true
		}
		return sh.homeOf("", int(sh.p.Files().Cred().UID))
	case "+":
		return sh.getOr("PWD", sh.workDir()), sh.bash
	case "-":
		old, ok := sh.get("OLDPWD")
		return old, ok && sh.bash
	}
	if n, err := strconv.Atoi(name); err == nil && sh.bash {
		return sh.dirEntry(n, strings.HasPrefix(name, "-"))
	}
	return sh.homeOf(name, -1)
}

// loginShell is the shell that /etc/passwd has for a user.
func (sh *shell) loginShell(uid int) string {
	data, _ := sh.p.Files().ReadFile("/etc/passwd")
	for line := range strings.SplitSeq(string(data), "\n") {
		if f := strings.Split(line, ":"); len(f) == 7 && f[2] == strconv.Itoa(uid) && f[6] != "" {
			return f[6]
		}
	}
	return "/bin/sh"
}

// homeOf looks a home directory up in the container's /etc/passwd, by name or id.
func (sh *shell) homeOf(name string, uid int) (string, bool) {
	data, err := sh.p.Files().ReadFile("/etc/passwd")
	if err != nil {
		return "", false
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		f := strings.Split(line, ":")
		if len(f) >= 6 && (name != "" && f[0] == name || name == "" && f[2] == strconv.Itoa(uid)) {
			return f[5], true
		}
	}
	return "", false
}

// parseText parses text as if inside double quotes.
func (sh *shell) parseText(text string) []syntax.WordPart {
	if !strings.ContainsAny(text, "$`\\") {
		return []syntax.WordPart{&syntax.Lit{Value: text}}
	}
	if tooDeep(text) {
		sh.fatal(2, "%s", errTooDeep)
	}
	w, err := parseDocument(text)
	if err != nil || w == nil {
		return []syntax.WordPart{&syntax.Lit{Value: strings.ReplaceAll(text, `\`, `\\`)}}
	}
	return w.Parts
}

// parseWord parses text as one word; what is no word stands for itself.
func (sh *shell) parseWord(text string) []syntax.WordPart {
	if tooDeep(text) {
		sh.fatal(2, "%s", errTooDeep)
	}
	valid, coded := encodeBytes(text)
	for w, err := range newParser().WordsSeq(strings.NewReader(valid + "\n")) {
		if err == nil {
			if coded {
				decodeTree(w)
			}
			return w.Parts
		}
		break
	}
	return []syntax.WordPart{&syntax.SglQuoted{Value: text}}
}

func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }
