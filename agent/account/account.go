package account

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sockerless/sockerless/agent"
)

// ReadFile reads a file of the container, by its absolute path.
type ReadFile func(name string) ([]byte, error)

// Account is who a process runs as.
type Account struct {
	UID, GID uint32
	Groups   []uint32 // besides GID
	Home     string   // "/" where the container does not know the user
}

// user is a line of /etc/passwd.
type user struct {
	name     string
	uid, gid uint32
	home     string
}

// group is a line of /etc/group.
type group struct {
	name    string
	gid     uint32
	members []string
}

// Lookup finds the account that a container's user names: "", "name", "uid", each with ":group" or ":gid". extra are
// groups by name or number (docker run --group-add). The rules and the words of the errors are those of moby's sys/user
// (GetExecUser) and daemon (getUser); an error is an *agent.StartError of code 126.
func Lookup(read ReadFile, spec string, extra []string) (Account, error) {
	users, groups := readUsers(read), readGroups(read)
	name, groupName, _ := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	uid, uidErr := parseID(name)
	a := Account{Home: "/"}
	found := false
	for _, e := range users {
		if e.name == name || uidErr == nil && e.uid == uid {
			a.UID, a.GID, a.Home = e.uid, e.gid, e.home
			name, found = e.name, true
			break
		}
	}
	if !found {
		if uidErr != nil {
			return Account{}, startError("unable to find user %s: no matching entries in passwd file", name)
		}
		a.UID = uid
	}
	switch {
	case groupName != "":
		gid, err := findGroup(groups, groupName)
		if err != nil {
			return Account{}, err
		}
		a.GID = gid
	default:
		for _, g := range groups {
			if found && slices.Contains(g.members, name) && !slices.Contains(a.Groups, g.gid) {
				a.Groups = append(a.Groups, g.gid)
			}
		}
	}
	for _, g := range extra {
		gid, err := findGroup(groups, g)
		if err != nil {
			return Account{}, err
		}
		if !slices.Contains(a.Groups, gid) {
			a.Groups = append(a.Groups, gid)
		}
	}
	return a, nil
}

// Users are the names of a container's users by their numbers; the first name counts.
func Users(read ReadFile) map[uint32]string {
	names := map[uint32]string{}
	for _, u := range slices.Backward(readUsers(read)) {
		names[u.uid] = u.name
	}
	return names
}

// Groups are the names of a container's groups by their numbers; the first name counts.
func Groups(read ReadFile) map[uint32]string {
	names := map[uint32]string{}
	for _, g := range slices.Backward(readGroups(read)) {
		names[g.gid] = g.name
	}
	return names
}

func findGroup(groups []group, name string) (uint32, error) {
	gid, err := parseID(name)
	for _, g := range groups {
		if g.name == name || err == nil && g.gid == gid {
			return g.gid, nil
		}
	}
	if err != nil {
		return 0, startError("unable to find group %s: no matching entries in group file", name)
	}
	return gid, nil
}

// startError has the code of a container that could not be set up.
func startError(format, name string) error {
	return &agent.StartError{Code: 126, Message: fmt.Sprintf(format, name)}
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err
}

func readUsers(read ReadFile) []user {
	var list []user
	for _, f := range colonLines(read, "/etc/passwd", 6) {
		uid, uidErr := parseID(f[2])
		gid, gidErr := parseID(f[3])
		if uidErr == nil && gidErr == nil {
			list = append(list, user{f[0], uid, gid, f[5]})
		}
	}
	return list
}

func readGroups(read ReadFile) []group {
	var list []group
	for _, f := range colonLines(read, "/etc/group", 4) {
		if gid, err := parseID(f[2]); err == nil {
			list = append(list, group{f[0], gid, strings.Split(f[3], ",")})
		}
	}
	return list
}

// colonLines reads the lines of a file that have at least that many fields. An image without the file has none.
func colonLines(read ReadFile, name string, fields int) [][]string {
	text, err := read(name)
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
