package builtins

import (
	"fmt"
	"path"
)

// mountpoint says whether a directory is one.
func mountpoint(p *Process) int {
	opts, names, status, done := p.parse(usage{synopsis: "[-q] PATH", about: "Check whether a directory is a mountpoint.", options: []string{"q quiet", "d fs-devno"}, lacks: []string{"x devno", "nofollow"}})
	if done {
		return status
	}
	if len(names) != 1 {
		p.Errorf("bad usage")
		return p.tryHelp(usage{})
	}
	quiet, device := false, false
	for _, o := range opts {
		quiet, device = quiet || o.name == "q", device || o.name == "d"
	}
	info, err := p.Files.Stat(names[0])
	if err != nil {
		if !quiet {
			p.Errorf("%s: %s", names[0], strerror(err))
		}
		return 1
	}
	if device {
		fmt.Fprintf(p.Stdout, "%d:%d\n", info.Dev()>>8, info.Dev()&0xff)
		return 0
	}
	real, err := p.Files.Resolve(names[0])
	if err != nil {
		p.Errorf("%s: %s", names[0], strerror(err))
		return 1
	}
	above, err := p.Files.Stat(path.Dir(real))
	if err != nil {
		p.Errorf("%s: %s", path.Dir(real), strerror(err))
		return 1
	}
	is := info.IsDir() && (real == "/" || above.Dev() != info.Dev())
	if !quiet {
		fmt.Fprintf(p.Stdout, "%s is %sa mountpoint\n", names[0], map[bool]string{false: "not "}[is])
	}
	if !is {
		return 32
	}
	return 0
}
