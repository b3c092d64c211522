package builtins

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

func seq(p *Process) int {
	u := usage{
		synopsis: "[OPTION]... [FIRST [INCREMENT]] LAST",
		about:    "Print numbers from FIRST to LAST, in steps of INCREMENT.",
		inOrder:  true,
		options:  []string{"f format=", "s separator=", "w equal-width"},
	}
	// A negative number is no option.
	args := p.Args[1:]
	for i := 0; i < len(args) && strings.HasPrefix(args[i], "-"); i++ {
		if a := args[i]; len(a) > 1 && (a[1] == '.' || a[1] >= '0' && a[1] <= '9') {
			args = slices.Insert(slices.Clone(args), i, "--")
			break
		}
		if args[i] == "-s" || args[i] == "-f" {
			i++
		}
	}
	opts, operands, status, done := p.parseArgs(u, args)
	if done {
		return status
	}
	format, separator, equal := "", "\n", false
	for _, o := range opts {
		switch o.name {
		case "f":
			format = o.value
		case "s":
			separator = o.value
		case "w":
			equal = true
		}
	}
	switch {
	case len(operands) == 0:
		return p.missingOperand(u)
	case len(operands) > 3:
		return p.extraOperand(u, operands[3])
	case format != "" && equal:
		p.Errorf("format string may not be specified when printing equal width strings")
		return p.tryHelp(u)
	}
	words := []string{"1", "1", operands[len(operands)-1]}
	if len(operands) > 1 {
		words[0] = operands[0]
	}
	if len(operands) == 3 {
		words[1] = operands[1]
	}
	var n [3]*big.Float
	precision, width := 0, 0
	fixed := true
	for i, w := range words {
		x, rest := longFloat(w)
		if rest != "" {
			p.Errorf("invalid floating point argument: %s", quote(w))
			return p.tryHelp(u)
		}
		n[i] = x
		if strings.ContainsAny(w, "xXnN") || strings.Contains(strings.ToLower(w), "inf") {
			fixed = false
			continue
		}
		if i < 2 {
			precision = max(precision, decimals(w))
		}
	}
	if n[1].Sign() == 0 {
		p.Errorf("invalid Zero increment value: %s", quote(words[1]))
		return p.tryHelp(u)
	}
	spec := formatSpec{verb: 'g', precision: -1}
	prefix, suffix := "", ""
	if fixed {
		spec = formatSpec{verb: 'f', precision: precision}
	}
	if equal && fixed {
		for _, i := range []int{0, 2} {
			width = max(width, len(spec.long(n[i])))
		}
		spec.width, spec.zero = width, true
	}
	if format != "" {
		var problem string
		if prefix, spec, suffix, problem = seqFormat(format); problem != "" {
			p.Errorf("%s", problem)
			return 1
		}
	}
	out := p.output()
	x := new(big.Float).Copy(n[0])
	for i := int64(0); ; i++ {
		c := x.Cmp(n[2])
		past := c > 0 && n[1].Sign() > 0 || c < 0 && n[1].Sign() < 0
		if past {
			// A rounding error must not lose the last number: what prints as LAST is not past it.
			y, _ := longFloat(spec.long(x))
			if i == 0 || format != "" || y.Cmp(n[2]) != 0 || spec.long(x) == spec.long(seqAt(n, i-1)) {
				if i > 0 {
					out.WriteByte('\n')
				}
				return out.finish(0)
			}
		}
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(prefix + spec.long(x) + suffix)
		if out.broken() {
			return out.finish(1)
		}
		x = seqAt(n, i+1)
	}
}

// seqAt is the number i of the sequence, in long double arithmetic as GNU has it.
func seqAt(n [3]*big.Float, i int64) *big.Float {
	x := new(big.Float).SetPrec(64).Mul(n[1], new(big.Float).SetPrec(64).SetInt64(i))
	return x.Add(n[0], x)
}

// decimals is how many digits after the point a number has.
func decimals(w string) int {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(w), "e")
	_, fraction, _ := strings.Cut(mantissa, ".")
	e := 0
	fmt.Sscanf(exponent, "%d", &e)
	return max(len(fraction)-e, 0)
}

// seqFormat takes a -f format apart, which has exactly one conversion.
func seqFormat(format string) (prefix string, spec formatSpec, suffix, problem string) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if strings.HasPrefix(format[i:], "%%") {
			b.WriteByte('%')
			i++
			continue
		}
		if prefix != "" || spec.verb != 0 {
			return "", spec, "", fmt.Sprintf("format %s has too many %% directives", quote(format))
		}
		f, size := parseFormatSpec(format[i+1:], func() int { return 0 })
		if size == 0 {
			return "", spec, "", fmt.Sprintf("format %s ends in %%", quote(format))
		}
		if strings.IndexByte("aAeEfFgG", f.verb) < 0 {
			return "", spec, "", fmt.Sprintf("format %s has unknown %%%c directive", quote(format), f.verb)
		}
		prefix, spec = b.String(), f
		b.Reset()
		i += size
	}
	if spec.verb == 0 {
		return "", spec, "", fmt.Sprintf("format %s has no %% directive", quote(format))
	}
	return prefix, spec, b.String(), ""
}
