#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The manual pages that are made of the headers: mandoc has nothing to say
# against them, every exported function is on the page that it has, and what a
# page refers to is there.
#
# usage: manpages.sh BUILD_DIR SOURCE_DIR
set -u
source=$(cd "$2" && pwd) || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
failed=0
fail() {
    failed=$((failed + 1))
    echo "FAIL $*"
}

python3 "$source/scripts/manpages.py" "$source" man || exit 1
cd man || exit 1

# That a page is not installed here is no fault of it.
lint() { mandoc -Tlint -Wstyle "$@" 2>&1 | grep -v 'referenced manual not found'; }
printf '.Dd May 1, 2026\n.Dt X 3\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Bl -tag\n' >../broken.3
lint ../broken.3 >/dev/null || fail "mandoc finds no fault with a list that has no end"
pages=(man7/tuza.7 man3/tuza-*.3)
lint "${pages[@]}" && fail "mandoc says so"

functions=0
while read -r name; do
    functions=$((functions + 1))
    page=$(sed -n 's/^\.so //p' "man3/$name.3" 2>/dev/null)
    [[ -n $page ]] || fail "$name has no page"
    grep -q "^\.Fo $name\$" "${page:-/dev/null}" || fail "$name is not on $page"
done < <(sed -n 's/^ *\(tuza_[a-z_]*\);$/\1/p' "$source/tuza.map")

while read -r _ name section _; do
    [[ -e man$section/$name.$section ]] || fail "a page refers to $name($section)"
done < <(grep -h '^\.Xr' "${pages[@]}" | sort -u)

echo "${#pages[@]} pages, $functions functions, $failed failed"
((failed == 0 && functions > 100))
