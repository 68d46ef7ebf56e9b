#!/usr/bin/env bash
# pkg_config_test.sh PREFIX: plugins in C and C++ that are built with the flags of the SDK installed in PREFIX, and without CMake,
# pass `plugbay validate`.
set -euo pipefail

readonly PREFIX=$1
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"
file=$(find "$PREFIX" -name plugbay.pc)
export PKG_CONFIG_PATH=${file%/*}
read -ra flags < <(pkg-config --cflags --libs plugbay)

# validated LANGUAGE COMPILER...
validated() {
    local language=$1
    shift
    "$PREFIX/bin/plugbay" new thing --lang "$language" --directory "$language" >/dev/null
    "$@" -O2 -fPIC -shared "$language/thing.$language" "${flags[@]}" -o "$language/thing.so"
    "$PREFIX/bin/plugbay" validate "$language/thing.so"
}
validated c gcc -std=c11
validated cpp g++ -std=c++20 -fno-gnu-unique
