package builtins

import (
	"slices"
	"strconv"
	"strings"
)

var idUsage = usage{
	synopsis: "[OPTION]... [USER]...",
	about:    "Print user and group information for each USER, or (when USER omitted) for the current process.",
	options:  []string{"a", "g group", "G groups", "n name", "r real", "u user", "z zero"},
}

// identity is whose numbers id and groups print.
type identity struct {
	uid, gid uint32
	groups   []uint32
}

// self is the process's own identity. A process that has no group list is in its primary group.
func (p *Process) self() identity {
	cred := p.Files.Cred()
	groups := []uint32{cred.GID}
	for _, g := range cred.Groups {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return identity{cred.UID, cred.GID, groups}
}

// identityOf finds a user of the image by name or number.
func (a *accounts) identityOf(name string) (identity, bool) {
	u, ok := a.user(name)
	if !ok {
		n, err := strconv.ParseUint(strings.TrimPrefix(name, "+"), 10, 32)
		if err != nil {
			return identity{}, false
		}
		if u, ok = a.userByID(uint32(n)); !ok {
			return identity{}, false
		}
	}
	return identity{u.uid, u.gid, a.groupsOf(u)}, true
}

func id(p *Process) int {
	opts, operands, status, done := p.parse(idUsage)
	if done {
		return status
	}
	var what byte
	var names, real bool
	end := "\n"
	for _, o := range opts {
		switch o.name {
		case "g", "G", "u":
			if what != 0 && what != o.name[0] {
				p.Errorf("cannot print \"only\" of more than one choice")
				return 1
			}
			what = o.name[0]
		case "n":
			names = true
		case "r":
			real = true
		case "z":
			end = "\x00"
		}
	}
	if what == 0 && (names || real) {
		p.Errorf("cannot print only names or real IDs in default format")
		return 1
	}
	if what == 0 && end == "\x00" {
		p.Errorf("option --zero not permitted in default format")
		return 1
	}
	a := p.accounts()
	out := p.output()
	all := []identity{p.self()}
	if len(operands) > 0 {
		all = nil
		for _, name := range operands {
			who, ok := a.identityOf(name)
			if !ok {
				p.Errorf("%s: no such user", quote(name))
				status = 1
				continue
			}
			all = append(all, who)
		}
	}
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	user, group := number, number
	if names {
		user, group = a.userName, a.groupName
	}
	for _, who := range all {
		switch what {
		case 'u':
			out.WriteString(user(who.uid) + end)
		case 'g':
			out.WriteString(group(who.gid) + end)
		case 'G':
			list := make([]string, len(who.groups))
			for i, g := range who.groups {
				list[i] = group(g)
			}
			separator := " "
			if end == "\x00" {
				separator = end
			}
			out.WriteString(strings.Join(list, separator) + end)
		default:
			out.WriteString(a.describe(who) + "\n")
		}
	}
	return out.finish(status)
}

// describe is id's line with everything.
func (a *accounts) describe(who identity) string {
	with := func(n uint32, name string, ok bool) string {
		text := strconv.FormatUint(uint64(n), 10)
		if ok {
			text += "(" + name + ")"
		}
		return text
	}
	u, okU := a.userByID(who.uid)
	g, okG := a.groupByID(who.gid)
	groups := make([]string, len(who.groups))
	for i, n := range who.groups {
		member, ok := a.groupByID(n)
		groups[i] = with(n, member.name, ok)
	}
	return "uid=" + with(who.uid, u.name, okU) + " gid=" + with(who.gid, g.name, okG) + " groups=" + strings.Join(groups, ",")
}

var whoamiUsage = usage{synopsis: "[OPTION]...", about: "Print the user name associated with the current effective user ID."}

func whoami(p *Process) int {
	_, operands, status, done := p.parse(whoamiUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(whoamiUsage, operands[0])
	}
	uid := p.Files.Cred().UID
	u, ok := p.accounts().userByID(uid)
	if !ok {
		p.Errorf("cannot find name for user ID %d", uid)
		return 1
	}
	p.Stdout.Write([]byte(u.name + "\n"))
	return 0
}

var groupsUsage = usage{synopsis: "[OPTION]... [USERNAME]...", about: "Print group memberships for each USERNAME or, if no USERNAME is specified, for the current process."}

func groups(p *Process) int {
	_, operands, status, done := p.parse(groupsUsage)
	if done {
		return status
	}
	a := p.accounts()
	names := func(who identity) string {
		list := make([]string, len(who.groups))
		for i, g := range who.groups {
			list[i] = a.groupName(g)
			if _, ok := a.groupByID(g); !ok {
				p.Errorf("cannot find name for group ID %d", g)
				status = 1
			}
		}
		return strings.Join(list, " ")
	}
	if len(operands) == 0 {
		p.Stdout.Write([]byte(names(p.self()) + "\n"))
	}
	for _, name := range operands {
		who, ok := a.identityOf(name)
		if !ok {
			p.Errorf("%s: no such user", quote(name))
			status = 1
			continue
		}
		p.Stdout.Write([]byte(name + " : " + names(who) + "\n"))
	}
	return status
}

var lognameUsage = usage{synopsis: "[OPTION]", about: "Print the name of the current user."}

func logname(p *Process) int {
	_, operands, status, done := p.parse(lognameUsage)
	if done {
		return status
	}
	if len(operands) > 0 {
		return p.extraOperand(lognameUsage, operands[0])
	}
	p.Errorf("no login name") // a container has no login session
	return 1
}
