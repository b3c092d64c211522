package builtins

import "fmt"

// who and users list logins; nobody logs in to the sandbox.
func who(p *Process) int {
	_, _, status, _ := p.parse(usage{synopsis: "[OPTION]...", about: "Print the users who are logged in: none, ever, in the sandbox.",
		options: []string{"H heading", "q count", "s short", "u users", "m"}})
	return status
}

func users(p *Process) int {
	_, _, status, _ := p.parse(usage{about: "Print the users who are logged in: none, ever, in the sandbox."})
	return status
}

// hostid is glibc's: the halves of the host's IPv4 address, exchanged.
func hostid(p *Process) int {
	u := usage{synopsis: "[OPTION]", about: "Print the numeric identifier (in hexadecimal) for the current host."}
	_, operands, status, done := p.parse(u)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(u, operands[0])
	}
	var a, b, c, d byte
	for _, address := range p.hosts(p.System.Hostname()) {
		if n, _ := fmt.Sscanf(address, "%d.%d.%d.%d", &a, &b, &c, &d); n == 4 {
			break
		}
	}
	fmt.Fprintf(p.Stdout, "%02x%02x%02x%02x\n", b, a, d, c)
	return 0
}
