package builtins

import (
	"io"
	"strings"
)

var getoptUsage = usage{synopsis: "[OPTION]... [--] OPTSTRING PARAMETERS", about: "Parse the options of a script.", status: 2, inOrder: true,
	options: []string{"a alternative", "l longoptions=", "n name=", "o options=", "q quiet", "Q quiet-output", "s shell=", "T test", "u unquoted"}}

// getopt is util-linux's getopt(1).
func getopt(p *Process) int {
	if len(p.Args) > 1 && !strings.HasPrefix(p.Args[1], "-") { // getopt OPTSTRING WORDS: the old form
		g := getoptRun{p: p, name: p.Name(), short: p.Args[1], unquoted: true}
		return g.run(p.Args[2:])
	}
	opts, words, status, done := p.parse(getoptUsage)
	if done {
		return status
	}
	g := getoptRun{p: p, name: p.Name()}
	given := false
	for _, o := range opts {
		switch o.name {
		case "a":
			g.alternative = true
		case "l":
			g.long = append(g.long, strings.FieldsFunc(o.value, func(r rune) bool { return strings.ContainsRune(", \t\n", r) })...)
		case "n":
			g.name = o.value
		case "o":
			g.short, given = o.value, true
		case "q":
			g.quiet = true
		case "Q":
			g.silent = true
		case "s":
			if o.value != "sh" && o.value != "bash" {
				p.Errorf("--shell=%s is not supported in the sandbox; sh and bash are", o.value)
				return 2
			}
		case "T":
			return 4
		case "u":
			g.unquoted = true
		}
	}
	if !given {
		if len(words) == 0 {
			p.Errorf("missing optstring argument")
			io.WriteString(p.Stderr, "Try '"+p.Name()+" --help' for more information.\n")
			return 2
		}
		g.short, words = words[0], words[1:]
	}
	return g.run(words)
}

type getoptRun struct {
	p                                    *Process
	name, short                          string
	long                                 []string // "name", "name:" with a value, "name::" with one that may be missing
	alternative, quiet, silent, unquoted bool
	failed                               bool
}

func (g *getoptRun) fail(text string) {
	g.failed = true
	if !g.quiet {
		io.WriteString(g.p.Stderr, g.name+": "+text+"\n")
	}
}

func (g *getoptRun) quote(word string) string {
	if g.unquoted {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func (g *getoptRun) run(words []string) int {
	inPlace, inOrder := strings.HasPrefix(g.short, "-"), strings.HasPrefix(g.short, "+")
	if inPlace || inOrder {
		g.short = g.short[1:]
	}
	if _, set := g.p.LookupEnv("POSIXLY_CORRECT"); set && !inPlace {
		inOrder = true
	}
	var out, operands []string
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == "--":
			operands, words = append(operands, words...), nil
		case strings.HasPrefix(word, "--"):
			words = g.longOption(word[2:], "--", words, &out)
		case len(word) > 1 && word[0] == '-' && g.alternative && (len(word) > 2 || strings.IndexByte(g.short, word[1]) < 0):
			if g.knows(word[1:]) || strings.IndexByte(g.short, word[1]) < 0 {
				words = g.longOption(word[1:], "-", words, &out)
			} else {
				words = g.letters(word[1:], words, &out)
			}
		case len(word) > 1 && word[0] == '-':
			words = g.letters(word[1:], words, &out)
		case inPlace:
			out = append(out, g.quote(word))
		case inOrder:
			operands, words = append(append(operands, word), words...), nil
		default:
			operands = append(operands, word)
		}
	}
	out = append(out, "--")
	for _, o := range operands {
		out = append(out, g.quote(o))
	}
	if !g.silent {
		text := " " + strings.Join(out, " ") + "\n"
		io.WriteString(g.p.Stdout, text)
	}
	if g.failed {
		return 1
	}
	return 0
}

func (g *getoptRun) letters(letters string, words []string, out *[]string) []string {
	for i := 0; i < len(letters); i++ {
		at := strings.IndexByte(g.short, letters[i])
		if at < 0 || letters[i] == ':' {
			g.fail("invalid option -- '" + letters[i:i+1] + "'")
			continue
		}
		*out = append(*out, "-"+letters[i:i+1])
		rest := g.short[at+1:]
		if !strings.HasPrefix(rest, ":") {
			continue
		}
		value := letters[i+1:]
		switch {
		case value != "" || strings.HasPrefix(rest, "::"):
			*out = append(*out, g.quote(value))
		case len(words) > 0:
			*out = append(*out, g.quote(words[0]))
			words = words[1:]
		default:
			g.fail("option requires an argument -- '" + letters[i:i+1] + "'")
			*out = (*out)[:len(*out)-1]
		}
		break
	}
	return words
}

func (g *getoptRun) knows(word string) bool {
	name, _, _ := strings.Cut(word, "=")
	for _, l := range g.long {
		if strings.HasPrefix(l, name) {
			return true
		}
	}
	return false
}

func (g *getoptRun) longOption(word, dashes string, words []string, out *[]string) []string {
	name, value, has := strings.Cut(word, "=")
	var found []string
	for _, l := range g.long {
		plain := strings.TrimRight(l, ":")
		if plain == name {
			found = []string{l}
			break
		}
		if strings.HasPrefix(plain, name) {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 0:
		g.fail("unrecognized option '" + dashes + word + "'")
		return words
	case len(found) > 1:
		text := "option '" + dashes + word + "' is ambiguous; possibilities:"
		for _, l := range found {
			text += " '" + dashes + strings.TrimRight(l, ":") + "'"
		}
		g.fail(text)
		return words
	}
	plain := strings.TrimRight(found[0], ":")
	needs, may := strings.HasSuffix(found[0], ":"), strings.HasSuffix(found[0], "::")
	switch {
	case has && !needs:
		g.fail("option '" + dashes + plain + "' doesn't allow an argument")
		return words
	case needs && !may && !has && len(words) == 0:
		g.fail("option '" + dashes + plain + "' requires an argument")
		return words
	case needs && !may && !has:
		value, words = words[0], words[1:]
	}
	*out = append(*out, "--"+plain)
	if needs {
		*out = append(*out, g.quote(value))
	}
	return words
}
