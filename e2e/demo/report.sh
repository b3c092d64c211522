#!/bin/bash
# report.sh DIR: a report on a source tree, as a CI job would make it. Progress goes to stderr, the report to stdout.
set -eu
cd "${1:?usage: report.sh DIR}"

declare -A label=([go]="Go source" [s]="assembly" [md]="notes" [txt]="text" [sh]="shell scripts")
order=(go s md txt sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { echo "[$((++steps))/6] $*" >&2; }
steps=0

title() {
  local text=$1 line
  printf -v line '%*s' "${#text}" ''
  printf '\n%s\n%s\n' "$text" "${line// /=}"
}

percent() { echo "$(( $1 * 1000 / $2 ))" | sed -E 's/^(.)$/0\1/; s/(.)$/.\1%/'; }

step "listing files"
find . -type f | LC_ALL=C sort > "$work/files"
total=$(wc -l < "$work/files")
title "What is here"
cat <<END
$total files in $(find . -type d | wc -l) folders
deepest path: $(awk -F/ '{ print NF - 1 }' "$work/files" | sort -n | tail -n 1) levels
END

step "counting kinds of files"
title "Files by kind"
for ext in "${order[@]}"; do
  n=$(grep -c "\.$ext\$" "$work/files" || true)
  printf '%-15s %6d  %6s\n' "${label[$ext]}" "$n" "$(percent "$n" "$total")"
done

step "counting lines"
title "Lines of Go by part of the standard library"
grep '\.go$' "$work/files" | grep -v '_test\.go$' | xargs wc -l | grep -v ' total$' |
  sed -E 's|^ *([0-9]+) \./([^/]+)/.*|\2 \1|' | grep -v '/' |
  awk '{ lines[$1] += $2 } END { for (part in lines) print lines[part], part }' | sort -k1,1nr -k2 | head -n 12

step "looking for functions"
title "The commonest names of functions"
grep '\.go$' "$work/files" | xargs grep -hoE '^func (\([^)]*\) )?[A-Za-z_][A-Za-z0-9_]*' |
  sed -E 's/^func (\([^)]*\) )?//' | sort | uniq -c | sort -k1,1nr -k2 | head -n 10

step "looking for imports"
title "The packages most imported"
grep '\.go$' "$work/files" | tr '\n' '\0' | xargs -0 grep -hE '^(import )?[[:space:]]*"[a-z/0-9]+"$' |
  tr -d '\t "' | sed 's/^import//' | sort | uniq -c | sort -k1,1nr -k2 | head -n 10

step "looking for work left"
title "Notes to come back to"
i=0
while read -r word; do
  n=$(grep '\.go$' "$work/files" | xargs grep -ow "$word" | wc -l)
  counts[i++]="$word=$n"
done <<< $'TODO\nFIXME\nBUG\nXXX'
printf '%s\n' "${counts[@]}" | sort -t= -k2,2nr
