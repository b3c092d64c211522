package builtins

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

var mkdirUsage = usage{
	synopsis: "[OPTION]... DIRECTORY...",
	about:    "Create the DIRECTORY(ies), if they do not already exist.",
	options:  []string{"m mode=", "p parents", "v verbose"},
}

func mkdir(p *Process) int {
	opts, operands, status, done := p.parse(mkdirUsage)
	if done {
		return status
	}
	var parents, verbose bool
	var mode *modeChange
	for _, o := range opts {
		switch o.name {
		case "m":
			change, err := parseMode(o.value)
			if err != nil {
				p.Errorf("invalid mode %s", quoteName(o.value))
				return 1
			}
			mode = &change
		case "p":
			parents = true
		case "v":
			verbose = true
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(mkdirUsage)
	}
	for _, name := range operands {
		if parents && !p.makeParents(path.Dir(strings.TrimRight(name, "/")), verbose) {
			status = 1
			continue
		}
		err := p.Files.Mkdir(name, 0o777)
		if err != nil {
			if info, statErr := p.Files.Stat(name); parents && statErr == nil && info.IsDir() {
				continue
			}
			p.Errorf("cannot create directory %s: %s", quoteName(name), strerror(err))
			status = 1
			continue
		}
		if verbose {
			fmt.Fprintf(p.Stdout, "%s: created directory %s\n", p.Name(), quoteName(name))
		}
		if mode != nil {
			if err := p.Files.Chmod(name, mode.forNew(p.Files.Umask())); err != nil {
				p.Errorf("cannot set permissions of %s: %s", quoteName(name), strerror(err))
				status = 1
			}
		}
	}
	return status
}

// makeParents makes a directory and those above it; they stay writable for their owner whatever the umask says.
func (p *Process) makeParents(dir string, verbose bool) bool {
	if info, err := p.Files.Stat(dir); err == nil {
		if info.IsDir() {
			return true
		}
		p.Errorf("cannot create directory %s: %s", quoteName(dir), strerror(syscall.ENOTDIR))
		return false
	}
	if above := path.Dir(dir); above != dir && !p.makeParents(above, verbose) {
		return false
	}
	if err := p.Files.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		p.Errorf("cannot create directory %s: %s", quoteName(dir), strerror(err))
		return false
	}
	if p.Files.Umask()&0o300 != 0 {
		p.Files.Chmod(dir, 0o777&^p.Files.Umask()|0o300)
	}
	if verbose {
		fmt.Fprintf(p.Stdout, "%s: created directory %s\n", p.Name(), quoteName(dir))
	}
	return true
}

var rmdirUsage = usage{
	synopsis: "[OPTION]... DIRECTORY...",
	about:    "Remove the DIRECTORY(ies), if they are empty.",
	options:  []string{"ignore-fail-on-non-empty", "p parents", "v verbose"},
}

func rmdir(p *Process) int {
	opts, operands, status, done := p.parse(rmdirUsage)
	if done {
		return status
	}
	var parents, verbose, ignore bool
	for _, o := range opts {
		switch o.name {
		case "ignore-fail-on-non-empty":
			ignore = true
		case "p":
			parents = true
		case "v":
			verbose = true
		}
	}
	if len(operands) == 0 {
		return p.missingOperand(rmdirUsage)
	}
	for _, name := range operands {
		for first := true; ; first = false {
			if verbose {
				fmt.Fprintf(p.Stdout, "%s: removing directory, %s\n", p.Name(), quoteName(name))
			}
			if err := p.Files.Rmdir(name); err != nil {
				if !ignore || !errors.Is(err, syscall.ENOTEMPTY) {
					what := ""
					if !first {
						what = "directory "
					}
					p.Errorf("failed to remove %s%s: %s", what, quoteName(name), strerror(err))
					status = 1
				}
				break
			}
			name = strings.TrimRight(name, "/")
			slash := strings.LastIndexByte(name, '/')
			if !parents || slash <= 0 {
				break
			}
			name = strings.TrimRight(name[:slash], "/")
		}
	}
	return status
}
