#!/bin/bash
# Files: trees, links, modes, finds, copies.
set -eu
export TZ=UTC
mkdir -p tree/{a,b/{c,d}} && cd tree
for i in 1 2 3; do echo "file $i" > a/f$i.txt; head -c $((i * 1000)) /dev/zero > b/c/z$i.bin; done
ln -s a/f1.txt link; ln -s nowhere broken; ln a/f1.txt hard
chmod 640 a/f1.txt; chmod u+x,g-r a/f2.txt; chmod 700 b
touch -d '2020-02-29 12:34:56' a/f3.txt; touch -r a/f3.txt b/c/z1.bin
find . | sort
find . -type f -name '*.txt' -size -2 | sort; find . -type l | sort; find . -size +1k -printf '%P %s %y\n' | sort
find . -newer a/f3.txt -name 'f*' | sort; find . -perm 640 -o -perm -u+x -type f | sort
find . -type f -name 'z*' -exec wc -c {} + | sort -n; find b -depth -name '[cd]' -exec echo dir {} \;
find . -empty | sort; find . -maxdepth 1 -mindepth 1 ! -name a | sort; find . -path './b/*' -prune -o -type f -print | sort
stat -c '%n %a %s %F %h' a/f1.txt a/f2.txt hard link b | sort; stat -c '%Y %n' a/f3.txt b/c/z1.bin
readlink link; readlink -f link | sed "s|$PWD|.|"; realpath --relative-to=. b/../a/f1.txt; test -e broken || echo broken
cp -a a copy; cp -r b copy/; cp -p a/f3.txt p; stat -c '%Y %a' p; diff -rq a copy || true
mv copy/f1.txt copy/moved; mv -v copy/f2.txt copy/renamed | tr "'" '"'; rm -rf copy/b; ls copy; ls -A1 .; ls -ln a | awk 'NR>1 {print $1, $5, $9}'
ls -lR --time-style=+%Y b | awk '{print $1, $NF}'; ls -F; ls -d */; ls -S b/c; ls -r a
rmdir b/d; rmdir b 2>/dev/null || echo "not empty"; mktemp -u XXXXXX | wc -c
basename a/f1.txt .txt; dirname a/b/c; basename -s .txt -a a/f1.txt a/f2.txt
tar cf - a | tar tvf - --full-time | awk '{print $1, $3, $6}'; tar czf x.tgz a b && tar tzf x.tgz | wc -l
dd if=/dev/zero of=dd.bin bs=1k count=3 2>/dev/null; truncate -s 10 dd.bin; wc -c < dd.bin; cmp a/f1.txt a/f2.txt || echo "cmp $?"
du -sb a | cut -f1; xargs -n 2 echo <<< "1 2 3 4 5"; printf 'x\0y z\0' | xargs -0 -I{} echo "<{}>"; echo a b | xargs -t -n1 echo 2>&1
date -u -d @86400 +%F_%T; date -u -d '2024-01-31 +1 day' +%F; date -u -d '2024-03-01 00:00' +%s
env -i A=1 B=2 env | sort; env X=5 bash -c 'echo $X'; nproc >/dev/null; uname -s; id -u; whoami; timeout 1 sleep 0.01; echo "timeout $?"; timeout 0.05 sleep 5 || echo "timeout $?"
tee t1 t2 <<< tee >/dev/null; cat t1 t2; yes | head -n 2; seq 5 | tail -n +4; seq 5 | head -n -3; od -c t1; wc t1 t2; split -l 2 <(seq 5) part.; cat part.ac
cut -c2-3 <<< abcdef; tr -d aeiou <<< education; tr a-z A-Z <<< shout; tr -s ' ' <<< 'a   b'; sed '2!d;s/e/E/g' <<< $'one\ntwo three\nfour'; sed -n '/b/,/d/{=;p}' <<< $'a\nb\nc\nd\ne'
