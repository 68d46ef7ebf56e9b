#!/usr/bin/env bash
# Devices of an unmodified Linux are swapped between two builds again and again while the guest uses them, and nobody in
# the guest notices: scripts/lab -- tests/lab/hot_swap/hot_swap_test.sh BUILD_DIR CASE [SWAPS [KIB [REST]]], where the
# cases are the functions test_CASE below.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../check.sh
source "$root/tests/lab/check.sh"
build=$(realpath -- "$1")
guest=$root/build/guest
scratch=$(mktemp -d /tmp/hot-swap.XXXXXX) # in the lab's memory: there are sockets and FIFOs in it
trap 'rm -rf "$scratch"' EXIT
export PLUGBAY_RUNTIME_DIR=$scratch/run

# What ends every script: the checks of the log look for it.
readonly LAST_WORDS='dmesg | grep -iE "WARNING|BUG:|Oops|I/O error|Call Trace|timeout|reset|hung|stall|too much work" |
grep -v "Command line" && echo NOISE'

# machine DEVICES SCRIPT: the guest's machine with these devices added, and what it runs.
machine() {
    cat <<JSON
{
  "name": "swapped", "memory": "512M", "cpus": 2,
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$scratch/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 plugbay.run=$(base64 -w0 <<<"$2")" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "serial-16550", "id": "com1" },
    { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } },
    { "type": "pci-host", "id": "pci0" }, $1
  ]
}
JSON
}

# Both builds, without what only a debugger reads: it would be staged with the rest, which takes longest in the lab.
strip_builds() {
    local file
    mkdir "$scratch"/{plugins,next}
    for file in "$build"/bin/next/*.so; do
        strip -o "$scratch/next/${file##*/}" "$file"
        strip -o "$scratch/plugins/${file##*/}" "$build/bin/plugins/${file##*/}"
    done
}

# run SWAPS REST DEVICE=PLUGIN...: runs the machine, swaps from the line START on with REST ms after each, then types a
# line for the guest, which is to end by itself. Log in $scratch/log, what the swaps told in $scratch/swaps.
run() {
    local monitor swaps_status=0 status=0
    mkfifo "$scratch/keys"
    "$build/bin/plugbay" run "$scratch/machine.json" <>"$scratch/keys" >"$scratch/console" 2>"$scratch/errors" &
    monitor=$!
    exec 3<>"$scratch/keys"
    until grep -q START "$scratch/console" || ! kill -0 "$monitor" 2>/dev/null; do sleep 0.2; done
    printf -- '--      the load starts, %s s\n' "$SECONDS"
    "$build/bin/swap_rounds" swapped "$scratch" "$@" >"$scratch/swaps" 2>&1 || swaps_status=$?
    printf '\n' >&3
    printf -- '--      the swaps are over, %s s\n' "$SECONDS"
    wait "$monitor" || status=$?
    tr -d '\r' <"$scratch/console" >"$scratch/log"
    check 'every swap, and every build did its work' 0 "$swaps_status"
    check 'power-off' 0 "$status"
    check 'no warning and no error of the kernel' 0 "$(grep -cE 'NOISE|WARNING:|BUG:|Oops|Call Trace' "$scratch/log")"
    check 'the guest reached its end' 1 "$(grep -c '^PLUGBAY-REPORT end' "$scratch/log")"
    sed 's/^/--      /' "$scratch/swaps"
}

# Random writes of 4 KiB at a depth of 32, read back and compared by fio, over and over; in between fio starts anew.
# Both the frontend and its backend are swapped.
test_fio() {
    local swaps=${1:-60} script
    # shellcheck disable=SC2016 # for the guest's shell
    script='mkdir -p /tmp; dmesg -c >/dev/null; n=0
(until [ -e /tmp/stop ]; do n=$((n+1))
fio --name=v --filename=/dev/vda --size=8M --bs=4k --rw=randwrite --direct=1 --ioengine=libaio --iodepth=32 \
--verify=crc32c --verify_fatal=1 --verify_backlog=512 --randseed=$n --thread --eta=never --output=/tmp/fio$((n%2)) ||
{ echo FIO-FAILED; cat /tmp/fio*; }; echo FIO $n; done) & l=$!
echo START; read x; touch /tmp/stop; wait $l; grep -E "err=|IOPS" /tmp/fio*
'"$LAST_WORDS"'; echo SUM $(sha256sum </dev/vda)'
    truncate -s 8M "$scratch/disk.img"
    cat "$guest/initrd.img" "$guest/fio.img" >"$scratch/initrd.img"
    machine '{ "type": "virtio-blk", "id": "vda", "queues": 2 },
        { "type": "disk-file", "id": "disk", "path": "'"$scratch"'/disk.img", "frontend": { "id": "vda" } }' \
        "$script" >"$scratch/machine.json"
    run "$swaps" 0 vda=virtio-blk:requests disk=disk-file:requests
    check 'fio found no error and no mismatch' 0 "$(grep -cE 'FIO-FAILED|verify:|fio:' "$scratch/log")"
    check 'fio ended well at least once' yes "$(grep -q '^FIO [1-9]' "$scratch/log" && echo yes || echo no)"
    check 'the disk of the guest is the image' "$(sed -n 's/^SUM \([0-9a-f]*\).*/\1/p' "$scratch/log")" \
        "$(sha256sum <"$scratch/disk.img" | cut -d' ' -f1)"
    printf -- '--      %s runs of fio\n' "$(grep -c '^FIO ' "$scratch/log")"
    grep -E 'err=|IOPS' "$scratch/log" | sed 's/^/--      /'
}

# A stream each way through a serial port, by two files on the host: at least KIB are written by the guest, and a 64th of that
# is read by it, because that takes it twice as many accesses. Both the port and its backend are swapped. The data are made
# beforehand, and their sum is made afterwards: a pipe costs the guest a third of what it can write.
test_serial() {
    local swaps=${1:-40} kib=${2:-128} rest=${3:-0} script
    local to_guest=$(((kib + 63) / 64)) block=$((kib < 256 ? kib : 256))
    # shellcheck disable=SC2016 # for the guest's shell
    script='mkdir -p /tmp; dmesg -c >/dev/null; head -c '$((block << 10))' /dev/urandom >/tmp/block
exec 5<>/dev/ttyS1; stty -F /dev/ttyS1 raw -echo
head -c '$((to_guest << 10))' <&5 | sha256sum >/tmp/in & r=$!
(n=0; until [ -e /tmp/stop -a $n -ge '$(((kib + block - 1) / block))' ]; do n=$((n+1)); echo $n; cat /tmp/block
done >/dev/ttyS1; echo $n >/tmp/n) & w=$!
echo START; read x; touch /tmp/stop; wait $w; wait $r
echo OUT $(for i in $(seq $(cat /tmp/n)); do echo $i; cat /tmp/block; done | sha256sum); echo IN $(cat /tmp/in)
'"$LAST_WORDS"
    cp "$guest/initrd.img" "$scratch/initrd.img"
    head -c "${to_guest}K" /dev/urandom >"$scratch/sent"
    mkfifo "$scratch/input"
    exec 4<>"$scratch/input" # so that it has no end
    machine '{ "type": "serial-16550", "id": "com2", "port": "0x2f8", "irq": 3 },
        { "type": "char-file", "id": "files", "path": "'"$scratch"'/received", "input": "'"$scratch"'/input",
          "frontend": { "id": "com2" } }' "$script" >"$scratch/machine.json"
    # Not before the guest has opened the port, which empties its FIFOs.
    (until grep -q START "$scratch/console" 2>/dev/null; do sleep 0.2; done; cat "$scratch/sent") >&4 &
    (while sleep 20; do printf -- '--      %s bytes to the host, %s s\n' "$(stat -c %s "$scratch/received")" "$SECONDS"; done) &
    local progress=$!
    run "$swaps" "$rest" 'com2=serial-16550:bytes sent' files=char-file
    kill "$progress"
    check 'what the guest wrote is what the host received' "$(sed -n 's/^OUT \([0-9a-f]*\).*/\1/p' "$scratch/log")" \
        "$(sha256sum <"$scratch/received" | cut -d' ' -f1)"
    check 'what the host sent is what the guest read' "$(sha256sum <"$scratch/sent" | cut -d' ' -f1)" \
        "$(sed -n 's/^IN \([0-9a-f]*\).*/\1/p' "$scratch/log")"
    check 'the guest wrote all it had to' yes \
        "$( (($(stat -c %s "$scratch/received") >= kib << 10)) && echo yes || echo no)"
    printf -- '--      %s bytes to the host, %s to the guest\n' "$(stat -c %s "$scratch/received")" $((to_guest << 10))
}

test_rng() {
    local swaps=${1:-60} script
    # shellcheck disable=SC2016 # for the guest's shell
    script='mkdir -p /tmp; dmesg -c >/dev/null
(until [ -e /tmp/stop ]; do dd if=/dev/hwrng bs=64 count=16 iflag=fullblock 2>/tmp/why || { echo RNG-FAILED; cat /tmp/why; }
done >/tmp/bytes) & l=$!
echo START; read x; touch /tmp/stop; wait $l; grep -c RNG-FAILED /tmp/bytes
echo BYTES $(wc -c </tmp/bytes) TWICE $(od -An -v -tx8 -w8 /tmp/bytes | sort | uniq -d | wc -l)
'"$LAST_WORDS"
    cp "$guest/initrd.img" "$scratch/initrd.img"
    machine '{ "type": "virtio-rng", "id": "entropy" }' "$script" >"$scratch/machine.json"
    run "$swaps" 0 entropy=virtio-rng
    check 'no read failed' 0 "$(grep -m 1 -xE '[0-9]+' "$scratch/log")"
    check 'entropy came, none of it twice' 'yes 0' \
        "$(sed -n 's/^BYTES [1-9][0-9]* TWICE /yes /p' "$scratch/log")"
    grep '^BYTES' "$scratch/log" | sed 's/^/--      /'
}

strip_builds
"test_$2" "${@:3}"
printf '%s passed, %s failed, %s s\n' "$passed" "$failed" "$SECONDS"
if ((failed)); then
    tail -n 40 "$scratch/log" "$scratch/errors"
    exit 1
fi
