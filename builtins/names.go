package builtins

import (
	"bufio"
	"strings"
)

var basenameUsage = usage{
	synopsis: "NAME [SUFFIX]\n  or:  basename OPTION... NAME...",
	about:    "Print NAME with any leading directory components removed.",
	inOrder:  true,
	options:  []string{"a multiple", "s suffix=", "z zero"},
}

func basename(p *Process) int {
	opts, operands, status, done := p.parse(basenameUsage)
	if done {
		return status
	}
	multiple, suffix, end := false, "", "\n"
	for _, o := range opts {
		switch o.name {
		case "a":
			multiple = true
		case "s":
			multiple, suffix = true, o.value
		case "z":
			end = "\x00"
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(basenameUsage)
	}
	if !multiple {
		if len(operands) > 2 {
			return p.extraOperand(basenameUsage, operands[2])
		}
		if len(operands) == 2 {
			suffix, operands = operands[1], operands[:1]
		}
	}
	out := bufio.NewWriter(p.Stdout)
	defer out.Flush()
	for _, name := range operands {
		if name != "" {
			name = lastElement(name)
		}
		if name != suffix {
			name = strings.TrimSuffix(name, suffix)
		}
		out.WriteString(name + end)
	}
	return 0
}

var dirnameUsage = usage{
	synopsis: "[OPTION] NAME...",
	about:    "Output each NAME with its last non-slash component and trailing slashes removed.",
	options:  []string{"z zero"},
}

func dirname(p *Process) int {
	opts, operands, status, done := p.parse(dirnameUsage)
	if done {
		return status
	}
	end := "\n"
	if len(opts) > 0 {
		end = "\x00"
	}
	if len(operands) == 0 {
		return p.missingOperand(dirnameUsage)
	}
	out := bufio.NewWriter(p.Stdout)
	defer out.Flush()
	for _, name := range operands {
		out.WriteString(dirName(name) + end)
	}
	return 0
}

// dirName is a path without its last element, "." if it has only one.
func dirName(name string) string {
	trimmed := strings.TrimRight(name, "/")
	slash := strings.LastIndexByte(trimmed, '/')
	switch {
	case trimmed == "" && name != "":
		return "/"
	case slash < 0:
		return "."
	}
	if dir := strings.TrimRight(trimmed[:slash], "/"); dir != "" {
		return dir
	}
	return "/"
}
