package offload

import (
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/sockerless/sockerless/runtime"
)

// glob tells whether a text matches a pattern: * is any run of characters but /, ** any run, ? one character but /. A
// pattern of nothing but stars matches everything.
func glob(pattern, text string) bool {
	if strings.Trim(pattern, "*") == "" {
		return pattern != "" || text == ""
	}
	return expression(pattern, "[^/]").MatchString(text)
}

// word is glob for texts in which / is nothing special.
func word(pattern, text string) bool { return expression(pattern, ".").MatchString(text) }

func expression(pattern, character string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)^`)
	for len(pattern) > 0 {
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = strings.TrimLeft(pattern, "*")
			b.WriteString(".*")
		case pattern[0] == '*':
			pattern = pattern[1:]
			b.WriteString(character + "*")
		case pattern[0] == '?':
			pattern = pattern[1:]
			b.WriteString(character)
		default:
			end := strings.IndexAny(pattern, "*?")
			if end < 0 {
				end = len(pattern)
			}
			b.WriteString(regexp.QuoteMeta(pattern[:end]))
			pattern = pattern[end:]
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

// imageNames are all texts by which a pattern may know an image: its familiar and its full name, with and without tag
// and digest, and its id.
func imageNames(i runtime.Image) []string {
	names := []string{i.Name, i.ID}
	if named, err := reference.ParseNormalizedNamed(i.Name); err == nil {
		bare := reference.TrimNamed(named)
		names = append(names, reference.FamiliarName(named), bare.Name(), reference.FamiliarString(named), named.String())
		tagged := reference.TagNameOnly(named)
		names = append(names, reference.FamiliarString(tagged), tagged.String())
		if digested, ok := named.(reference.Digested); ok {
			names = append(names, digested.Digest().String())
		}
	}
	return names
}

// matchesBind tells whether a folder is under a pattern: /srv/** has /srv too.
func matchesBind(pattern, folder string) bool {
	return glob(pattern, folder) || strings.HasSuffix(pattern, "/**") && glob(strings.TrimSuffix(pattern, "/**"), folder)
}

// matches tells whether a rule is for a container, or which of its conditions fails.
func (r *Rule) matches(image runtime.Image, labels map[string]string) (ok bool, why string) {
	any := func(patterns []string, texts ...string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			return slices.ContainsFunc(texts, func(t string) bool { return t != "" && glob(p, t) })
		})
	}
	if len(r.Image) > 0 && !any(r.Image, imageNames(image)...) {
		return false, "image is not " + strings.Join(r.Image, " or ")
	}
	if len(r.Platform) > 0 && !any(r.Platform, image.Platform) {
		return false, "platform is not " + strings.Join(r.Platform, " or ")
	}
	for _, wanted := range r.Label {
		key, value, valued := strings.Cut(wanted, "=")
		found := false
		for k, v := range labels {
			found = found || word(key, k) && (!valued || word(value, v))
		}
		if !found {
			return false, "no label " + wanted
		}
	}
	return true, ""
}
