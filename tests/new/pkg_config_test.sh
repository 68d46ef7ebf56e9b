#!/usr/bin/env bash
# pkg_config_test.sh PREFIX: a plugin that is built with the flags of the SDK installed in PREFIX, and without CMake, passes
# `plugbay validate`.
set -euo pipefail

readonly PREFIX=$1
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"
file=$(find "$PREFIX" -name plugbay.pc)
export PKG_CONFIG_PATH=${file%/*}
"$PREFIX/bin/plugbay" new thing --lang c >/dev/null
read -ra flags < <(pkg-config --cflags --libs plugbay)
gcc -std=c11 -O2 -fPIC -shared -DPLUGBAY_PLUGIN_LICENCE='"NONE"' thing/thing.c "${flags[@]}" -o thing.so
"$PREFIX/bin/plugbay" validate thing.so
