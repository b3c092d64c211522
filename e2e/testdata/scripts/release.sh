#!/bin/bash
# A release job: versions, a changelog, checksums, an archive and its listing.
set -euo pipefail
umask 022
die() { echo "release: $*" >&2; exit 2; }

version=${1:-1.4.2}
[[ $version =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)$ ]] || die "bad version $version"
major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]} patch=${BASH_REMATCH[3]}
next="$major.$((minor + 1)).0"
echo "releasing $version, next is $next, patch $((patch))"

rm -rf out && mkdir -p out/{bin,share/doc}
for name in alpha beta "gamma delta"; do
  printf '#!/bin/sh\necho %q\n' "$name" > "out/bin/$name"
  chmod +x "out/bin/$name"
done
cat > out/share/doc/CHANGES <<END
$version
$(printf '%.0s-' {1..5})
* first of ${#version} characters
* upper: ${version^^}, padded: $(printf '[%8s]' "$version")
END
cat out/share/doc/CHANGES

declare -A sizes
while IFS= read -r -d '' file; do
  sizes[${file#out/}]=$(wc -c < "$file")
done < <(find out -type f -print0 | sort -z)
for file in $(printf '%s\n' "${!sizes[@]}" | tr ' ' '?' | sort); do
  echo "$file ${#file}"
done
find out -type f | sort | while read -r f; do
  printf '%-24s %4d %s\n' "${f#out/}" "$(stat -c %s "$f")" "$(stat -c %A "$f")"
done

(cd out && find . -type f -print0 | sort -z | xargs -0 sha256sum > ../SHA256SUMS)
cat SHA256SUMS
(cd out && sha256sum -c --quiet ../SHA256SUMS) && echo "checksums hold"
tar -C out --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf release.tar .
tar tf release.tar
gzip -n -9 -k release.tar && gunzip -c release.tar.gz | cmp - release.tar && echo "same after gzip"
mkdir -p unpacked && tar -xzf release.tar.gz -C unpacked && diff -r out unpacked && echo "same after tar"
sed -i -e "s/^\* first/* 1st/" -e '/^-*$/d' out/share/doc/CHANGES
diff -u --label a --label b unpacked/share/doc/CHANGES out/share/doc/CHANGES || echo "differs ($?)"
