package shell

import (
	"io"
	"os"
	"strings"

	"github.com/sockerless/sockerless/wasi/kernel"
)

// startInteractive takes the terminal and turns job control on.
func (sh *shell) startInteractive() {
	sh.opts.emacs, sh.opts.history, sh.opts.histexpand = sh.bash, sh.bash, sh.bash
	sh.shopts.expandAliases = true
	if sh.bash {
		if _, ok := sh.get("HISTFILE"); !ok {
			sh.assign("HISTFILE", strings.TrimSuffix(sh.getOr("HOME", ""), "/")+"/.bash_history")
		}
	}
	for _, sig := range []kernel.Signal{kernel.SIGINT, kernel.SIGTERM, kernel.SIGQUIT, kernel.SIGTSTP, kernel.SIGTTIN, kernel.SIGTTOU} {
		_ = sh.p.SetAction(sig, sh.interactiveAction(sig))
	}
	sh.traps.any = true
	sh.terminal = sh.p.Terminal()
	if sh.terminal != nil {
		if sh.p.PGID() != sh.p.PID() {
			_ = sh.p.Setpgid(0, 0)
		}
		_ = sh.terminal.SetForeground(sh.p, sh.p.PGID())
		sh.opts.monitor = true
	}
	if _, ok := sh.get("PS1"); !ok {
		sh.assign("PS1", `\s-\v\$ `)
	}
	if _, ok := sh.get("PS2"); !ok {
		sh.assign("PS2", "> ")
	}
}

// interactiveAction is what an interactive shell does with a signal that has no trap.
func (sh *shell) interactiveAction(sig kernel.Signal) kernel.Action {
	switch sig {
	case kernel.SIGINT:
		return kernel.Catch
	case kernel.SIGTERM, kernel.SIGQUIT, kernel.SIGTSTP, kernel.SIGTTIN, kernel.SIGTTOU:
		return kernel.Ignore
	}
	return kernel.Default
}

// converse reads commands from the terminal until exit or the end of input.
func (sh *shell) converse() {
	src := &source{prompts: true}
	src.line = func() (string, error) { return sh.promptedLine(src) }
	for sh.unwind == running && !src.ended {
		sh.run(src)
	}
	if src.ended && sh.unwind == running {
		sh.writeError("exit\n")
	}
}

// promptedLine shows a prompt and reads a line.
func (sh *shell) promptedLine(src *source) (string, error) {
	name := "PS1"
	if src.partial {
		name = "PS2"
	} else {
		sh.leaving, sh.history.added = false, false
		sh.report()
		if command := sh.getOr("PROMPT_COMMAND", ""); command != "" && sh.bash {
			sh.runTrap("PROMPT_COMMAND", command)
		}
	}
	prompt := sh.promptText(sh.getOr(name, ""))
	f, err := sh.p.FDs().Get(0)
	if err != nil {
		return "", io.EOF
	}
	tty := f.TTY()
	if tty == nil {
		sh.writeError(prompt)
		line, ok := sh.readLine()
		if ok {
			line += "\n"
		}
		return line, nil
	}
	e := editor{sh: sh, tty: tty, prompt: prompt}
	line, err := e.edit()
	switch err {
	case nil:
		return line + "\n", nil
	case errInterrupted:
		sh.status = 130
		if text := sh.traps.handlers[kernel.SIGINT]; text != nil {
			sh.runTrap("trap", *text)
		}
		if !src.partial {
			return "\n", nil
		}
		return "", errInterrupted
	}
	if src.partial {
		return "", io.EOF
	}
	return "", io.EOF
}

// promptText expands the escapes of a prompt, then parameters and commands.
func (sh *shell) promptText(s string) string {
	sh.enter("prompt") // which may expand itself: ${x@P}
	defer func() { sh.depth-- }()
	var b strings.Builder
	if sh.bash {
		for i := 0; i < len(s); i++ {
			if s[i] != '\\' || i+1 >= len(s) {
				b.WriteByte(s[i])
				continue
			}
			i++
			i += sh.promptEscape(&b, s[i:]) - 1
		}
		s = b.String()
	}
	if !strings.ContainsAny(s, "$`") {
		return s
	}
	status := sh.status
	out := fieldBuilder{sh: sh}
	out.parts(sh.parseText(s), true)
	sh.status = status
	return string(out.buf)
}

// promptEscape writes what an escape stands for and returns its length without the backslash.
func (sh *shell) promptEscape(b *strings.Builder, s string) int {
	switch c := s[0]; c {
	case 'u':
		b.WriteString(sh.userName())
	case 'h', 'H':
		host := sh.p.Table().Hostname()
		if c == 'h' {
			host, _, _ = strings.Cut(host, ".")
		}
		b.WriteString(host)
	case 'w', 'W':
		dir := sh.homeShort(sh.workDir())
		if c == 'W' && dir != "/" && dir != "~" {
			dir = dir[strings.LastIndexByte(dir, '/')+1:]
		}
		b.WriteString(dir)
	case '$':
		if sh.p.Files().Cred().UID == 0 {
			b.WriteByte('#')
		} else {
			b.WriteString(`\$`)
		}
	case 's':
		b.WriteString(strings.TrimPrefix(sh.name[strings.LastIndexByte(sh.name, '/')+1:], "-"))
	case 'v':
		b.WriteString("5.2")
	case 'V':
		b.WriteString("5.2.15")
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 'a':
		b.WriteByte('\a')
	case 'e':
		b.WriteByte(0x1b)
	case 'j':
		b.WriteString(itoa(int64(len(sh.jobs.list))))
	case 'l':
		b.WriteString("tty")
	case '!', '#':
		b.WriteString(itoa(int64(sh.history.number())))
	case 't':
		b.WriteString(strftime("%H:%M:%S", now().In(sh.zone())))
	case 'T':
		b.WriteString(strftime("%I:%M:%S", now().In(sh.zone())))
	case '@':
		b.WriteString(strftime("%I:%M %p", now().In(sh.zone())))
	case 'A':
		b.WriteString(strftime("%H:%M", now().In(sh.zone())))
	case 'd':
		b.WriteString(strftime("%a %b %d", now().In(sh.zone())))
	case 'D':
		if end := strings.IndexByte(s, '}'); len(s) > 1 && s[1] == '{' && end > 0 {
			format := s[2:end]
			if format == "" {
				format = "%X"
			}
			b.WriteString(strftime(format, now().In(sh.zone())))
			return end + 1
		}
		b.WriteString(`\D`)
	case '[', ']':
		// What is between these takes no room on the screen: the editor measures the prompt without escapes anyway.
	case '\\':
		b.WriteString(`\\`)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n, used := digitsOf(s, 8, 3)
		b.WriteByte(byte(n))
		return used
	default:
		b.WriteByte('\\')
		b.WriteByte(c)
	}
	return 1
}

// userName is the user's name from the container's /etc/passwd.
func (sh *shell) userName() string {
	uid := itoa(int64(sh.p.Files().Cred().UID))
	data, err := sh.p.Files().ReadFile("/etc/passwd")
	if err != nil && !os.IsNotExist(err) {
		return "I have no name!"
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == uid {
			return f[0]
		}
	}
	if uid == "0" {
		return "root"
	}
	return "I have no name!"
}
