package builtins

import "strings"

// stdbuf runs a command. The commands of the sandbox buffer by what their output is, guests by their own rules, so
// that only the modes which change nothing for correct programs are taken.
func stdbuf(p *Process) int {
	u := usage{synopsis: "OPTION... COMMAND", about: "Run COMMAND; how its streams are buffered is its own choice in the sandbox.", status: 125, inOrder: true,
		options: []string{"i input=", "o output=", "e error="}}
	opts, operands, status, done := p.parse(u)
	if done {
		return status
	}
	for _, o := range opts {
		if _, err := parseSize(o.value); o.value != "L" && err != nil {
			p.Errorf("invalid mode %s", quote(o.value))
			return 125
		}
		if o.name == "i" && o.value == "L" {
			p.Errorf("line buffering stdin is meaningless")
			return p.tryHelp(u)
		}
	}
	switch {
	case len(operands) == 0:
		return p.missingOperand(u)
	case len(opts) == 0:
		p.Errorf("you must specify a buffering mode option")
		return p.tryHelp(u)
	}
	return p.replaceBy(Command{Args: operands, Env: p.Env})
}

// refusals are the commands that need a kernel of their own, and why each cannot be.
var refusals = map[string]string{
	"chroot": "cannot change root directory: a container's root cannot be changed in the sandbox; start a container of the other image",
	"umount": "the sandbox's mounts are fixed when the container is made (docker run -v, --mount, --tmpfs)",
	"dmesg":  "read kernel buffer failed: Operation not permitted (there is no kernel log in the sandbox)",
}

// refused is a command that says why it cannot do its work.
func refused(p *Process) int {
	_, _, status, done := p.parse(usage{synopsis: "[ARGUMENT]...", about: "Not supported: " + refusals[p.Name()] + ".", inOrder: true,
		options: []string{"l lazy", "f force", "a all", "t types=", "r", "T ctime", "H human", "k kernel", "userspec=", "groups=", "skip-chdir"}})
	if done {
		return status
	}
	p.Errorf("%s", refusals[p.Name()])
	if p.Name() == "chroot" {
		return 125
	}
	return 1
}

// mount lists what is mounted; it mounts nothing.
func mount(p *Process) int {
	opts, operands, status, done := p.parse(usage{synopsis: "[-t TYPE]", about: "List the mounted file systems.", options: []string{"l show-labels", "t types=", "o options=", "a all", "bind", "rbind", "r read-only", "w rw"}})
	if done {
		return status
	}
	types := ""
	for _, o := range opts {
		switch o.name {
		case "t":
			types = o.value
		case "l":
		default:
			operands = append(operands, "")
		}
	}
	if len(operands) > 0 {
		p.Errorf("permission denied: nothing can be mounted from within the sandbox (use docker run -v, --mount or --tmpfs)")
		return 32
	}
	data, err := p.Files.ReadFile("/proc/mounts")
	if err != nil {
		p.Errorf("/proc/mounts: %s", strerror(err))
		return 1
	}
	out := p.output()
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 4 || types != "" && !strings.Contains(","+types+",", ","+f[2]+",") {
			continue
		}
		out.WriteString(f[0] + " on " + f[1] + " type " + f[2] + " (" + f[3] + ")\n")
	}
	return out.finish(0)
}
