#!/bin/bash
# The language itself: functions, arrays, arithmetic, traps, redirections, options.
trap 'echo "exit trap: $?"' EXIT
usage() { echo "usage: $0 [-v] [-n N] ARG..." | sed "s|$0|shell.sh|"; }
parse() {
  local OPTIND=1 opt verbose=0 n=1
  while getopts ":vn:h" opt; do
    case $opt in
      v) verbose=1 ;;
      n) n=$OPTARG ;;
      h) usage; return 0 ;;
      :) echo "missing value for -$OPTARG"; return 2 ;;
      *) echo "unknown -$OPTARG"; return 2 ;;
    esac
  done
  shift $((OPTIND - 1))
  echo "verbose=$verbose n=$n rest=$* count=$#"
}
parse -v -n 3 a "b c" d
parse -x || echo "status $?"
parse -n || echo "status $?"
parse -h

fib() { local n=$1; ((n < 2)) && { echo "$n"; return; }; echo $(( $(fib $((n-1))) + $(fib $((n-2))) )); }
echo "fib: $(fib 12)"
a=(one "two three" four); a+=(five); unset 'a[0]'
echo "${#a[@]} ${!a[*]} | ${a[*]:1:2} | ${a[@]/o/0}"
declare -A m=([x]=1 [y]=2); m[z]=$((m[x] + m[y])); for k in $(echo "${!m[@]}" | tr ' ' '\n' | sort); do echo -n "$k=${m[$k]} "; done; echo
s="path/to/file.tar.gz"; echo "${s##*/} ${s%%.*} ${s%.*} ${s#*/} ${s/to/from} ${#s} ${s:5:2} ${s: -2} ${u:-default} ${s:+set}"
printf '%s|%5d|%-5s|%05.1f|%x|%o|%c|%%|%b|%q\n' str 42 left 3.14159 255 8 char 'a\tb' "it's"
echo $((2**10)) $((7/2)) $((-7%3)) $((1<<4|3)) $((5>3?10:20)) $((0x1f)) $((010)) $((2#101))
exec 3> numbers; for i in {1..5}; do echo "$i" >&3; done; exec 3>&-; sum=0; while read -r x; do ((sum += x)); done < numbers; echo "sum $sum"
{ echo out; echo err >&2; } 2>&1 | sort; { echo only-out; echo gone >&2; } 2>/dev/null
case abc in a?c) echo glob ;;& *b*) echo both ;; esac
[[ -f numbers && ! -d numbers && numbers -nt /nosuch ]] && echo "tests"
set -- x y z; echo "$# $1 ${*:2}"; shift 2; echo "$#"
(cd / && pwd; exit 3); echo "subshell $?"
false | true | false; echo "pipe ${PIPESTATUS[*]}"; set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
( set -e; false; echo "not reached" ); echo "errexit $?"
cat <<-'END'
	literal $HOME
	END
until (( ++n >= 3 )); do :; done; echo "n $n"
for ((i = 0; i < 3; i++)); do ((i == 1)) && continue; printf '%d ' "$i"; done; echo
mapfile -t lines < numbers; echo "${#lines[@]} ${lines[-1]}"
select_() { local IFS=,; echo "$*"; }; select_ a b c
sleep 0.01 & wait $!; echo "waited $?"
kill -0 $$ && echo alive; trap 'echo got USR1' USR1; kill -USR1 $$; trap - USR1
x=outer; f() { local x=inner; g; }; g() { echo "dynamic $x"; }; f
eval 'echo "eval ${x}"'; readonly r=1; (r=2) 2>/dev/null || echo "readonly"
echo {a,b}{1..3} {01..03} {c..a}; echo "$(( $(date +%s) > 1000 ))"
type -t parse; command -v cd; hash -r; echo "${BASH_SOURCE[0]##*/} $LINENO"
exit 4
