#!/usr/bin/env bash
# The part of checkpoint_test.sh that is done in the lab: an unmodified Linux computes on four processors while it is saved, ended
# and restored again and again, at random moments, and after every third round moves to another process while it runs. What it
# says goes to RESULTS/log, and its disk to RESULTS/disk.img:
# scripts/lab -- tests/lab/checkpoint/rounds.sh BUILD_DIR RESULTS ROUNDS SEED
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../check.sh
source "$root/tests/lab/check.sh"
build=$(realpath -- "$1")
results=$(realpath -- "$2")
rounds=$3
RANDOM=$4
guest=$root/build/guest
plugbay=$build/bin/plugbay
scratch=$(mktemp -d /tmp/checkpoint.XXXXXX) # in the lab's memory: there are sockets and FIFOs in it
trap 'rm -rf "$scratch"' EXIT
export PLUGBAY_RUNTIME_DIR=$scratch/run

# Between steps the guest forgets what it read, so that blocks come from the device.
# shellcheck disable=SC2016
SCRIPT='mkdir -p /tmp; dmesg -c >/dev/null
'"$(grep -v '^#' "$root/tests/lab/checkpoint/worker.sh")"'
for w in 0 1 2 3; do worker $w - /dev/vda >/tmp/chain$w & echo $! >>/tmp/pids; done
(until [ -e /tmp/stop ]; do sleep 0.2; echo 3 >/proc/sys/vm/drop_caches; echo TICK; done) &
echo START; read x; touch /tmp/stop
for p in $(cat /tmp/pids); do wait $p; done
sync; echo 3 >/proc/sys/vm/drop_caches; cat /tmp/chain*
echo SUM $(sha256sum </dev/vda)
dmesg | grep -iE "WARNING|BUG:|Oops|I/O error|Call Trace|hung|stall" | grep -v "Command line" && echo NOISE'
readonly SCRIPT

# start COMMAND FILE: a monitor in the background, as `monitor`; console in $scratch/console.
start() {
    "$plugbay" "$1" "$2" --name saved <>"$scratch/keys" >>"$scratch/console" 2>>"$scratch/errors" &
    monitor=$!
}

# The monitor answers, or has ended.
wait_until_there() {
    until "$plugbay" ctl -m saved machine status >/dev/null 2>&1 || ! kill -0 "$monitor" 2>/dev/null; do sleep 0.1; done
}

save_and_restore() {
    ctl machine pause
    "$plugbay" checkpoint saved "$scratch/checkpoint" --replace >"$scratch/report"
    ctl machine quit
    wait "$monitor" || true
    start restore "$scratch/checkpoint"
}

move() {
    local before=$monitor
    start restore "unix:$scratch/way"
    until [[ -S $scratch/way ]]; do sleep 0.1; done
    "$plugbay" checkpoint saved "unix:$scratch/way" --move >"$scratch/report"
    wait "$before"
}

ctl() { "$plugbay" ctl -m saved "$@" >/dev/null; }

base64_script=$(base64 -w0 <<<"$SCRIPT")
truncate -s 8M "$scratch/disk.img"
mkfifo "$scratch/keys"
exec 3<>"$scratch/keys"
cat >"$scratch/machine.json" <<JSON
{
  "name": "saved", "memory": "192M", "cpus": 4,
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$guest/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 plugbay.run=$base64_script" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "cmos-rtc", "id": "clock" }, { "type": "serial-16550", "id": "com1" },
    { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } },
    { "type": "pci-host", "id": "pci0" }, { "type": "virtio-rng", "id": "entropy" },
    { "type": "virtio-blk", "id": "vda", "queues": 4 },
    { "type": "disk-file", "id": "disk", "path": "$scratch/disk.img", "frontend": { "id": "vda" } }
  ]
}
JSON

start run "$scratch/machine.json"
wait_until_there
until grep -q START "$scratch/console" || ! kill -0 "$monitor" 2>/dev/null; do sleep 0.2; done
printf -- '--      the chains begin, %s s\n' "$SECONDS"
# lives_on HOW: whether the guest goes on; its clock ticks.
lives_on() {
    local ticks i
    ticks=$(grep -c TICK "$scratch/console")
    "$1"
    wait_until_there
    for ((i = 0; i < 600 && $(grep -c TICK "$scratch/console") <= ticks; ++i)); do sleep 0.1; done
    (($(grep -c TICK "$scratch/console") > ticks))
}

survived=0
for ((round = 1; round <= rounds; ++round)); do
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    lives_on save_and_restore || break
    if ((round % 3 == 0)); then
        lives_on move || break
        printf -- '--      round %s: a move' "$round"
        sed -n 's/^\(rounds\|bytes\|pause_microseconds\|taking_microseconds\) */, \1 /p' "$scratch/report" | tr -d '\n'
        printf '\n'
    fi
    survived=$round
    ((round % 10)) || printf -- '--      %s rounds, %s s\n' "$round" "$SECONDS"
done
check 'it went on after every restore and move' "$rounds" "$survived"
printf '\n' >&3
for ((i = 0; i < 1200; ++i)); do
    kill -0 "$monitor" 2>/dev/null || break
    sleep 0.1
done
kill "$monitor" 2>/dev/null || true
status=0
wait "$monitor" || status=$?
tr -d '\r' <"$scratch/console" >"$scratch/log"
check 'power-off' 0 "$status"
check 'no warning and no error of the kernel' 0 "$(grep -cE 'NOISE|WARNING:|BUG:|Oops|Call Trace' "$scratch/log")"
check 'the guest reached its end' 1 "$(grep -c '^PLUGBAY-REPORT end' "$scratch/log")"

cp "$scratch/log" "$scratch/disk.img" "$results"
printf -- '--      %s rounds, %s s in the lab\n' "$survived" "$SECONDS"
if ((failed)); then
    tail -n 40 "$scratch/log" "$scratch/errors"
    exit 1
fi
