#!/usr/bin/env bash
# packages_test.sh FOLDER VERSION PREFIX: the packages plugbay and plugbay-dev in FOLDER say the right things of themselves and
# hold what docs/packages.md promises. Both are unpacked into PREFIX, which is emptied, for tests of what they are good for.
set -euo pipefail

readonly FOLDER=$1 VERSION=$2 PREFIX=$3
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd -- "$scratch"

fail() {
    printf '%s\n' "$*"
    exit 1
}

architecture=$(dpkg --print-architecture)
runtime=$FOLDER/plugbay_$VERSION-1_$architecture.deb
dev=$FOLDER/plugbay-dev_$VERSION-1_all.deb
found=$(cd -- "$FOLDER" && printf '%s\n' *.deb | LC_ALL=C sort)
wanted=$(printf '%s\n' "${dev##*/}" "${runtime##*/}" | LC_ALL=C sort)
[[ $found == "$wanted" ]] || fail "packages wanted: $wanted; found: $found"

# --- what they say

# field PACKAGE FIELD PATTERN
field() {
    local value
    value=$(dpkg-deb -f "$1" "$2")
    # shellcheck disable=SC2053 # a pattern
    [[ $value == $3 ]] || fail "${1##*/}: $2 is \"$value\", not \"$3\""
}
field "$runtime" Version "$VERSION-1"
field "$runtime" Section otherosfs
field "$runtime" Provides 'plugbay-abi-1 (= 1.*)'
field "$runtime" Maintainer '* <*@*>'
field "$runtime" Description 'KVM virtual machine monitor*'
field "$dev" Version "$VERSION-1"
field "$dev" Section libdevel
field "$dev" Architecture all
field "$dev" Depends "plugbay (= $VERSION-1)"
field "$dev" Description 'files to write device plugins*'

dpkg-deb -x "$runtime" tree
dpkg-deb -x "$dev" tree
if find tree -type d ! -perm 755 -o -type f -perm /022 | grep .; then
    fail "the permissions of these are wrong"
fi

# Each library that something in it is linked to comes with a package that it depends on.
depends=$(dpkg-deb -f "$runtime" Depends)
linked=0
while read -r library; do
    # The loader's way to it may go through /lib, which is a link to /usr/lib.
    file=$(ldconfig -p | awk -v name="$library" '$1 == name && /x86-64/ { print $NF; exit }')
    [[ -n $file ]] || fail "$library is nowhere"
    package=$(dpkg -S "$file" 2>/dev/null || dpkg -S "/usr$file") || fail "$file is no package's"
    package=${package%%:*}
    # It, or what it provides for those that are linked to it.
    names=$(dpkg-query -W -f '${Package}, ${Provides}' "$package" | sed 's/ *([^)]*)//g; s/, */|/g; s/|$//; s/[+.]/\\&/g')
    [[ ", $depends," =~ ,\ ($names)[\ ,] ]] || fail "it is linked to $library of $package, but depends on: $depends"
    linked=$((linked + 1))
done < <(objdump -p tree/usr/bin/plugbay tree/usr/lib/plugbay/plugins/*.so | awk '$1 == "NEEDED" { print $2 }' | sort -u)
((linked >= 5)) || fail "only $linked libraries were found"

# --- what is in them

# holds PACKAGE PATH...
holds() {
    local package=$1 path list
    shift
    list=$(dpkg-deb -c "$package" | awk '{ print $6 }')
    for path; do
        grep -qxF "./usr/$path" <<<"$list" || fail "${package##*/} has no /usr/$path"
    done
}
holds "$runtime" bin/plugbay lib/plugbay/plugins/serial-16550.so share/man/man1/plugbay.1 share/plugbay/configs/linux.json \
    share/bash-completion/completions/plugbay share/zsh/vendor-completions/_plugbay lib/systemd/system/plugbay@.service \
    share/doc/plugbay/copyright
holds "$dev" include/plugbay/abi/plugin.h include/plugbay/device.hpp include/plugbay/testkit/bench.hpp \
    lib/cmake/Plugbay/PlugbayConfig.cmake lib/cmake/Plugbay/plugin.map lib/pkgconfig/plugbay.pc \
    share/plugbay/testkit/src/bench.cpp share/plugbay/template/cpp/device.cpp.in \
    share/plugbay/examples/README.md share/doc/plugbay-dev/copyright
both=$(for package in "$runtime" "$dev"; do dpkg-deb -c "$package" | awk '$1 ~ /^-/ { print $6 }'; done | sort | uniq -d)
[[ -z $both ]] || fail "in both packages: $both"
grep -q '^ExecStart=/usr/bin/plugbay ' tree/usr/lib/systemd/system/plugbay@.service ||
    fail "the unit starts something else than /usr/bin/plugbay"
if grep -rIlF -- "${FOLDER%/tests/packages/*}" tree; then
    fail "these name the folder that they were built in"
fi
if objdump -h tree/usr/bin/plugbay | grep -F .debug_info; then
    fail "the binary was not stripped"
fi

# --- for who uses them

PATH=$scratch/tree/usr/bin:$PATH plugbay schema >schema.json
grep -q '"serial-16550"' schema.json || fail "the monitor does not find its plugins"
rm -rf -- "$PREFIX"
mv tree "$PREFIX"
