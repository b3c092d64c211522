package builtins

// textCommands are the commands that read and write text; filesCommands has the others.
var textCommands = map[string]Func{
	"cat": cat, "more": pager, "less": pager, "head": head, "tail": tail, "wc": wc,
	"sort": sortCommand, "uniq": uniq, "cut": cut, "tr": tr,
	"grep": grep, "egrep": grep, "fgrep": grep, "sed": sed,
	"awk": awk, "gawk": awk, "mawk": awk, "nawk": awk,
	"true": trueCommand, "false": falseCommand, "echo": echo, "yes": yes, "printf": printf,
	"test": testCommand, "[": testCommand, "expr": expr, "seq": seq, "tee": tee,
	"md5sum": digest, "sha1sum": digest, "sha224sum": digest, "sha256sum": digest, "sha384sum": digest, "sha512sum": digest,
	"cksum": cksum, "base64": baseN, "base32": baseN, "strings": stringsCommand, "od": od, "hexdump": hexdump, "hd": hexdump, "xxd": xxd, "split": split,
	"tac": tac, "rev": rev, "nl": nl, "fold": fold, "paste": paste, "comm": comm,
	"join": join, "expand": expand, "unexpand": unexpand, "shuf": shuf, "factor": factor, "envsubst": envsubst,
	"dos2unix": dos2unix, "unix2dos": dos2unix,
}
