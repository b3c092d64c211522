package builtins

// toolCommands are the smaller commands that users expect beside those of files_table.go and text_table.go.
var toolCommands = map[string]Func{
	"pwd": pwd, "printenv": printenv, "link": link, "unlink": unlink, "users": users, "who": who, "hostid": hostid,
	"pathchk": pathchk, "tsort": tsort, "sum": sum, "b2sum": digest,
	"stdbuf": stdbuf, "mount": mount, "umount": refused, "dmesg": refused, "chroot": refused, "flock": refused,
	"bzip2": bzip2Command, "bunzip2": bzip2Command, "bzcat": bzip2Command, "zstd": zstdCommand, "unzstd": zstdCommand, "zstdcat": zstdCommand, "zip": zipCommand, "unzip": unzip, "patch": patch, "clear": clearCommand, "reset": clearCommand, "tput": tput, "stty": stty, "tree": tree, "lsb_release": lsbRelease, "column": column, "logger": logger,
}
