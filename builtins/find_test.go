//go:build linux

package builtins

import (
	"regexp"
	"testing"
)

const findSetup = `
mkdir -p d/sub/deep e .h; echo one > a.txt; echo two > b.c; : > empty; head -c 3000 /dev/zero > d/big; echo x > d/sub/x.C; echo y > d/sub/deep/y.txt; ln -s a.txt l; ln -s none broken
ln -s d dl; chmod 755 a.txt; chmod 4711 b.c; ln a.txt d/hard; : > '.h/q r'; mkfifo pipe
touch -d '2020-01-02 03:04:05.5' a.txt b.c d/big; touch -hd '2019-02-02' d d/sub e l broken dl .h; touch -d '10 days ago' empty`

func TestFind(t *testing.T) {
	trial{setup: findSetup, sorted: true}.check(t, "find", "find .", "find d e", "find . -name '*.txt'", "find . -iname '*.c'", "find . -type f", "find . -type d", "find . -type l", "find . -type f,l", "find . -maxdepth 1",
		"find . -mindepth 2", "find . -maxdepth 1 -type f -name 'a*'", "find . -path './d/*'", "find . -not -path './d/*'", "find . -path ./d -prune -o -print", "find . -size +1k", "find . -size -2", "find . -size 4c", "find . -empty",
		"find . -perm 755", "find . -perm -4000", "find . -perm /111", "find . -perm -u+x", "find . -newer a.txt", "find . ! -newer a.txt", "find . -mtime +100", "find . -mtime -1", "find . -mtime 10", "find . -mmin +10", "find . -user root", "find . -uid 0 -gid 0 -type p",
		"find . -links 2", "find . -samefile a.txt", "find . -regex '.*/[ab]\\..*'", "find . -regextype posix-extended -regex '.*(txt|c)'", "find . -iregex '.*\\.C'", "find . -xtype f", "find -L . -type f", "find -L . -type l", "find -H dl", "find dl", "find . -lname 'a*'",
		"find . -printf '%p %f %h %y %s %m %u %g %d %P %l\\n'", "find d -printf '%M %n\\n' -name big", "find d/big -printf '%TY-%Tm-%Td %TH:%TM:%TS %T@ %t %Ta\\n'", "find . -name '*.txt' -exec echo {} ;", "find . -name '*.txt' -exec echo x{}y {} ;", "find . -type f -execdir echo {} ;", "find . -name '*.txt' -ok echo {} ;",
		"find . ( -name '*.txt' -o -name '*.c' ) -type f", "find . -name '*.txt' -a -type f , -name b.c -print", "find . -name d -quit", "find . -false -o -true", "find none", "find . -foo", "find . -name", "find . -type x", "find . -size foo", "find . (", "find . )", "find . ! ", "find . -o -name x",
		"find . -name '*.txt' -delete", "find d -delete", "find . -newermt '2019-06-01' -type f", "find . -depth -name 'd*'", "find . -user nosuch", "find . -maxdepth x", "find a.txt b.c -printf '%f|%5s|%-5s|\\n'", "find d/ -name big", "find . -executable -type f", "find . a -name x b", "find . -mount -type f",
		"find . -empty -delete", "find . -type p -printf '%Y\\t%%\\n'", "find d -exec false ; -print", "find d -name big -exec none {} ;", "find -version-foo", "find . -perm zzz", "find . -iname 'A*' -prune", "find . -readable -type p", "find a.txt -fprint out", "find d -ls -quit -foo", "find '' -name x")
	trial{setup: findSetup}.check(t, "find d/sub/deep -depth", "find d/sub/deep", "find d/sub/deep -exec echo {} +", "find a.txt b.c empty -exec echo pre {} +", "find a.txt -exec none {} +", "find a.txt -exec false {} +", "find . -maxdepth 0 -printf '[%P][%f][%H][%h]\\n'", "find d -maxdepth 0 -printf '[%P][%f][%H][%h]\\n'")
	trial{setup: findSetup, stdin: "y\nn\n", sorted: true}.check(t, "find a.txt b.c -ok echo {} ;")
	trial{setup: findSetup, erase: regexp.MustCompile(`(?m)^ *\d+`)}.check(t, "find a.txt b.c l -ls")
}

func TestXargs(t *testing.T) {
	trial{stdin: "a b  c\n'd e' \"f g\" h\\ i\n\nj\n"}.check(t, "xargs", "xargs echo", "xargs -n 2 echo", "xargs -n1", "xargs -L1 echo x", "xargs -I{} echo '<{}>' {}", "xargs -t echo", "xargs -r echo", "xargs -d '\\n' echo", "xargs -n 2 -P 1 echo", "xargs false", "xargs none", "xargs -E h echo",
		"xargs -s 20 echo", "xargs -s 5 echo", "xargs -n 0 echo", "xargs -n x echo", "xargs -z", "xargs -i echo {} x", "xargs -l echo", "xargs -a none echo", "xargs -x -n 2 -s 12 echo", "xargs -L 2 echo", "xargs env -i", "xargs -n3 -t false")
	trial{stdin: "a b\x00c\nd\x00"}.check(t, "xargs -0 echo", "xargs -0 -n1 echo", "xargs -0I% echo [%]")
	trial{stdin: ""}.check(t, "xargs echo x", "xargs -r echo x", "xargs -I{} echo x", "xargs -n1 echo y")
	trial{stdin: "a 'b\n"}.check(t, "xargs echo", "xargs -n1 echo")
	trial{stdin: "a \nb\nc d\n"}.check(t, "xargs -L1 echo")
	trial{setup: "echo p q > list", stdin: "zzz\n"}.check(t, "xargs -a list echo")
	trial{stdin: "1\n2\n3\n4\n", sorted: true}.check(t, "xargs -P 3 -n 1 echo", "xargs -P0 -n 2 echo")
}
