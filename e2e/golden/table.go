package golden

import (
	"path"
	"strings"
)

// Table is the list of Explanations for people, with the names of the recordings that each is about.
func Table(recordings []Recording) string {
	var out strings.Builder
	out.WriteString("| answers | where | why |\n|---|---|---|\n")
	reason := ""
	for _, e := range Explanations() {
		if !strings.HasPrefix(e.Reason, "as above") {
			reason = e.Reason
		}
		why := reason
		if more, ok := strings.CutPrefix(e.Reason, "as above, "); ok {
			why += "; " + more
		}
		out.WriteString("| " + about(e.Recording, recordings) + " | `" + e.Path + "` | " + why + " |\n")
	}
	return out.String()
}

// about names recordings without their numbers: one, or what they have in common.
func about(pattern string, recordings []Recording) string {
	var names []string
	for _, r := range recordings {
		if ok, err := path.Match(pattern, r.Name); err == nil && ok {
			_, name, _ := strings.Cut(r.Name, "-")
			names = append(names, name)
		}
	}
	switch {
	case len(names) == len(recordings):
		return "all"
	case len(names) > 3:
		return "`" + pattern + "`"
	}
	return strings.Join(names, ", ")
}
