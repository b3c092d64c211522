package account_test

import (
	"errors"
	"io/fs"
	"reflect"
	"testing"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/account"
)

var files = map[string]string{
	"/etc/passwd": "# users\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\n7:x:1007:1008::/home/seven:\nshort:x:9\n",
	"/etc/group":  "root:x:0:\nweb:x:33:\nadm:x:4:web,7\nlog:x:5:web\n",
}

func read(name string) ([]byte, error) {
	if text, ok := files[name]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func none(string) ([]byte, error) { return nil, fs.ErrNotExist }

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		read  account.ReadFile
		spec  string
		extra []string
		want  account.Account
		err   string
	}{
		{read, "", nil, account.Account{Home: "/root"}, ""},
		{none, "", nil, account.Account{Home: "/"}, ""},
		{read, "web", nil, account.Account{UID: 33, GID: 33, Groups: []uint32{4, 5}, Home: "/var/www"}, ""},
		{read, "33", nil, account.Account{UID: 33, GID: 33, Groups: []uint32{4, 5}, Home: "/var/www"}, ""},
		{read, "7", nil, account.Account{UID: 1007, GID: 1008, Groups: []uint32{4}, Home: "/home/seven"}, ""},
		{read, "web:adm", []string{"log", "77"}, account.Account{UID: 33, GID: 4, Groups: []uint32{5, 77}, Home: "/var/www"}, ""},
		{none, "12:34", nil, account.Account{UID: 12, GID: 34, Home: "/"}, ""},
		{read, "short", nil, account.Account{}, "unable to find user short: no matching entries in passwd file"},
		{read, "web:nosuch", nil, account.Account{}, "unable to find group nosuch: no matching entries in group file"},
		{read, "web", []string{"nosuch"}, account.Account{}, "unable to find group nosuch: no matching entries in group file"},
	} {
		got, err := account.Lookup(c.read, c.spec, c.extra)
		var start *agent.StartError
		switch {
		case c.err == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%q %v: %+v, %v, want %+v", c.spec, c.extra, got, err, c.want)
		case c.err != "" && (!errors.As(err, &start) || start.Code != 126 || start.Message != c.err):
			t.Errorf("%q %v: %v, want %s", c.spec, c.extra, err, c.err)
		}
	}
}

func TestNames(t *testing.T) {
	if u := account.Users(read); u[33] != "web" || u[1007] != "7" || len(u) != 3 {
		t.Errorf("users %v", u)
	}
	if g := account.Groups(read); g[4] != "adm" || len(g) != 4 {
		t.Errorf("groups %v", g)
	}
}
