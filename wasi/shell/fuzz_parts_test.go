package shell

import (
	"strings"
	"testing"
	"time"

	"github.com/sockerless/sockerless/store/rootfs"
	"github.com/sockerless/sockerless/wasi/kernel"
)

// fuzzed runs a fixed script over a text that the fuzzer gives, as the first parameter and on standard input: nothing panics,
// and a kill ends it.
func fuzzed(t *testing.T, script, text string) {
	t.Helper()
	tree := newTree(t)
	defer tree.Close()
	table := kernel.NewTable(kernel.TableConfig{Tree: tree, Hostname: "box", Exec: resolve, Limits: kernel.Limits{Processes: 40}, Grace: time.Minute})
	in, null := kernel.NewFile(&textStream{text: text}), kernel.NewFile(&textStream{})
	var errs collector
	stderr := kernel.NewFile(&errs)
	defer func() { _, _, _ = in.Close(), null.Close(), stderr.Close() }()
	done := make(chan kernel.WaitStatus, 1)
	p, err := table.Start(kernel.StartOptions{
		Path: "/bin/bash", Args: []string{"bash", "-c", script, "fuzz", strings.ReplaceAll(text, "\x00", "")}, Files: tree.View(rootfs.Cred{}),
		Stdin: in, Stdout: null, Stderr: stderr, Env: []string{"PATH=/bin"}, Ended: func(s kernel.WaitStatus) { done <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(500*time.Millisecond, func() { _ = p.Signal(kernel.SIGKILL) })
	defer deadline.Stop()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		t.Fatalf("a kill does not end %q with %q", script, text)
	}
	if panicked(errs.String()) {
		t.Fatalf("%q with %q: %s", script, text, errs.String())
	}
}

// FuzzExpansion gives any text to the expander: as the operators of a substitution, as a pattern, as a word.
func FuzzExpansion(f *testing.F) {
	for _, s := range []string{"x:-y", "x##*a", "x//a/b", "x:1:-1", "@Q", "!x", "#", "x^^", "a[1]", "a[@]:1", "x/#/%", "x@A", "*(a|!(b))", "[[:alpha:]", "[^]]", "{a,b}", "{1..9..2}", "~root", `\`, "$((", "`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzzed(t, `shopt -s extglob; x='aXb*[c' a=(p 'q r'); eval "echo \${$1}"; eval "echo \"\${$1}\" $1"; echo ${x#$1} ${x%%$1} ${x//$1/_} ${x/$1}; case $x in $1) ;; esac; [[ $x == $1 ]]; [[ $x =~ $1 ]]; echo ${1@Q} ${1@E} ${1@P} ${1^} ${1:1:3} $1; ref=$1; echo ${!ref}`, text)
	})
}

// FuzzPrintf gives any format and any argument to printf and echo.
func FuzzPrintf(f *testing.F) {
	for _, s := range []string{"%d", "%-5.3s|", "%*.*f", "%q", "%b", "%(%Y)T", "%c%%", `\x41\u20ac\0101\c`, "%5", "%", "%lld", "%.99999999999d", "'a", "0x", "1e999", "%s%s%s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzzed(t, `printf "$1"; printf "$1" "$1" 1 x; printf -- "%d %x %f %b %q %s %c %e %(%c)T" "$1" "$1" "$1" "$1" "$1" "$1" "$1" "$1" 0; printf -v y "$1" 2; echo -e "$1"; echo "$1"`, text)
	})
}

// FuzzArithmetic gives any expression to the evaluator.
func FuzzArithmetic(f *testing.F) {
	for _, s := range []string{"1+2*3", "x=y=2", "a[1]++", "1?2:3", "2**63", "16#ff", "08", "1/0", "x,y", "--x", "a[a[a[0]]]", "x=x+1,x", "((((1))))", "1<<64", "!~-+1", "$x", "a[$(echo 1)]", "z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzzed(t, `x=1 a=(1 2 3) z=$1; echo $(($1)); echo $((z)); eval "echo \$(($1)); (($1)); let '$1'"; let "$1"; ((z++)); echo ${a[z]}; [[ $1 -eq z ]]; declare -i n; n=$1; for ((i=0;i<2;i++)); do ((i+=z)); done`, text)
	})
}

// FuzzRead gives any input to read and mapfile, and any value to IFS.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"a b c\n", " a:b \\\nc", "\x00x\x00", "a\\", "no newline", "é\xc3", "::a::\n", strings.Repeat("x ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzzed(t, `read x y; read -r z; read -n 3 n; read -d : d; IFS=: read -ra a; mapfile -t -n 2 m; mapfile -d x; IFS=$1; set -- $1; read p q <<< "$x"; echo $x "$*"; while read -t 1 l; do :; done`, text)
	})
}

// FuzzHistory gives any text to history expansion, to the specifications of completion and to the keys of bind.
func FuzzHistory(f *testing.F) {
	for _, s := range []string{"!!", "!1:2-3", "!?a?:s/a/b/:p", "^a^b^", "!$", "!{", "\\C-x\\M-", `"\e[A": x`, "a\nb\\\nc", "!#:0*", "$(a b)", "&*", "!!:gs/a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzzed(t, `set -o history -o histexpand; history -s 'a b "c d" | e'; history -s "$1"; history -p "$1"; history -p "!!:$1"; fc -l "$1"; fc -s "$1"; history -d "$1"; compgen -W "$1" "$1"; compgen -f -X "$1" "$1"; complete -W "$1" -X "$1" "$1"; complete -p; compgen -F "$1"; bind "$1"; bind -x "$1"; bind -r "$1"; bind -p; bash --norc -i; HISTSIZE=$1; history`, text)
	})
}
