package builtins

import (
	"fmt"
	"strings"
)

// lsbRelease tells the distribution as /etc/os-release has it.
func lsbRelease(p *Process) int {
	opts, _, status, done := p.parse(usage{synopsis: "[OPTION]...", about: "Print the distribution's name and version.", options: []string{"a all", "i id", "d description", "r release", "c codename", "s short", "v"}})
	if done {
		return status
	}
	data, err := p.Files.ReadFile("/etc/os-release")
	if err != nil {
		p.Errorf("/etc/os-release: %s", strerror(err))
		return 1
	}
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	if id := values["ID"]; id != "" {
		values["ID"] = strings.ToUpper(id[:1]) + id[1:]
	}
	var wanted string
	short := false
	for _, o := range opts {
		switch o.name {
		case "a":
			wanted = "idrc"
		case "s":
			short = true
		default:
			wanted += o.name
		}
	}
	out := p.output()
	for _, row := range []struct{ letter, label, key string }{{"i", "Distributor ID:", "ID"}, {"d", "Description:", "PRETTY_NAME"}, {"r", "Release:", "VERSION_ID"}, {"c", "Codename:", "VERSION_CODENAME"}} {
		if !strings.Contains(wanted, row.letter) {
			continue
		}
		value := values[row.key]
		if value == "" {
			value = "n/a"
		}
		if short {
			out.WriteString(value + "\n")
		} else {
			fmt.Fprintf(out, "%s\t%s\n", row.label, value)
		}
	}
	return out.finish(0)
}
