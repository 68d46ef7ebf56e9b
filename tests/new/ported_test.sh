#!/usr/bin/env bash
# ported_test.sh PREFIX GUIDE: the device that the guide ports, and its test, are what it says they are: they are put into what
# `plugbay new countdown` makes, built against the SDK installed in PREFIX, validated and run.
set -euo pipefail

readonly PREFIX=$1 GUIDE=$2
# shellcheck source=tests/new/listing.sh
source "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")/listing.sh"
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"
export PATH=$PREFIX/bin:$PATH CMAKE_PREFIX_PATH=$PREFIX
unset PLUGBAY_PLUGIN_PATH

plugbay new countdown >/dev/null
listing "$GUIDE" 'PLUGBAY_PLUGIN("countdown"' >countdown/countdown.cpp
listing "$GUIDE" 'TEST(Countdown' >countdown/countdown_test.cpp
# Where the other tests build, so that what they compiled of the testkit is found in the cache.
{
    cmake -S countdown -B countdown/build
    cmake --build countdown/build -- -j2
} >log 2>&1 || { cat log && exit 1; }
plugbay validate countdown/build/countdown.so >checks || { cat checks && exit 1; }
if grep -E '^PB-[A-Z]+-[0-9]+ +warning' checks; then
    echo "a port that is shown has no warnings" && exit 1
fi
ctest --test-dir countdown/build --output-on-failure --no-tests=error
