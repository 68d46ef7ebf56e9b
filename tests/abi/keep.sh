#!/usr/bin/env bash
# keep.sh: builds the plugins in kept/ with GCC, as of the ABI of now, where a file of that version is not kept yet.
#
# A plugin that is kept is never built again once its ABI was released: that it goes on working is the point. Before the
# release, delete a file whose ABI was changed, and have it made anew.
set -euo pipefail

cd -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")"
readonly SDK=../../sdk
version=$(sed -n 's/^#define PLUGBAY_ABI_\(MAJOR\|MINOR\) \([0-9]*\)$/\2/p' $SDK/include/plugbay/abi/base.h | paste -sd .)

# keep FILE COMPILER... SOURCE
keep() {
    local file=kept/$1
    shift
    if [[ -e $file ]]; then
        printf '%s is kept as it is\n' "$file"
        return
    fi
    "$@" -O2 -fPIC -shared -fvisibility=hidden -I$SDK/include -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -Wl,--build-id -s \
        -Wl,--version-script=$SDK/cmake/plugin.map -o "$file"
    chmod a-x "$file"
    printf '%s was made\n' "$file"
}

keep "abi-$version-c.so" gcc -std=c11 kept/doubler.c
keep "abi-$version-cpp.so" g++ -std=c++20 -fno-gnu-unique '-DPLUGBAY_PLUGIN_LICENCE="Apache-2.0"' kept/metronome.cpp
