#!/usr/bin/env bash
# Saving, restoring and moving a Linux of 512 MiB, with plugbay and with QEMU in turn, on the same KVM:
# scripts/lab --memory 8G -- tests/bench/checkpoint_bench.sh BUILD_DIR [ROUNDS]. Needs the files of scripts/guest. All times are
# taken from outside and in milliseconds, but for the pauses, which each monitor tells of itself. "output" is the guest's
# next line on its serial console; it writes one every 20 ms.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
build=$(realpath -- "$1")
rounds=${2:-5}
guest=$root/build/guest
plugbay=$build/bin/plugbay
scratch=$(mktemp -d /tmp/checkpoint-bench.XXXXXX)
export PLUGBAY_RUNTIME_DIR=$scratch/run
monitor=
trap 'kill -KILL $monitor 2>/dev/null || true; rm -rf "$scratch"' EXIT

# 16 MiB of the guest's memory are random, and a few pages are written all the time.
# shellcheck disable=SC2016 # for the guest's shell
readonly SCRIPT='mount -t tmpfs none /tmp 2>/dev/null || mkdir -p /tmp
dd if=/dev/urandom of=/tmp/data bs=1M count=16 2>/dev/null; n=0
while :; do n=$((n+1)); echo "TICK $n"; sleep 0.02; done'
base64_script=$(base64 -w0 <<<"$SCRIPT")
readonly COMMAND_LINE="console=ttyS0 quiet panic=-1 plugbay.run=$base64_script"

now() { printf '%s' $(($(date +%s%N) / 1000)); } # microseconds

# lines FILE: how many a console has.
lines() {
    local count
    count=$(grep -c TICK "$1" 2>/dev/null) || true
    printf '%s' "${count:-0}"
}

say() { printf -- '--      %s s: %s\n' "$SECONDS" "$*" >&2; }

# wait_for_output FILE LINES: until it has more.
wait_for_output() {
    until (($(lines "$1") > $2)); do
        kill -0 "$monitor" 2>/dev/null || { printf 'the machine ended\n' >&2 && cat "$scratch"/*.err >&2 && exit 1; }
        sleep 0.002
    done
}

# note NAME MICROSECONDS: one result of a series.
note() { printf '%s\n' "$2" >>"$scratch/$1.series"; }

# median NAME: of a series, in milliseconds.
median() { sort -n "$scratch/$1.series" | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] / 1000 }'; }

# --- plugbay
cat >"$scratch/machine.json" <<JSON
{
  "name": "bench", "memory": "512M",
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$guest/initrd.img", "command_line": "$COMMAND_LINE" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "cmos-rtc", "id": "clock" }, { "type": "serial-16550", "id": "com1" },
    { "type": "char-file", "id": "log", "path": "$scratch/plugbay.console", "append": true, "frontend": { "id": "com1" } }
  ]
}
JSON

start_plugbay() { # COMMAND PLACE
    "$plugbay" "$1" "$2" --name bench 2>>"$scratch/plugbay.err" &
    monitor=$!
}
wait_for_plugbay() { until "$plugbay" ctl -m bench machine status >/dev/null 2>&1; do sleep 0.01; done; }
reported() { awk -v name="$1" '$1 == name { printf "%d", $2 }' "$scratch/report"; } # also 1.5e+06

bench_plugbay() {
    local begun before old round
    start_plugbay run "$scratch/machine.json"
    wait_for_output "$scratch/plugbay.console" 50
    for ((round = 0; round < rounds; ++round)); do
        say "plugbay, round $((round + 1))"
        begun=$(now)
        "$plugbay" checkpoint bench "$scratch/saved" --replace >"$scratch/report"
        note plugbay.save $(($(now) - begun))
        note plugbay.save_pause "$(reported pause_microseconds)"
        "$plugbay" ctl -m bench machine quit >/dev/null
        wait "$monitor"
        before=$(lines "$scratch/plugbay.console")
        begun=$(now)
        start_plugbay restore "$scratch/saved"
        wait_for_output "$scratch/plugbay.console" "$before"
        note plugbay.restore $(($(now) - begun))
        wait_for_plugbay
        "$plugbay" checkpoint bench "$scratch/again" --replace >"$scratch/report"
        note plugbay.restored_pause "$(reported pause_microseconds)"
        old=$monitor
        start_plugbay restore "unix:$scratch/way"
        until [[ -S $scratch/way ]]; do sleep 0.01; done
        begun=$(now)
        # QEMU's default, too.
        "$plugbay" checkpoint bench "unix:$scratch/way" --move --pause 300 >"$scratch/report"
        note plugbay.move $(($(now) - begun))
        note plugbay.move_pause "$(reported pause_microseconds)"
        wait "$old"
        wait_for_plugbay
        wait_for_output "$scratch/plugbay.console" "$(lines "$scratch/plugbay.console")"
    done
    plugbay_size=$(du -sk "$scratch/saved" | cut -f1)
    "$plugbay" ctl -m bench machine quit >/dev/null
    wait "$monitor"
    rm -rf "$scratch/saved" "$scratch/again"
}

# --- QEMU
start_qemu() { # NUMBER ARGUMENT...
    local number=$1
    shift
    qemu-system-x86_64 -machine pc,accel=kvm -cpu host -m 512 -nodefaults -no-user-config -display none \
        -chardev "file,id=console,path=$scratch/qemu.console,append=on" -serial chardev:console \
        -monitor "unix:$scratch/monitor.$number,server,nowait" -kernel "$guest/vmlinuz" -initrd "$guest/initrd.img" \
        -append "$COMMAND_LINE" "$@" 2>>"$scratch/qemu.err" &
    monitor=$!
    until [[ -S $scratch/monitor.$number ]]; do sleep 0.01; done
}

# hmp NUMBER COMMAND: has a QEMU do something and prints what it says.
hmp() {
    perl -MIO::Socket::UNIX -e '
        my $socket = IO::Socket::UNIX->new(Peer => shift) or die "no monitor: $!";
        my $answer = sub { my $text = ""; while ($text !~ /\(qemu\) $/) { sysread($socket, $text, 65536, length $text) or last } $text };
        $answer->(); print $socket shift, "\n"; $socket->flush; print $answer->();' "$scratch/monitor.$1" "$2"
}

bench_qemu() {
    local begun before old round number=0
    start_qemu 0
    wait_for_output "$scratch/qemu.console" 50
    for ((round = 0; round < rounds; ++round)); do
        say "QEMU, round $((round + 1))"
        begun=$(now)
        hmp "$number" stop >/dev/null
        hmp "$number" "migrate \"exec:cat >$scratch/saved\"" >/dev/null
        note qemu.save $(($(now) - begun))
        hmp "$number" quit >/dev/null || true
        wait "$monitor" || true
        before=$(lines "$scratch/qemu.console")
        begun=$(now)
        start_qemu "$((++number))" -incoming "exec:cat $scratch/saved"
        # Until then it is "paused (inmigrate)", and forgets a cont.
        until hmp "$number" 'info status' | tr -d '\r' | grep -q 'paused$'; do sleep 0.002; done
        hmp "$number" cont >/dev/null
        wait_for_output "$scratch/qemu.console" "$before"
        note qemu.restore $(($(now) - begun))
        old=$monitor
        start_qemu "$((++number))" -incoming "unix:$scratch/way"
        until [[ -S $scratch/way ]]; do sleep 0.01; done
        begun=$(now)
        hmp "$((number - 1))" "migrate unix:$scratch/way" >/dev/null
        note qemu.move $(($(now) - begun))
        note qemu.move_pause "$(hmp "$((number - 1))" 'info migrate' | tr -d '\r' | sed -n 's/^downtime: \([0-9]*\) .*/\1000/p')"
        hmp "$((number - 1))" quit >/dev/null || true
        wait "$old" || true
        rm -f "$scratch/way"
        wait_for_output "$scratch/qemu.console" "$(lines "$scratch/qemu.console")"
    done
    qemu_size=$(du -k "$scratch/saved" | cut -f1)
    hmp "$number" quit >/dev/null || true
    wait "$monitor" || true
}

# row WHAT PLUGBAY QEMU
row() { printf '%-46s %12s %12s %8s\n' "$1" "$2" "$3" "$(awk -v a="$2" -v b="$3" 'BEGIN { if (b > 0) printf "%.2f", a / b }')"; }

bench_plugbay
bench_qemu
printf '%s rounds of Linux with 512 MiB, of which 16 MiB are random; medians, %s\n' "$rounds" "$(qemu-system-x86_64 --version | head -n 1)"
printf '%-46s %12s %12s %8s\n' '' plugbay QEMU ratio
row 'save, ms (plugbay: the guest goes on)' "$(median plugbay.save)" "$(median qemu.save)"
printf '%-46s %12s\n' '  of which the guest stands still, ms' "$(median plugbay.save_pause)"
printf '%-46s %12s\n' '  and in a save of a restored machine, ms' "$(median plugbay.restored_pause)"
row 'exec to the first output after a restore, ms' "$(median plugbay.restore)" "$(median qemu.restore)"
row 'size on disk, KiB' "$plugbay_size" "$qemu_size"
row 'live move, ms' "$(median plugbay.move)" "$(median qemu.move)"
row '  of which the guest stands still, ms' "$(median plugbay.move_pause)" "$(median qemu.move_pause)"
