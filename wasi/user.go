package wasi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/store/rootfs"
)

// account is who a process runs as.
type account struct {
	cred rootfs.Cred
	home string
}

// passwdEntry is a line of /etc/passwd.
type passwdEntry struct {
	name     string
	uid, gid uint32
	home     string
}

// groupEntry is a line of /etc/group.
type groupEntry struct {
	name    string
	gid     uint32
	members []string
}

// lookupUser finds the account that a container's user names: "", "name", "uid", each with ":group" or ":gid". The
// rules and the words of the errors are those of moby's sys/user (GetExecUser) and daemon (getUser).
func lookupUser(files *rootfs.View, spec string, extra []string) (account, error) {
	passwd, groups := readPasswd(files), readGroups(files)
	name, group, _ := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	uid, uidErr := parseID(name)
	a := account{home: "/"}
	found := false
	for _, e := range passwd {
		if e.name == name || uidErr == nil && e.uid == uid {
			a.cred.UID, a.cred.GID, a.home = e.uid, e.gid, e.home
			name, found = e.name, true
			break
		}
	}
	if !found {
		if uidErr != nil {
			return account{}, userError("unable to find user %s: no matching entries in passwd file", name)
		}
		a.cred.UID = uid
	}
	switch {
	case group != "":
		gid, err := findGroup(groups, group)
		if err != nil {
			return account{}, err
		}
		a.cred.GID = gid
	default:
		for _, g := range groups {
			if found && slices.Contains(g.members, name) && !slices.Contains(a.cred.Groups, g.gid) {
				a.cred.Groups = append(a.cred.Groups, g.gid)
			}
		}
	}
	for _, g := range extra {
		gid, err := findGroup(groups, g)
		if err != nil {
			return account{}, err
		}
		if !slices.Contains(a.cred.Groups, gid) {
			a.cred.Groups = append(a.cred.Groups, gid)
		}
	}
	return a, nil
}

func findGroup(groups []groupEntry, name string) (uint32, error) {
	gid, err := parseID(name)
	for _, g := range groups {
		if g.name == name || err == nil && g.gid == gid {
			return g.gid, nil
		}
	}
	if err != nil {
		return 0, userError("unable to find group %s: no matching entries in group file", name)
	}
	return gid, nil
}

// userError has the code of a container that could not be set up.
func userError(format, name string) error {
	return &agent.StartError{Code: 126, Message: fmt.Sprintf(format, name)}
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err
}

func readPasswd(files *rootfs.View) []passwdEntry {
	var list []passwdEntry
	for _, f := range colonLines(files, "/etc/passwd", 6) {
		uid, uidErr := parseID(f[2])
		gid, gidErr := parseID(f[3])
		if uidErr == nil && gidErr == nil {
			list = append(list, passwdEntry{f[0], uid, gid, f[5]})
		}
	}
	return list
}

func readGroups(files *rootfs.View) []groupEntry {
	var list []groupEntry
	for _, f := range colonLines(files, "/etc/group", 4) {
		if gid, err := parseID(f[2]); err == nil {
			list = append(list, groupEntry{f[0], gid, strings.Split(f[3], ",")})
		}
	}
	return list
}

// colonLines reads the lines of a file that have at least that many fields. An image without the file has none.
func colonLines(files *rootfs.View, name string, fields int) [][]string {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil
	}
	var list [][]string
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= fields && !strings.HasPrefix(f[0], "#") {
			list = append(list, f)
		}
	}
	return list
}
