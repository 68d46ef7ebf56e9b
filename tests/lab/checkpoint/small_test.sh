#!/usr/bin/env bash
# Checkpoints of a small machine. Those that older versions wrote, in tests/lab/checkpoint/golden, go on with this one and end as
# they should; one that does not fit on its disk leaves the one before as it was:
# scripts/lab -- tests/lab/checkpoint/small_test.sh BUILD_DIR
# With a name, a golden checkpoint of that name is made by this version first, to be kept from then on:
# scripts/lab -- tests/lab/checkpoint/small_test.sh BUILD_DIR NAME
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../check.sh
source "$root/tests/lab/check.sh"
build=$(realpath -- "$1")
name=${2-}
golden=$root/tests/lab/checkpoint/golden
plugbay=$build/bin/plugbay
scratch=$(mktemp -d /tmp/golden.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
export PLUGBAY_RUNTIME_DIR=$scratch/run

as --32 -o "$scratch/guest.o" "$golden/guest.S"
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$scratch/guest" "$scratch/guest.o"
# A device of every plugin that needs nothing outside of the machine, and most of what there is to save.
cat >"$scratch/golden.json" <<JSON
{
  "name": "golden", "memory": "1M", "boot": { "kernel": "$scratch/guest", "protocol": "flat" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "cmos-rtc", "id": "clock" }, { "type": "i8042", "id": "keys" },
    { "type": "pvpanic", "id": "panic" }, { "type": "debug-exit", "id": "exit" }, { "type": "sample-msr", "id": "msr" },
    { "type": "serial-16550", "id": "com1" },
    { "type": "char-file", "id": "log", "path": "$scratch/log", "append": true, "frontend": { "id": "com1" } },
    { "type": "serial-16550", "id": "com2", "port": "0x2f8", "irq": 3 },
    { "type": "char-ring", "id": "ring", "frontend": { "id": "com2" } },
    { "type": "pci-host", "id": "pci" }, { "type": "virtio-rng", "id": "entropy" }, { "type": "virtio-blk", "id": "vda" },
    { "type": "disk-ram", "id": "disk", "size": "64K", "frontend": { "id": "vda" } }
  ]
}
JSON

# start: the machine in the background, somewhere in the middle.
start() {
    rm -f "$scratch/log"
    "$plugbay" run "$scratch/golden.json" &
    until [[ -s $scratch/log ]] && (($(stat -c %s "$scratch/log") > 60)); do sleep 0.01; done
    "$plugbay" ctl -m golden machine pause >/dev/null
}

end() {
    "$plugbay" ctl -m golden machine quit >/dev/null
    wait
}

make_golden() {
    start
    "$plugbay" checkpoint golden "$scratch/$name" >/dev/null
    end
    check 'it was saved in the middle' yes "$( (($(stat -c %s "$scratch/log") < 160)) && echo yes || echo no)"
    check 'what it said is the beginning' "$(cat "$scratch/log")" "$(head -c "$(stat -c %s "$scratch/log")" "$scratch/all")"
    ((failed == 0)) || exit 1
    cp -r --sparse=always "$scratch/$name" "$golden/"
    tail -c +"$(($(stat -c %s "$scratch/log") + 1))" "$scratch/all" >"$golden/$name.output"
}

# go_on FOLDER NAME EXPECTED
go_on() {
    rm -f "$scratch/log"
    # What the guest knows of its processor is of no use to it.
    "$plugbay" restore "$1" --verify --accept-other-processor --set "devices.log.path=$scratch/log" 2>"$scratch/errors" &&
        status=0 || status=$?
    check "$2 goes on to its end" 42 "$status"
    check "$2: what the guest says then" "$3" "$(cat "$scratch/log" 2>/dev/null)"
    ((status == 42)) || cat "$scratch/errors"
}

test_full_disk() {
    local said
    mkdir "$scratch/small"
    mount -t tmpfs -o size=1M none "$scratch/small"
    start
    said=$(stat -c %s "$scratch/log")
    "$plugbay" checkpoint golden "$scratch/small/saved" >/dev/null
    dd if=/dev/zero of="$scratch/small/filler" bs=4096 2>/dev/null || true
    "$plugbay" checkpoint golden "$scratch/small/saved" --replace >/dev/null 2>"$scratch/errors" && status=0 || status=$?
    check 'a full disk: it fails' 1 "$status"
    check 'a full disk: the error says so' 1 "$(grep -c 'No space left on device' "$scratch/errors")"
    check 'a full disk: the machine is there' paused \
        "$("$plugbay" ctl -m golden machine status --json | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p')"
    end
    check 'a full disk: nothing is left over' 'filler saved' "$(cd "$scratch/small" && find . -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)"
    go_on "$scratch/small/saved" 'the checkpoint before' "$(tail -c +"$((said + 1))" "$scratch/all")"
    umount "$scratch/small"
}

"$plugbay" run "$scratch/golden.json" && status=0 || status=$?
check 'the undisturbed guest ends' 42 "$status"
mv "$scratch/log" "$scratch/all"
[[ -z $name ]] || make_golden
for folder in "$golden"/*/; do
    each=$(basename "$folder")
    go_on "$folder" "golden checkpoint $each" "$(cat "$golden/$each.output")"
done
test_full_disk
printf '%s passed, %s failed, %s s\n' "$passed" "$failed" "$SECONDS"
((failed == 0))
