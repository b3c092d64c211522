#!/usr/bin/env bash
set -eEuo pipefail
shopt -s inherit_errexit nullglob extglob
trap 'echo "error on line $LINENO: $BASH_COMMAND" >&2' ERR
trap 'rm -rf "$work"' EXIT
work=$(mktemp -d); cd "$work"
declare -A versions=([go]=1.26 [node]=22.1 [python]=3.12)
log() { printf '[%s] %s\n' "$1" "${*:2}"; }
section() { local name=$1; shift; log start "$name"; "$@" || { local rc=$?; log fail "$name ($rc)"; return $rc; }; log end "$name"; }
build() {
  mkdir -p src/{a,b}/{x,y}
  for d in src/*/*/; do echo "dir ${d%/}" > "$d/file.txt"; done
  find src -type f | sort | while IFS= read -r f; do printf '%s %s\n' "$(wc -c <"$f")" "$f"; done
}
test_all() {
  local -i passed=0 failed=0
  for t in {1..5}; do
    if ((t % 4)); then ((++passed)); else ((++failed)); fi
  done
  echo "passed=$passed failed=$failed"
}
section build build
section tests test_all
for k in $(printf '%s\n' "${!versions[@]}" | sort); do
  IFS=. read -r major minor <<<"${versions[$k]}"
  printf '%-8s major=%d minor=%02d\n' "$k" "$major" "$minor"
done
mapfile -t lines < <(seq 1 10 | sed -n 's/^\([0-9]\)$/n\1/p')
echo "${#lines[@]} ${lines[*]: -3}"
cat > config.json <<JSON
{ "name": "ci", "items": [$(printf '"%s",' "${lines[@]}" | sed 's/,$//')] }
JSON
grep -o '"n[0-9]"' config.json | tr -d '"' | paste -sd, -
awk -F'"' '{print NF}' config.json
out=$(section broken false 2>&1) || echo "rc=$? out=$out"
while getopts ":a:bc" o -a1 -b; do break; done || true
case "${versions[go]}" in 1.@(25|26)*) echo new;; *) echo old;; esac
exec 3>&1; { echo to-three >&3; echo piped; } | cat -n; exec 3>&-
coproc bc_like { while read -r a op b; do echo $((a $op b)); done; }
echo "6 * 7" >&"${bc_like[1]}"; read -r answer <&"${bc_like[0]}"; echo "answer=$answer"
true & pid=$!; wait "$pid" && echo waited
(exit 3) || echo "sub $?"
echo "done: ${SECONDS:+ok}"
