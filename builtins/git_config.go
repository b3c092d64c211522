package builtins

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// gitSetting is a line of the configuration. The key is "section.name" or "section.sub.name", lower case but for sub.
type gitSetting struct{ key, value, origin string }

// gitKey makes the parts of a key lower case that have no case.
func gitKey(key string) string {
	first, last := strings.IndexByte(key, '.'), strings.LastIndexByte(key, '.')
	if first < 0 {
		return strings.ToLower(key)
	}
	return strings.ToLower(key[:first]) + key[first:last] + strings.ToLower(key[last:])
}

// parseGitConfig reads a file of settings. start is the line at which each stands.
func parseGitConfig(text, origin string) (settings []gitSetting, start []int) {
	section := ""
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if strings.HasPrefix(line, "[") {
			end := strings.IndexByte(line, ']')
			if end < 0 {
				continue
			}
			section = gitSection(line[1:end])
			line = strings.TrimSpace(line[end+1:])
		}
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		at := i
		name, value, has := strings.Cut(line, "=")
		for has && strings.HasSuffix(value, `\`) && i+1 < len(lines) {
			i++
			value = strings.TrimSuffix(value, `\`) + lines[i]
		}
		if !has {
			value = "true"
			name, _, _ = strings.Cut(name, "#")
		}
		settings = append(settings, gitSetting{section + "." + strings.ToLower(strings.TrimSpace(name)), gitValue(value), origin})
		start = append(start, at)
	}
	return settings, start
}

// gitSection is the name of a section: [remote "origin"] is remote.origin.
func gitSection(header string) string {
	name, sub, quoted := strings.Cut(header, `"`)
	name = strings.ToLower(strings.TrimSpace(name))
	if !quoted {
		return name
	}
	sub = strings.TrimSuffix(sub, `"`)
	return name + "." + strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(sub)
}

// gitValue takes quotes, escapes and comments out of a value.
func gitValue(text string) string {
	var b strings.Builder
	text = strings.TrimSpace(text)
	quoted, kept := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
			kept = b.Len()
			continue
		case c == '\\' && i+1 < len(text):
			i++
			if at := strings.IndexByte("ntb", text[i]); at >= 0 {
				b.WriteByte("\n\t\b"[at])
			} else {
				b.WriteByte(text[i])
			}
			kept = b.Len()
			continue
		case (c == '#' || c == ';') && !quoted:
			i = len(text)
			continue
		default:
			b.WriteByte(c)
			if quoted || c != ' ' && c != '\t' {
				kept = b.Len()
			}
		}
	}
	return b.String()[:kept]
}

// configFiles are the files of the configuration, the strongest last.
func (g *git) configFiles() []string {
	home := g.p.Getenv("HOME")
	if home == "" {
		if u, ok := g.p.accounts().userByID(g.p.Files.Cred().UID); ok {
			home = u.home
		}
	}
	files := []string{"/etc/gitconfig", joinName(home, ".config/git/config"), joinName(home, ".gitconfig")}
	if name, ok := g.p.LookupEnv("GIT_CONFIG_GLOBAL"); ok {
		files = []string{files[0], name}
	}
	if g.p.Getenv("GIT_CONFIG_NOSYSTEM") != "" {
		files = files[1:]
	}
	if g.dir != "" {
		files = append(files, g.dir+"/config")
	}
	return files
}

// settings are all settings; with included files.
func (g *git) settings() []gitSetting {
	var all []gitSetting
	var read func(name string, depth int)
	read = func(name string, depth int) {
		data, err := g.p.Files.ReadFile(name)
		if err != nil || depth > 10 {
			return
		}
		list, _ := parseGitConfig(string(data), "file:"+name)
		for _, s := range list {
			all = append(all, s)
			if s.key == "include.path" {
				to := s.value
				if rest, ok := strings.CutPrefix(to, "~/"); ok {
					to = joinName(g.p.Getenv("HOME"), rest)
				} else if !strings.HasPrefix(to, "/") {
					to = joinName(dirName(name), to)
				}
				read(to, depth+1)
			}
		}
	}
	for _, name := range g.configFiles() {
		read(name, 0)
	}
	count, _ := strconv.Atoi(g.p.Getenv("GIT_CONFIG_COUNT"))
	for i := range min(count, 1000) {
		all = append(all, gitSetting{gitKey(g.p.Getenv("GIT_CONFIG_KEY_" + itoa(i))), g.p.Getenv("GIT_CONFIG_VALUE_" + itoa(i)), "command line:"})
	}
	return append(all, g.overrides...)
}

// config is the value of a setting, "" if there is none.
func (g *git) config(key string) string {
	value := ""
	for _, s := range g.settings() {
		if s.key == gitKey(key) {
			value = s.value
		}
	}
	return value
}

// quoteGitValue writes a value such that gitValue reads it back.
func quoteGitValue(value string) string {
	text := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(value)
	if strings.ContainsAny(value, "#;") || strings.TrimSpace(value) != value {
		return `"` + text + `"`
	}
	return text
}

// editConfig changes a file of settings: all the values of a key become those given, where the last of them stood.
func (g *git) editConfig(file, key string, values ...string) error {
	data, err := g.p.Files.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key = gitKey(key)
	last := strings.LastIndexByte(key, '.')
	section, name := key[:last], key[last+1:]
	var lines []string
	if len(data) > 0 {
		lines = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	}
	settings, start := parseGitConfig(string(data), "")
	at := -1
	for i := len(settings) - 1; i >= 0; i-- {
		if settings[i].key == key {
			lines = slices.Delete(lines, start[i], start[i]+1)
			if at >= 0 {
				at--
			} else {
				at = start[i]
			}
		}
	}
	if at < 0 {
		for i, line := range lines {
			trimmed := strings.TrimSpace(line)
			if strings.HasPrefix(trimmed, "[") && strings.HasSuffix(trimmed, "]") && gitSection(trimmed[1:len(trimmed)-1]) == section {
				at = i + 1
				for at < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[at]), "[") {
					at++
				}
			}
		}
	}
	var added []string
	if at < 0 && len(values) > 0 {
		header := "[" + section + "]"
		if top, sub, ok := strings.Cut(section, "."); ok {
			header = "[" + top + ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(sub) + `"]`
		}
		added, at = append(added, header), len(lines)
	}
	for _, v := range values {
		added = append(added, "\t"+name+" = "+quoteGitValue(v))
	}
	if len(added) > 0 {
		lines = slices.Insert(lines, at, added...)
	}
	return g.writeConfig(file, g.withoutEmpty(lines, section, len(values) == 0))
}

// withoutEmpty drops a section's header when nothing is left below it.
func (g *git) withoutEmpty(lines []string, section string, drop bool) []string {
	for i := 0; drop && i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		if !strings.HasPrefix(trimmed, "[") || !strings.HasSuffix(trimmed, "]") || gitSection(trimmed[1:len(trimmed)-1]) != section {
			continue
		}
		if i+1 == len(lines) || strings.HasPrefix(strings.TrimSpace(lines[i+1]), "[") {
			lines = slices.Delete(lines, i, i+1)
			i--
		}
	}
	return lines
}

func (g *git) writeConfig(file string, lines []string) error {
	text := strings.Join(lines, "\n")
	if text != "" {
		text += "\n"
	}
	return g.p.Files.WriteFile(file, []byte(text), 0o666)
}

// editSection removes a section, or gives it another name.
func (g *git) editSection(file, section, to string) (found bool, err error) {
	data, err := g.p.Files.ReadFile(file)
	if err != nil {
		return false, err
	}
	var kept []string
	inside := false
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "[") && strings.HasSuffix(trimmed, "]") {
			if inside = gitSection(trimmed[1:len(trimmed)-1]) == section; inside {
				found = true
				if top, sub, ok := strings.Cut(to, "."); ok {
					kept = append(kept, "["+top+` "`+sub+`"]`)
				}
				continue
			}
		}
		if !inside || to != "" {
			kept = append(kept, line)
		}
	}
	return found, g.writeConfig(file, kept)
}

// gitConfigCommand is git config.
func gitConfigCommand(g *git, c gitCall) error {
	file, only := g.dir+"/config", []string(nil)
	switch {
	case c.has("global"):
		file = joinName(g.p.Getenv("HOME"), ".gitconfig")
		if name, ok := g.p.LookupEnv("GIT_CONFIG_GLOBAL"); ok {
			file = name
		}
		only = []string{file}
	case c.has("system"):
		file = "/etc/gitconfig"
		only = []string{file}
	case c.has("f"):
		file = c.value("f")
		only = []string{g.abs(file)}
		file = g.abs(file)
	case g.dir == "" && c.has("local"):
		return fatalf("--local can only be used inside a git repository")
	case c.has("local"):
		only = []string{file}
	}
	settings := g.settings()
	if only != nil {
		settings = nil
		for _, name := range only {
			data, err := g.p.Files.ReadFile(name)
			if err != nil && (c.has("f") || c.has("l")) {
				return fatalf("unable to read config file '%s': %s", name, strerror(err))
			}
			list, _ := parseGitConfig(string(data), "file:"+name)
			settings = append(settings, list...)
		}
	}
	operands := append(slices.Clone(c.operands), c.paths...)
	end := "\n"
	if c.has("z") {
		end = "\x00"
	}
	show := func(s gitSetting, name bool) error {
		value := s.value
		if c.has("bool") || c.value("type") == "bool" {
			on, ok := gitBool(value)
			if !ok {
				return fatalf("bad boolean config value '%s' for '%s'", value, s.key)
			}
			value = strconv.FormatBool(on)
		}
		if c.has("show-origin") {
			g.out.WriteString(s.origin + "\t")
		}
		switch {
		case c.has("name-only"):
			g.out.WriteString(s.key + end)
		case name && end == "\n":
			g.out.WriteString(s.key + map[bool]string{true: "=", false: " "}[c.has("l")] + value + end)
		case name:
			g.out.WriteString(s.key + "\n" + value + end)
		default:
			g.out.WriteString(value + end)
		}
		return nil
	}
	if c.has("l") {
		for _, s := range settings {
			if err := show(s, true); err != nil {
				return err
			}
		}
		return nil
	}
	if len(operands) == 0 {
		return gitExit(129)
	}
	key := gitKey(operands[0])
	if c.has("get-regexp") {
		re, err := CompileRegexp(operands[0], RegexpOptions{Extended: true})
		if err != nil {
			return fatalf("invalid key pattern: %s", operands[0])
		}
		status := error(gitExit(1))
		for _, s := range settings {
			if re.Match([]byte(s.key)) {
				status = nil
				if err := show(s, true); err != nil {
					return err
				}
			}
		}
		return status
	}
	if c.has("remove-section") {
		found, err := g.editSection(file, operands[0], "")
		if err == nil && !found {
			return fatalf("no such section: %s", operands[0])
		}
		return err
	}
	if !strings.Contains(key, ".") {
		g.out.Flush()
		return gitError("key does not contain a section: " + operands[0])
	}
	var values []string
	for _, s := range settings {
		if s.key == key {
			values = append(values, s.value)
		}
	}
	unset, writes := c.has("unset") || c.has("unset-all"), len(operands) > 1 && !c.has("get") && !c.has("get-all")
	if (unset || writes) && g.dir == "" && only == nil {
		return fatalf("not in a git directory")
	}
	own := func() []string {
		data, _ := g.p.Files.ReadFile(file)
		list, _ := parseGitConfig(string(data), "")
		var values []string
		for _, s := range list {
			if s.key == key {
				values = append(values, s.value)
			}
		}
		return values
	}
	switch {
	case unset:
		if len(own()) == 0 || len(own()) > 1 && !c.has("unset-all") {
			return gitExit(5)
		}
		return g.editConfig(file, key)
	case writes && c.has("add"):
		return g.editConfig(file, key, append(own(), operands[1])...)
	case writes:
		if len(own()) > 1 && !c.has("replace-all") {
			g.p.Errorf("warning: %s has multiple values", key)
			return gitExit(5)
		}
		return g.editConfig(file, key, operands[1])
	case len(values) == 0 && c.has("default"):
		values = []string{c.value("default")}
	case len(values) == 0:
		return gitExit(1)
	}
	if !c.has("get-all") {
		values = values[len(values)-1:]
	}
	for _, v := range values {
		if err := show(gitSetting{key: key, value: v}, false); err != nil {
			return err
		}
	}
	return nil
}

func gitBool(text string) (on, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0", "":
		return false, true
	}
	n, err := strconv.Atoi(text)
	return n != 0, err == nil
}
