#!/usr/bin/env bash
# listings_test.sh PREFIX EXAMPLES DOCUMENT...: each whole device that the documents show is what it says it is. One that is also
# in the folder EXAMPLES is shown as it stands there, where it is built and tested, and so is its test. Others are built against the
# SDK installed in PREFIX, and validated.
set -euo pipefail

readonly PREFIX=$1 EXAMPLES=$2
shift 2
# shellcheck source=tests/new/listing.sh
source "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")/listing.sh"
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"
PKG_CONFIG_PATH=$(dirname -- "$(find "$PREFIX" -name plugbay.pc)")
export PKG_CONFIG_PATH
read -ra compile <<<"${CMAKE_CXX_COMPILER_LAUNCHER:-} g++ -std=c++20 -fPIC -fno-gnu-unique $(pkg-config --cflags plugbay)"
compile+=('-DPLUGBAY_PLUGIN_LICENCE="NONE"') # as plugbay_add_plugin() does
read -ra link <<<"g++ -shared $(pkg-config --libs plugbay)"

# names DOCUMENT: of the plugins in its C++ blocks.
names() {
    awk '/^```/ { inside = /^```cpp$/ } inside && /^PLUGBAY_PLUGIN\(/ { split($0, part, "\""); print part[2] }' "$1"
}

# shown_whole DOCUMENT FILE TEXT: the document's listing with TEXT is that file, or a part of it.
shown_whole() {
    local block
    block=$(listing "$1" "$3")
    [[ $(<"$2") == *"$block"* ]] || {
        printf '%s shows something else than %s:\n' "$1" "$2"
        diff <(printf '%s\n' "$block") "$2" || true
        exit 1
    }
}

# built DOCUMENT NAME
built() {
    listing "$1" "PLUGBAY_PLUGIN(\"$2\"" >"$2.cpp"
    "${compile[@]}" -c "$2.cpp" -o "$2.o"
    "${link[@]}" "$2.o" -o "$2.so"
    "$PREFIX/bin/plugbay" validate "$2.so" >checks || { cat checks && exit 1; }
    if grep -E '^PB-[A-Z]+-[0-9]+ +warning' checks; then
        printf 'what is shown has no warnings: %s in %s\n' "$2" "$1" && exit 1
    fi
}

examples=0 devices=0
for document; do
    while read -r name; do
        if [[ -d $EXAMPLES/$name ]]; then
            file=$EXAMPLES/$name/${name//-/_}
            shown_whole "$document" "$file.cpp" "PLUGBAY_PLUGIN(\"$name\""
            examples=$((examples + 1))
            test=$(sed -nE 's/^(TEST(_F)?\(\w+, ).*/\1/p' "${file}_test.cpp" | head -n 1)
            ! grep -qF "$test" "$document" || shown_whole "$document" "${file}_test.cpp" "$test"
        else
            built "$document" "$name"
            devices=$((devices + 1))
        fi
    done < <(names "$document")
done
((examples > 0 && devices > 0)) || { echo "$examples examples and $devices other devices were found" && exit 1; }
printf '%d devices that are shown are examples, %d others were built and validated\n' "$examples" "$devices"
