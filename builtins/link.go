package builtins

// link is ln without any convenience.
func link(p *Process) int {
	u := usage{synopsis: "FILE1 FILE2", about: "Call the link function to create a link named FILE2 to an existing FILE1."}
	_, names, status, done := p.parse(u)
	switch {
	case done:
		return status
	case len(names) == 0:
		return p.missingOperand(u)
	case len(names) == 1:
		return p.missingOperand(u, names[0])
	case len(names) > 2:
		return p.extraOperand(u, names[2])
	}
	if err := p.Files.Link(names[0], names[1]); err != nil {
		p.Errorf("cannot create link %s to %s: %s", quoteName(names[1]), quoteName(names[0]), strerror(err))
		return 1
	}
	return 0
}

// unlink is rm without any convenience.
func unlink(p *Process) int {
	u := usage{synopsis: "FILE", about: "Call the unlink function to remove the specified FILE."}
	_, names, status, done := p.parse(u)
	switch {
	case done:
		return status
	case len(names) == 0:
		return p.missingOperand(u)
	case len(names) > 1:
		return p.extraOperand(u, names[1])
	}
	if err := p.Files.Unlink(names[0]); err != nil {
		p.Errorf("cannot unlink %s: %s", quoteName(names[0]), strerror(err))
		return 1
	}
	return 0
}
