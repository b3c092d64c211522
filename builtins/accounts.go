package builtins

import (
	"strconv"
	"strings"
)

// account is a line of /etc/passwd.
type account struct {
	name, gecos, home, shell string
	uid, gid                 uint32
	line                     string
}

// accountGroup is a line of /etc/group.
type accountGroup struct {
	name    string
	gid     uint32
	members []string
	line    string
}

// accounts are the users and groups of the container's image, read when first asked for.
type accounts struct {
	p      *Process
	read   bool
	users  []account
	groups []accountGroup
}

func (p *Process) accounts() *accounts { return &accounts{p: p} }

func (a *accounts) load() {
	if a.read {
		return
	}
	a.read = true
	for _, f := range a.lines("/etc/passwd", 7) {
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 == nil && err2 == nil {
			a.users = append(a.users, account{f[0], f[4], f[5], f[6], uint32(uid), uint32(gid), strings.Join(f, ":")})
		}
	}
	for _, f := range a.lines("/etc/group", 4) {
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		g := accountGroup{name: f[0], gid: uint32(gid), line: strings.Join(f, ":")}
		if f[3] != "" {
			g.members = strings.Split(f[3], ",")
		}
		a.groups = append(a.groups, g)
	}
}

// lines reads a file of colon-separated fields; a file that cannot be read has no lines.
func (a *accounts) lines(name string, fields int) [][]string {
	data, err := a.p.Files.ReadFile(name)
	if err != nil {
		return nil
	}
	var all [][]string
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) >= fields && f[0] != "" && f[0][0] != '#' {
			all = append(all, f)
		}
	}
	return all
}

func (a *accounts) user(name string) (account, bool) {
	a.load()
	for _, u := range a.users {
		if u.name == name {
			return u, true
		}
	}
	return account{}, false
}

func (a *accounts) userByID(uid uint32) (account, bool) {
	a.load()
	for _, u := range a.users {
		if u.uid == uid {
			return u, true
		}
	}
	return account{}, false
}

func (a *accounts) group(name string) (accountGroup, bool) {
	a.load()
	for _, g := range a.groups {
		if g.name == name {
			return g, true
		}
	}
	return accountGroup{}, false
}

func (a *accounts) groupByID(gid uint32) (accountGroup, bool) {
	a.load()
	for _, g := range a.groups {
		if g.gid == gid {
			return g, true
		}
	}
	return accountGroup{}, false
}

// userName is the name of a user, the number in decimal if it has none; groupName the same of a group.
func (a *accounts) userName(uid uint32) string {
	if u, ok := a.userByID(uid); ok {
		return u.name
	}
	return strconv.FormatUint(uint64(uid), 10)
}

func (a *accounts) groupName(gid uint32) string {
	if g, ok := a.groupByID(gid); ok {
		return g.name
	}
	return strconv.FormatUint(uint64(gid), 10)
}

// uid reads a user's name or number ("+5" is always a number); gid the same of a group.
func (a *accounts) uid(text string) (uint32, bool) {
	if u, ok := a.user(text); ok {
		return u.uid, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 32)
	return uint32(n), err == nil
}

func (a *accounts) gid(text string) (uint32, bool) {
	if g, ok := a.group(text); ok {
		return g.gid, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 32)
	return uint32(n), err == nil
}

// groupsOf are the groups of a user: the primary one first, then those that list the name, in the file's order.
func (a *accounts) groupsOf(u account) []uint32 {
	a.load()
	gids := []uint32{u.gid}
	for _, g := range a.groups {
		for _, m := range g.members {
			if m == u.name && g.gid != u.gid {
				gids = append(gids, g.gid)
			}
		}
	}
	return gids
}
