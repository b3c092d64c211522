package wasi

import (
	acct "github.com/sockerless/sockerless/agent/account"
	"github.com/sockerless/sockerless/store/rootfs"
)

// account is who a process runs as.
type account struct {
	cred rootfs.Cred
	home string
}

// lookupUser finds the account that a container's user names, as package agent/account says.
func lookupUser(files *rootfs.View, spec string, extra []string) (account, error) {
	found, err := acct.Lookup(files.ReadFile, spec, extra)
	if err != nil {
		return account{}, err
	}
	return account{rootfs.Cred{UID: found.UID, GID: found.GID, Groups: found.Groups}, found.Home}, nil
}
