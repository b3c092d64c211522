package agent

import (
	"path"
	"slices"
	"strings"
)

// FilterEnv is what of an environment (NAME=value) leaves this machine. patterns (as of path.Match) are of names that stay, or
// behind a "!" of those that go; the last that matches decides. What a wrong pattern means nobody knows: the variable stays.
func FilterEnv(env, patterns []string) []string {
	if len(patterns) == 0 {
		return env
	}
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		stays := false
		for _, pattern := range patterns {
			pattern, goes := strings.CutPrefix(pattern, "!")
			if ok, err := path.Match(pattern, name); ok || err != nil {
				stays = !goes || err != nil
			}
		}
		return stays
	})
}
