package builtins

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
)

func shuf(p *Process) int {
	u := usage{synopsis: "[OPTION]... [FILE]", about: "Write a random permutation of the input lines to standard output.",
		options: []string{"e echo", "i input-range=", "n head-count=", "r repeat", "z zero-terminated"}}
	opts, names, status, done := p.parse(u)
	if done {
		return status
	}
	count, repeat, words, ranged, end := -1, false, false, "", byte('\n')
	for _, o := range opts {
		switch o.name {
		case "e":
			words = true
		case "i":
			ranged = o.value
		case "n":
			n, err := strconv.Atoi(o.value)
			if err != nil || n < 0 {
				p.Errorf("invalid line count: %s", quote(o.value))
				return 1
			}
			count = n
		case "r":
			repeat = true
		case "z":
			end = 0
		}
	}
	var lines []string
	switch {
	case words:
		lines = names
	case ranged != "":
		low, high, ok := strings.Cut(ranged, "-")
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if !ok || err1 != nil || err2 != nil || from > to+1 {
			p.Errorf("invalid input range: %s", quote(ranged))
			return 1
		}
		for i := from; i <= to; i++ {
			lines = append(lines, strconv.Itoa(i))
		}
	case len(names) > 1:
		return p.extraOperand(u, names[1])
	default:
		data, err := p.readAll(append(names, "-")[0])
		if err != nil {
			p.Errorf("%s: %s", quoteWord(append(names, "-")[0]), strerror(err))
			return 1
		}
		for _, line := range splitLines(data, end) {
			lines = append(lines, string(line))
		}
	}
	out := p.output()
	if repeat {
		if len(lines) == 0 {
			if count != 0 {
				p.Errorf("no lines to repeat")
				return 1
			}
			return 0
		}
		for i := 0; i != count && !out.broken(); i++ {
			out.line([]byte(lines[rand.IntN(len(lines))]), end)
		}
		return out.finish(0)
	}
	rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	if count >= 0 {
		lines = lines[:min(count, len(lines))]
	}
	for _, line := range lines {
		out.line([]byte(line), end)
	}
	return out.finish(0)
}

// factor prints the prime factors of numbers.
func factor(p *Process) int {
	_, numbers, status, done := p.parse(usage{synopsis: "[NUMBER]...", about: "Print the prime factors of each NUMBER."})
	if done {
		return status
	}
	if len(numbers) == 0 {
		data, err := p.readAll("-")
		if err != nil {
			p.Errorf("error reading input")
			return 1
		}
		numbers = strings.Fields(string(data))
	}
	out := p.output()
	for _, text := range numbers {
		n, ok := new(big.Int).SetString(strings.TrimPrefix(text, "+"), 10)
		if !ok || n.Sign() < 0 {
			p.Errorf("%s is not a valid positive integer", quote(text))
			status = 1
			continue
		}
		if !n.IsUint64() {
			p.Errorf("%s is too large", quote(text))
			status = 1
			continue
		}
		out.WriteString(n.String() + ":")
		left := n.Uint64()
		for d := uint64(2); left > 1 && d <= left/d && p.Context.Err() == nil; d++ {
			for left%d == 0 {
				out.WriteString(" " + strconv.FormatUint(d, 10))
				left /= d
			}
		}
		if left > 1 {
			out.WriteString(" " + strconv.FormatUint(left, 10))
		}
		out.WriteByte('\n')
	}
	return out.finish(status)
}

// envsubst replaces $NAME and ${NAME} by variables.
func envsubst(p *Process) int {
	_, operands, status, done := p.parse(usage{synopsis: "[SHELL-FORMAT]", about: "Substitute the values of environment variables.", options: []string{"v variables"}})
	if done {
		return status
	}
	re, err := CompileRegexp(`\$(\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)`, RegexpOptions{Extended: true})
	if err != nil {
		p.Errorf("%s", err)
		return 1
	}
	wanted := map[string]bool{}
	if len(operands) > 0 {
		text := []byte(operands[0])
		for _, loc := range re.FindAll(text, 0) {
			wanted[strings.Trim(string(text[loc[2]:loc[3]]), "{}")] = true
		}
	}
	data, err := p.readAll("-")
	if err != nil {
		p.Errorf("error while reading \"standard input\": %s", strerror(err))
		return 1
	}
	out := p.output()
	at := 0
	for _, loc := range re.FindAll(data, 0) {
		name := strings.Trim(string(data[loc[2]:loc[3]]), "{}")
		if len(operands) > 0 && !wanted[name] {
			continue
		}
		out.Write(data[at:loc[0]])
		out.WriteString(p.Getenv(name))
		at = loc[1]
	}
	out.Write(data[at:])
	return out.finish(status)
}
