package shell

import "errors"

// nesting bounds the parser's recursion. Go ends the whole process, and with it all containers in it, when a stack has
// half a gigabyte, and a bracket in arithmetic takes 5 KB of it. Quotes are not looked at: a text is refused only when it
// has plenty of brackets that are not closed.
type nesting struct {
	brackets int // ( and { that are open
	keywords int // if, while, case and the like that are open
	lists    int // && || and |
	line     int // what nests within one line: operators, subscripts, words such as time
}

const (
	maxBrackets = 1000
	maxKeywords = 1000
	maxLists    = 200_000
	maxLine     = 50_000
)

var errTooDeep = errors.New("commands are nested too deeply")

// add counts more text of a command; false if it nests too deeply.
func (n *nesting) add(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '{':
			n.brackets++
			n.line++
		case ')', '}':
			n.brackets = max(n.brackets-1, 0)
		case '[', '?', '!', '~', '-', '+', '=', '*':
			n.line++
		case '&', '|':
			n.lists++
		case '\n', ';':
			n.line = 0
		default:
			if c < 'a' || c > 'z' || i > 0 && isNameByte(text[i-1]) {
				continue
			}
			end := i + 1
			for end < len(text) && isNameByte(text[end]) {
				end++
			}
			switch text[i:end] {
			case "if", "while", "until", "for", "case", "select":
				n.keywords++
			case "fi", "done", "esac":
				n.keywords = max(n.keywords-1, 0)
			case "time", "coproc", "function":
				n.line++
			}
			i = end - 1
		}
		if n.brackets > maxBrackets || n.keywords > maxKeywords || n.lists > maxLists || n.line > maxLine {
			return false
		}
	}
	return true
}

// tooDeep says whether text must not be given to the parser.
func tooDeep(text string) bool {
	var n nesting
	return len(text) > maxBrackets && !n.add(text)
}
