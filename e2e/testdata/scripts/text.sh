#!/bin/bash
# Text through pipelines, as logs are read in CI.
set -u
cat > access.log <<'END'
10.0.0.1 - - [01/Mar/2026:10:00:01] "GET /index.html HTTP/1.1" 200 512
10.0.0.2 - - [01/Mar/2026:10:00:02] "GET /missing HTTP/1.1" 404 12
10.0.0.1 - - [01/Mar/2026:10:00:03] "POST /api/v1/items HTTP/1.1" 201 87
10.0.0.3 - - [01/Mar/2026:10:00:04] "GET /index.html HTTP/1.1" 200 512
10.0.0.2 - - [01/Mar/2026:10:01:05] "GET /api/v1/items?page=2 HTTP/1.1" 500 0
END
echo "== by client"; cut -d' ' -f1 access.log | sort | uniq -c | sort -rn -k1,1 -k2
echo "== by status"; awk '{ n[$8]++; bytes[$8] += $9 } END { for (s in n) printf "%s %d %d\n", s, n[s], bytes[s] }' access.log | sort
echo "== paths"; grep -oE '"(GET|POST) [^ ]+' access.log | sed -e 's/^"//' -e 's/?.*//' | sort -u
echo "== errors"; grep -nE ' (4|5)[0-9]{2} ' access.log | cut -c1-30
echo "== context"; grep -A1 -B1 404 access.log | wc -l
echo "== minutes"; sed -nE 's/.*:([0-9]{2}):([0-9]{2}):[0-9]{2}\].*/\1h\2/p' access.log | uniq -c
echo "== reversed"; tac access.log | head -n 1 | rev | cut -c1-5
echo "== columns"; paste -d, <(cut -d' ' -f1 access.log) <(awk '{print $8}' access.log) | sort -t, -k2,2n -s
echo "== joined"
printf '%s\n' '10.0.0.1 alice' '10.0.0.2 bob' > names
join <(sort names) <(cut -d' ' -f1 access.log | sort | uniq -c | awk '{print $2, $1}')
comm -13 <(cut -d' ' -f1 names | sort) <(cut -d' ' -f1 access.log | sort -u)
echo "== numbers"; seq 1 3 20 | tr '\n' ' '; echo; seq -w 8 11 | paste -sd+ ; expr 6 '*' 7
echo "== bytes"; printf 'caf\303\251\n' | od -An -tx1; printf 'A\tB\n' | cat -A; head -c 3 access.log | wc -c
echo "== wrap"; echo "the quick brown fox jumps over the lazy dog" | fold -s -w 16; echo "a,b;c" | tr ',;' '\n'
echo "== sort"; printf '%s\n' 10 9 1.5 -3 1e2 | sort -g; printf '%s\n' v1.10 v1.9 v1.2 | sort -V; du -b access.log | cut -f1
echo "== base64"; head -c 40 access.log | base64 -w 20; echo aGVsbG8K | base64 -d; md5sum access.log | cut -c1-8
while IFS='|' read -r name value rest; do echo "$name=$value (${rest:-none})"; done <<< $'a|1|x|y\nb|2'
