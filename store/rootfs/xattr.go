package rootfs

import (
	"strings"
	"syscall"
)

// mayXattr is Linux's rule for the name spaces of attributes: trusted ones are root's, security ones root's to change.
func (v *View) mayXattr(attr string, change bool) error {
	space, name, _ := strings.Cut(attr, ".")
	switch {
	case name == "":
		return syscall.ENOTSUP
	case space == "user", space == "system":
		return nil
	case space == "security" && !change, (space == "security" || space == "trusted") && v.cred.UID == 0:
		return nil
	case space == "security":
		return syscall.EPERM
	case space == "trusted" && change:
		return syscall.EPERM
	case space == "trusted":
		return syscall.ENODATA
	}
	return syscall.ENOTSUP
}

// Getxattr gives an extended attribute; symbolic links are followed. ENODATA where there is none.
func (v *View) Getxattr(name, attr string) ([]byte, error) {
	var w walker
	p, err := v.find(&w, name, follow)
	if err != nil {
		return nil, pathError("getxattr", name, err)
	}
	var value []byte
	if err = v.mayXattr(attr, false); err == nil {
		value, err = p.node.Getxattr(attr)
	}
	return value, pathError("getxattr", name, err)
}

// Listxattr gives the names of a file's extended attributes, sorted; symbolic links are followed.
func (v *View) Listxattr(name string) ([]string, error) {
	var w walker
	p, err := v.find(&w, name, follow)
	if err != nil {
		return nil, pathError("listxattr", name, err)
	}
	names, err := p.node.Listxattr()
	return names, pathError("listxattr", name, err)
}

// Setxattr sets an extended attribute; symbolic links are followed. Only an owner may.
func (v *View) Setxattr(name, attr string, value []byte) error {
	return v.changeXattr("setxattr", name, attr, func(n Node) error { return n.Setxattr(attr, value) })
}

// Removexattr removes an extended attribute; symbolic links are followed. Only an owner may.
func (v *View) Removexattr(name, attr string) error {
	return v.changeXattr("removexattr", name, attr, func(n Node) error { return n.Removexattr(attr) })
}

func (v *View) changeXattr(op, name, attr string, change func(Node) error) error {
	var w walker
	p, err := v.find(&w, name, follow)
	if err != nil {
		return pathError(op, name, err)
	}
	info, err := p.stat()
	switch {
	case err != nil:
	case p.mnt.readOnly && !v.setup:
		err = syscall.EROFS
	case !v.cred.owns(&info):
		err = syscall.EPERM
	default:
		if err = v.mayXattr(attr, true); err == nil {
			err = change(p.node)
		}
	}
	return pathError(op, name, err)
}
