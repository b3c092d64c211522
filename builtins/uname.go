package builtins

import (
	"runtime"
	"strings"
)

// What uname reports of a kernel that is ours: Linux to scripts that ask, with a release that says whose.
const (
	kernelRelease = "6.1.0-sockerless"
	kernelVersion = "#1 Sockerless"
)

// machine is the processor's name as Linux has it.
func machine() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "i686"
	}
	return runtime.GOARCH
}

var unameUsage = usage{
	synopsis: "[OPTION]...",
	about:    "Print certain system information.",
	options: []string{"a all", "s kernel-name sysname", "n nodename", "r kernel-release release", "v kernel-version", "m machine", "p processor", "i hardware-platform",
		"o operating-system"},
}

func uname(p *Process) int {
	opts, operands, status, done := p.parse(unameUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(unameUsage, operands[0])
	}
	wanted := map[string]bool{}
	for _, o := range opts {
		wanted[o.name] = true
	}
	if len(opts) == 0 {
		wanted["s"] = true
	}
	var parts []string
	for _, f := range [][2]string{{"s", "Linux"}, {"n", p.System.Hostname()}, {"r", kernelRelease}, {"v", kernelVersion}, {"m", machine()}, {"p", "unknown"}, {"i", "unknown"},
		{"o", "GNU/Linux"}} {
		if wanted[f[0]] || wanted["a"] && f[1] != "unknown" {
			parts = append(parts, f[1])
		}
	}
	p.Stdout.Write([]byte(strings.Join(parts, " ") + "\n"))
	return 0
}

var archUsage = usage{synopsis: "[OPTION]...", about: "Print machine architecture."}

func arch(p *Process) int {
	_, operands, status, done := p.parse(archUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(archUsage, operands[0])
	}
	p.Stdout.Write([]byte(machine() + "\n"))
	return 0
}

var hostnameUsage = usage{
	synopsis: "[-fsdiI]",
	about:    "Show the system's host name.",
	options:  []string{"f fqdn long", "s short", "d domain", "i ip-address", "I all-ip-addresses"},
}

func hostname(p *Process) int {
	opts, operands, status, done := p.parse(hostnameUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		p.Errorf("you must be root to change the host name")
		return 1
	}
	name := p.System.Hostname()
	for _, o := range opts {
		short, domain, _ := strings.Cut(p.System.Hostname(), ".")
		switch o.name {
		case "s":
			name = short
		case "d":
			name = domain
		case "i", "I":
			found := p.hosts(p.System.Hostname())
			if found == nil {
				p.Errorf("Name or service not known")
				return 1
			}
			name = strings.Join(found, " ")
		}
	}
	p.Stdout.Write([]byte(name + "\n"))
	return 0
}

// hosts are the addresses of a name in /etc/hosts.
func (p *Process) hosts(name string) []string {
	data, err := p.Files.ReadFile("/etc/hosts")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		for _, alias := range fields[min(1, len(fields)):] {
			if alias == name {
				found = append(found, fields[0])
				break
			}
		}
	}
	return found
}

var nprocUsage = usage{synopsis: "[OPTION]...", about: "Print the number of processing units available to the current process.", options: []string{"all", "ignore="}}

func nproc(p *Process) int {
	opts, operands, status, done := p.parse(nprocUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(nprocUsage, operands[0])
	}
	n := p.System.CPUs()
	for _, o := range opts {
		if o.name == "ignore" {
			ignore := atoiOr(o.value, -1)
			if ignore < 0 {
				p.Errorf("invalid number: %s", quote(o.value))
				return 1
			}
			n = max(1, n-ignore)
		}
	}
	p.Stdout.Write([]byte(itoa(n) + "\n"))
	return 0
}

var ttyUsage = usage{synopsis: "[OPTION]...", about: "Print the file name of the terminal connected to standard input.", status: 2, options: []string{"s silent quiet"}}

func tty(p *Process) int {
	opts, operands, status, done := p.parse(ttyUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(ttyUsage, operands[0])
	}
	text, status := "not a tty", 1
	if p.System.IsTerminal(0) {
		text, status = "/dev/console", 0
		for _, info := range p.System.Processes() {
			if info.PID == p.System.PID() && info.TTY != "" {
				text = "/dev/" + info.TTY
			}
		}
	}
	if len(opts) == 0 {
		p.Stdout.Write([]byte(text + "\n"))
	}
	return status
}
