package builtins

import (
	"io"
	"strings"
)

// sudo runs a command as its own user, who is root as a rule. A process of the sandbox cannot become another user.
func sudo(p *Process) int {
	u := usage{synopsis: "[-EHkn] [-u USER] [--] [NAME=VALUE]... COMMAND [ARG]...", about: "Run a command as the user that one is already.", inOrder: true,
		options: []string{"u user=", "E preserve-env?", "H set-home", "n non-interactive", "k reset-timestamp", "S stdin", "D chdir=", "v validate", "p prompt="},
		lacks:   []string{"A askpass", "b background", "C close-from=", "e edit", "g group=", "h host=", "i login", "l list", "s shell", "U other-user=", "T command-timeout=", "R chroot=", "K remove-timestamp"}}
	opts, words, status, done := p.parse(u)
	if done {
		return status
	}
	user, home, env := "root", false, p.Env
	c := Command{}
	for _, o := range opts {
		switch o.name {
		case "u":
			user = o.value
		case "H":
			home = true
		case "D":
			c.Dir = o.value
		case "v":
			return 0
		}
	}
	to, status := p.ownUser(user)
	if status != 0 {
		return status
	}
	for len(words) > 0 && strings.Contains(words[0], "=") {
		name, _, _ := strings.Cut(words[0], "=")
		env, words = setVariable(env, name, words[0]), words[1:]
	}
	if len(words) == 0 {
		io.WriteString(p.Stderr, "usage: sudo [-EHkn] [-u user] [VAR=value] command [arg ...]\n")
		return 1
	}
	for name, value := range map[string]string{"SUDO_USER": to.name, "SUDO_UID": itoa(int(to.uid)), "SUDO_GID": itoa(int(to.gid)), "SUDO_COMMAND": strings.Join(words, " "), "USER": to.name, "LOGNAME": to.name} {
		env = setVariable(env, name, name+"="+value)
	}
	if home {
		env = setVariable(env, "HOME", "HOME="+to.home)
	}
	c.Args, c.Env = words, env
	return p.runAs(c)
}

// su is su, and runuser with its -u.
func su(p *Process) int {
	u := usage{synopsis: "[OPTION]... [-] [USER [ARG]...]", about: "Run a shell or a command as the user that one is already.", inOrder: p.Name() == "runuser",
		options: []string{"c command=", "s shell=", "l login", "m p preserve-environment", "u user=", "f fast"}, lacks: []string{"g group=", "G supp-group=", "P pty", "w whitelist-environment=", "session-command="}}
	opts, words, status, done := p.parse(u)
	if done {
		return status
	}
	user, command, shell, login, direct := "root", "", "", false, false
	for _, o := range opts {
		switch o.name {
		case "c":
			command = o.value
		case "s":
			shell = o.value
		case "l":
			login = true
		case "u":
			user, direct = o.value, true
		}
	}
	if !direct && len(words) > 0 && words[0] == "-" {
		login, words = true, words[1:]
	}
	if !direct && len(words) > 0 {
		user, words = words[0], words[1:]
	}
	to, status := p.ownUser(user)
	if status != 0 {
		return status
	}
	c := Command{Env: p.Env}
	for name, value := range map[string]string{"HOME": to.home, "SHELL": to.shell, "USER": to.name, "LOGNAME": to.name} {
		if !direct && (login || name == "HOME" || name == "SHELL" || to.uid != 0) {
			c.Env = setVariable(c.Env, name, name+"="+value)
		}
	}
	if direct {
		if len(words) == 0 {
			p.Errorf("no command was specified")
			return 1
		}
		c.Args = words
		return p.runAs(c)
	}
	if shell == "" {
		shell = to.shell
	}
	if shell == "" {
		shell = "/bin/sh"
	}
	if login {
		c.Dir = to.home
	}
	c.Args = []string{shell}
	if command != "" {
		c.Args = append(c.Args, "-c", command)
	}
	c.Args = append(c.Args, words...)
	return p.runAs(c)
}

// ownUser finds an account, which must be that of the process.
func (p *Process) ownUser(name string) (account, int) {
	to, ok := p.accounts().user(name)
	if id, isNumber := strings.CutPrefix(name, "#"); isNumber {
		to, ok = p.accounts().userByID(uint32(atoiOr(id, -1)))
	}
	if !ok {
		if p.Name() == "sudo" {
			p.Errorf("unknown user %s", name)
		} else {
			p.Errorf("user %s does not exist or the user entry does not contain all the required fields", name)
		}
		return to, 1
	}
	if to.uid != p.Files.Cred().UID {
		p.Errorf("becoming another user (%s) is not supported in the sandbox: start a container or an exec with --user %s", to.name, to.name)
		return to, 2
	}
	return to, 0
}

func (p *Process) runAs(c Command) int {
	c.Stdin, c.Stdout, c.Stderr, c.ReplacesCaller = p.Stdin, p.Stdout, p.Stderr, true
	status, err := p.System.Run(p.Context, c)
	if err != nil {
		if p.Name() == "sudo" {
			p.Errorf("%s: command not found", c.Args[0])
			return 1
		}
		return p.cannotRun("failed to execute %s: %s", c.Args[0], err)
	}
	return status
}
