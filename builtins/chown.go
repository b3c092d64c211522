package builtins

import (
	"bufio"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sockerless/sockerless/store/rootfs"
)

var chownUsage = usage{
	synopsis: "[OPTION]... [OWNER][:[GROUP]] FILE...\n  or:  chown [OPTION]... --reference=RFILE FILE...",
	about:    "Change the owner and/or group of each FILE.",
	options: []string{"c changes", "dereference", "f silent quiet", "from=", "h no-dereference", "H", "L", "P", "no-preserve-root", "preserve-root",
		"reference=", "R recursive", "v verbose"},
}

var chgrpUsage = usage{
	synopsis: "[OPTION]... GROUP FILE...\n  or:  chgrp [OPTION]... --reference=RFILE FILE...",
	about:    "Change the group of each FILE to GROUP.",
	options:  chownUsage.options,
}

// ownerChange is a wanted owner and group, -1 for one that stays.
type ownerChange struct {
	uid, gid         int
	fromUID, fromGID int
	user, group      string // as shown
}

type owners struct {
	changer
	accounts  *accounts
	change    ownerChange
	noFollow  bool
	walk      byte // 'H', 'L' or 'P' with -R
	recursive bool
}

func chown(p *Process) int { return changeOwners(p, chownUsage, false) }
func chgrp(p *Process) int { return changeOwners(p, chgrpUsage, true) }

func changeOwners(p *Process, u usage, groupOnly bool) int {
	opts, operands, status, done := p.parse(u)
	if done {
		return status
	}
	c := &owners{changer: changer{p: p, out: bufio.NewWriter(p.Stdout)}, accounts: p.accounts(), walk: 'P'}
	c.change = ownerChange{uid: -1, gid: -1, fromUID: -1, fromGID: -1}
	var reference *string
	for _, o := range opts {
		switch o.name {
		case "c":
			c.changes = true
		case "f":
			c.quiet = true
		case "v":
			c.verbose = true
		case "h":
			c.noFollow = true
		case "dereference":
			c.noFollow = false
		case "H", "L", "P":
			c.walk = o.name[0]
		case "R":
			c.recursive = true
		case "reference":
			reference = &o.value
		case "from":
			uid, gid, _, _, problem := c.parseOwner(o.value)
			if problem != "" {
				p.Errorf("%s", problem)
				return 1
			}
			c.change.fromUID, c.change.fromGID = uid, gid
		}
	}
	if reference != nil {
		info, err := p.Files.Stat(*reference)
		if err != nil {
			p.Errorf("failed to get attributes of %s: %s", quoteName(*reference), strerror(err))
			return 1
		}
		c.change.gid, c.change.group = int(info.GID()), c.accounts.groupName(info.GID())
		if !groupOnly {
			c.change.uid, c.change.user = int(info.UID()), c.accounts.userName(info.UID())
		}
	} else {
		if len(operands) == 0 {
			return p.missingOperand(u)
		}
		if len(operands) == 1 {
			return p.missingOperand(u, operands[0])
		}
		if groupOnly {
			gid, ok := c.accounts.gid(operands[0])
			if !ok && operands[0] != "" {
				p.Errorf("invalid group: %s", quote(operands[0]))
				return 1
			}
			if operands[0] != "" {
				c.change.gid, c.change.group = int(gid), operands[0]
			}
		} else {
			var problem string
			c.change.uid, c.change.gid, c.change.user, c.change.group, problem = c.parseOwner(operands[0])
			if problem != "" {
				p.Errorf("%s", problem)
				return 1
			}
		}
		operands = operands[1:]
	}
	if len(operands) == 0 {
		return p.missingOperand(u)
	}
	for _, name := range operands {
		c.walkTree(name, true)
	}
	return c.status()
}

// parseOwner reads "user", "user:group", "user:" (the user's own group), ":group"; a dot is taken for the colon where
// no user has that name.
func (c *owners) parseOwner(text string) (uid, gid int, user, group, problem string) {
	uid, gid = -1, -1
	user, group, has := strings.Cut(text, ":")
	if _, known := c.accounts.uid(text); !has && !known && strings.Contains(text, ".") {
		c.p.Errorf("warning: '.' should be ':': %s", quote(text))
		user, group, has = strings.Cut(text, ".")
	}
	if user != "" {
		id, ok := c.accounts.uid(user)
		if !ok {
			return 0, 0, "", "", "invalid user: " + quote(text)
		}
		uid = int(id)
		if has && group == "" {
			u, ok := c.accounts.userByID(id)
			if !ok {
				return 0, 0, "", "", "invalid spec: " + quote(text)
			}
			gid, group = int(u.gid), c.accounts.groupName(u.gid)
		}
	}
	if group != "" && gid < 0 {
		id, ok := c.accounts.gid(group)
		if !ok {
			return 0, 0, "", "", "invalid group: " + quote(text)
		}
		gid = int(id)
	}
	return uid, gid, user, group, ""
}

func (c *owners) walkTree(name string, operand bool) {
	if c.p.Context.Err() != nil {
		return
	}
	follow := !c.noFollow
	if c.recursive {
		follow = c.walk == 'L' || c.walk == 'H' && operand
	}
	stat := c.p.Files.Lstat
	if follow {
		stat = c.p.Files.Stat
	}
	info, err := stat(name)
	if err != nil {
		if _, linkErr := c.p.Files.Lstat(name); linkErr == nil {
			c.fail("cannot dereference %s: %s", quoteName(name), strerror(err))
		} else {
			c.fail("cannot access %s: %s", quoteName(name), strerror(err))
		}
		return
	}
	if c.recursive && info.IsDir() {
		entries, err := c.p.Files.ReadDir(name)
		if err != nil {
			c.fail("cannot read directory %s: %s", quoteName(name), strerror(err))
		}
		for _, e := range entries {
			c.walkTree(joinName(name, e.Name()), false)
		}
	}
	change := c.p.Files.Chown
	if info.Mode()&fs.ModeSymlink != 0 {
		change = c.p.Files.Lchown
	}
	c.one(name, info, change)
}

func (c *owners) one(name string, info *rootfs.Info, change func(string, int, int) error) {
	w := c.change
	if w.fromUID >= 0 && int(info.UID()) != w.fromUID || w.fromGID >= 0 && int(info.GID()) != w.fromGID {
		return
	}
	oldUser, oldGroup := c.accounts.userName(info.UID()), c.accounts.groupName(info.GID())
	if err := change(name, w.uid, w.gid); err != nil {
		what := "ownership"
		if w.uid < 0 {
			what = "group"
		}
		c.fail("changing %s of %s: %s", what, quoteName(name), strerror(err))
		return
	}
	what, before, after := "ownership", oldUser+":"+oldGroup, w.user+":"+w.group
	switch {
	case w.uid < 0:
		what, before, after = "group", oldGroup, w.group
	case w.gid < 0:
		before, after = oldUser, w.user
	}
	changed := w.uid >= 0 && int(info.UID()) != w.uid || w.gid >= 0 && int(info.GID()) != w.gid
	switch {
	case changed && (c.verbose || c.changes):
		if what == "group" {
			fmt.Fprintf(c.out, "changed group of %s from %s to %s\n", quoteName(name), before, after)
		} else {
			fmt.Fprintf(c.out, "changed ownership of %s from %s to %s\n", quoteName(name), before, after)
		}
	case !changed && c.verbose:
		fmt.Fprintf(c.out, "%s of %s retained as %s\n", what, quoteName(name), after)
	}
}
