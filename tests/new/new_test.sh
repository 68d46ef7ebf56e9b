#!/usr/bin/env bash
# new_test.sh PREFIX LANGUAGE KIND: what `plugbay new` makes is built against the SDK installed in PREFIX by the commands
# that it says, passes `plugbay validate`, and passes its own test.
set -euo pipefail

readonly PREFIX=$1 LANGUAGE=$2 KIND=$3
here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
readonly TYPE=my-$KIND-device PLACE="my $KIND device"
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"
export PATH=$PREFIX/bin:$PATH
unset PLUGBAY_PLUGIN_PATH

# Each line that is shown as a command, as a reader would type it.
commands=1
began=$(date +%s%N)
plugbay new "$TYPE" --lang "$LANGUAGE" --kind "$KIND" --directory "$PLACE" >said
while read -r command; do
    commands=$((commands + 1))
    bash -c "$command" >output 2>&1 || { cat said output && exit 1; }
done < <(sed -n 's/^  //p' said)
printf '%s %s: %d commands and %d ms from nothing to a passing validate\n' "$LANGUAGE" "$KIND" "$commands" \
    $((($(date +%s%N) - began) / 1000000))
grep -q '^[0-9]* checks: ' output || { cat output && exit 1; }
if grep -E '^PB-[A-Z]+-[0-9]+ +warning' output; then
    echo "a template has no warnings" && exit 1
fi
((commands <= 4)) || { echo "that are too many commands" && exit 1; }

cd -- "$PLACE"
if [[ $LANGUAGE == cpp && $KIND == mmio ]]; then
    lines=$(wc -l <"$TYPE.cpp")
    ((lines <= 60)) || { echo "$lines lines are too many for the first device" && exit 1; }
fi
if grep -rn '@[A-Z]*@' --exclude-dir=build .; then
    echo "something was not filled in" && exit 1
fi
plugbay check machine.json
if /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
    plugbay schema --plugin "build/$TYPE.so" >schema.json
    /usr/bin/python3 -B "$here/../schema/machine_schema.py" schema.json machine.json
fi
if [[ $LANGUAGE == rust ]]; then
    make test
    printf '#!/bin/sh\necho "rustc 1.63.0"\n' >old-rustc && chmod +x old-rustc
    if make --always-make RUSTC=./old-rustc >log 2>&1; then
        echo "a compiler that is too old was taken" && exit 1
    fi
    grep -F 'needs rustc 1.82 or newer, and ./old-rustc is 1.63.0' log
    if command -v cargo >/dev/null; then
        cargo build --quiet --offline --release
        plugbay validate "target/release/lib${TYPE//-/_}.so" >log || { cat log && exit 1; }
    else
        echo "not built by Cargo: there is no cargo here"
    fi
else
    cmake --build build -- -j2 >log 2>&1 || { cat log && exit 1; }
    ctest --test-dir build --output-on-failure --no-tests=error
fi

status_wanted=$(sed -n 's/.*ends with status \([0-9]*\).*/\1/p' README.md)
if [[ -w /dev/kvm ]]; then
    status=0
    plugbay run machine.json --timeout 60 </dev/null || status=$?
    ((status == status_wanted)) || { echo "the guest ended with status $status, not $status_wanted" && exit 1; }
else
    echo "the guest was not run: there is no /dev/kvm here"
fi
