#!/usr/bin/env bash
# Boots the unmodified Debian kernel with plugbay in every way that matters, and checks what the guest reports against
# what the host knows: scripts/lab -- tests/lab/linux_test.sh BUILD_DIR CASE..., where the cases are the functions
# test_CASE below. Needs a KVM that can run Linux; the guest's files come from scripts/guest. Prints a line for each
# check, and ends with status 1 if one failed.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
# shellcheck source-path=SCRIPTDIR source=check.sh
source "$root/tests/lab/check.sh"
(($# > 1)) || { printf 'usage: tests/lab/linux_test.sh BUILD_DIR CASE...\n' >&2 && exit 2; }
build=$(realpath -- "$1")
guest=$root/build/guest
plugbay=$build/bin/plugbay
scratch=$(mktemp -d "$build/linux-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# boot NAME COMMAND_LINE_WORDS [OPTION...]: runs the Linux machine; console in $out, messages in $err, status in
# $status. The time limit is for a guest that hangs, on the slowest machine.
boot() {
    local name=$1 words=$2
    shift 2
    out=$scratch/$name.out
    err=$scratch/$name.err
    status=0
    timeout --kill-after=10 240 "$plugbay" --log-level info run "$root/configs/linux.json" \
        --set "boot.command_line=console=ttyS0 quiet panic=-1 $words" "$@" >"$out" 2>"$err" </dev/null || status=$?
    printf -- '--      %s: status %s, %s s\n' "$name" "$status" "$SECONDS"
}

# reported WORDS: what follows PLUGBAY-REPORT WORDS, all lines of it.
reported() { tr -d '\r' <"$out" | sed -n "s/^PLUGBAY-REPORT $1 \?//p"; }

# The checks that every report passes. $1: name, $2: number of CPUs.
check_report() {
    check "$1: status" 0 "$status"
    check "$1: kernel" "$(strings -n 8 "$guest/vmlinux" | sed -n 's/^Linux version \([^ ]*\) .*/\1/p' | head -n 1)" \
        "$(reported kernel)"
    check "$1: CPUs" "$2" "$(reported cpus)"
    check "$1: disk and entropy driven by virtio-pci" 2 "$(reported 'device pci' | grep -c 'virtio-pci$')"
    check "$1: entropy varies" 'varied' "$(reported rng | cut -d' ' -f2)"
    check "$1: checksum of the disk's payload" "$(cut -d' ' -f1 "$guest/disk.img.sha256")" "$(reported sha256)"
    check "$1: no kernel warning" 0 "$(grep -ciE 'WARNING:|BUG:|Oops|Call Trace' "$out")"
    check "$1: reached its end" 1 "$(tr -d '\r' <"$out" | grep -c '^PLUGBAY-REPORT end')"
}

base64_of() { base64 -w0 <<<"$1"; }

test_bzimage() {
    local before
    before=$(sha256sum <"$guest/disk.img")
    boot bzimage 'plugbay.mode=report' --set devices.disk.read_only=true
    check_report bzimage 1
    check 'bzimage: virtio interrupts by MSI-X' yes \
        "$([[ $(reported 'interrupts virtio-msix') -gt 0 ]] && echo yes || echo no)"
    check 'bzimage: powered off by ACPI' 1 "$(grep -c 'powered off' "$err")"
    check 'bzimage: the same payload seen from outside' "$(reported sha256)" \
        "$(debugfs -R 'cat /payload.bin' "$guest/disk.img" 2>/dev/null | sha256sum | cut -d' ' -f1)"
    check 'bzimage: a read-only disk is unchanged' "$before" "$(sha256sum <"$guest/disk.img")"
}

test_pvh() {
    cp "$guest/disk.img" "$scratch/pvh.img"
    boot pvh 'plugbay.mode=report' --set "devices.disk.path=$scratch/pvh.img" --set "boot.kernel=$guest/vmlinux" \
        --set boot.protocol=pvh --set cpus=4 --set memory=5G
    check_report pvh 4
    check 'pvh: memory on both sides of the PCI hole' yes \
        "$([[ $(reported memory) -gt 4500000 ]] && echo yes || echo no)"
}

test_intx() {
    boot intx 'plugbay.mode=report pci=nomsi' --set devices.disk.read_only=true
    check_report intx 1
    check 'intx: virtio on the interrupt pin' yes \
        "$(reported interrupt | grep -q 'IO-APIC.*virtio' && echo yes || echo no)"
}

test_write() {
    local seed=20261122 made
    truncate -s 64M "$scratch/second.img"
    made=$(seq -s "$(printf %s "$seed" | sha512sum | cut -c1-128)" "$seed" 982451653 9007199254740991 |
        head -c 16777216 | sha256sum | cut -d' ' -f1) || true
    two_disks >"$scratch/two.json"
    out=$scratch/write.out err=$scratch/write.err status=0
    timeout --kill-after=10 240 "$plugbay" --log-level info run "$scratch/two.json" >"$out" 2>"$err" </dev/null ||
        status=$?
    check 'write: status' 0 "$status"
    check 'write: checksum read back inside' "16777216 sha256 $made" "$(reported written)"
    check 'write: checksum of the image outside' "$made" \
        "$(head -c 16777216 "$scratch/second.img" | sha256sum | cut -d' ' -f1)"
}

# A machine with two CPUs and a second disk of two queues. Uses the seed of test_write.
two_disks() {
    cat <<JSON
{
  "memory": "512M", "cpus": 2,
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$guest/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 plugbay.mode=write plugbay.seed=$seed" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "i8042", "id": "keyboard" },
    { "type": "serial-16550", "id": "com1" },
    { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } },
    { "type": "pci-host", "id": "pci0" }, { "type": "virtio-rng", "id": "entropy" },
    { "type": "virtio-blk", "id": "vda" },
    { "type": "disk-file", "id": "disk", "path": "$guest/disk.img", "read_only": true, "frontend": { "id": "vda" } },
    { "type": "virtio-blk", "id": "vdb", "queues": 2 },
    { "type": "disk-file", "id": "second", "path": "$scratch/second.img", "frontend": { "id": "vdb" } }
  ]
}
JSON
}

test_reboot() {
    boot reboot-exit 'plugbay.mode=reboot' --set on_reset=exit --set devices.disk.read_only=true
    check 'reboot, on_reset exit: status' 0 "$status"
    check 'reboot, on_reset exit: said so' 1 "$(grep -c 'asked for a reset' "$err")"

    # The first boot leaves a mark in the disk's last sector, the second one finds it there.
    local script
    cp "$guest/disk.img" "$scratch/mark.img"
    # shellcheck disable=SC2016 # for the guest's shell
    script='
        mark=$(dd if=/dev/vda bs=512 skip=131071 count=1 2>/dev/null | head -c 1)
        if [ "$mark" = M ]; then echo the second boot; exit 3; fi
        printf M | dd of=/dev/vda bs=512 seek=131071 conv=notrunc,fsync 2>/dev/null
        echo the first boot; reboot -f; sleep 60'
    boot reboot-restart "plugbay.run=$(base64_of "$script")" --set "devices.disk.path=$scratch/mark.img"
    check 'reboot: status' 0 "$status"
    check 'reboot: first boot once' 1 "$(tr -d '\r' <"$out" | grep -c '^the first boot')"
    check 'reboot: second boot once' 1 "$(tr -d '\r' <"$out" | grep -c '^the second boot')"
    check 'reboot: the script of the second boot ended' 3 "$(reported exit)"
}

test_panic() {
    boot panic 'plugbay.mode=panic' --set on_reset=exit --set devices.disk.read_only=true
    check 'panic: status after panic=-1' 0 "$status"
    check 'panic: seen on the console' yes "$(grep -q 'Kernel panic' "$out" && echo yes || echo no)"
    check 'panic: ended by a reset' 1 "$(grep -c 'asked for a reset' "$err")"
}

# Linux's pvpanic-mmio finds our device in ACPI's namespace, and tells of a panic before panic=-1 makes a reset of it.
test_pvpanic() {
    local script
    # shellcheck disable=SC2016 # for the guest's shell
    script='
        driver=$(readlink /sys/bus/acpi/devices/QEMU0001:00/physical_node/driver)
        echo PLUGBAY-REPORT panics by "${driver##*/}"
        echo c >/proc/sysrq-trigger'
    cat >"$scratch/panic.json" <<JSON
{
  "memory": "512M", "on_reset": "exit",
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$guest/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 plugbay.run=$(base64_of "$script")" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "i8042", "id": "keyboard" },
    { "type": "serial-16550", "id": "com1" },
    { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } },
    { "type": "pvpanic", "id": "panic", "on_panic": "exit", "exit_status": 42 }
  ]
}
JSON
    out=$scratch/pvpanic.out err=$scratch/pvpanic.err status=0
    timeout --kill-after=10 240 "$plugbay" --log-level info run "$scratch/panic.json" >"$out" 2>"$err" </dev/null ||
        status=$?
    check 'pvpanic: the driver is bound' 'by pvpanic-mmio' "$(reported panics)"
    check 'pvpanic: the panic ended the monitor' 42 "$status"
    check 'pvpanic: seen in the log once' 1 "$(grep -c 'the guest has panicked' "$err")"
}

test_signal() {
    local pid
    out=$scratch/signal.out err=$scratch/signal.err status=0
    "$plugbay" --log-level info run "$root/configs/linux.json" --set devices.disk.read_only=true \
        --set 'boot.command_line=console=ttyS0 plugbay.mode=shell' >"$out" 2>"$err" </dev/null &
    pid=$!
    until grep -q 'Linux version' "$out" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
    kill -TERM "$pid" || true
    wait "$pid" || status=$?
    check 'SIGTERM while Linux boots: status' 143 "$status"
    # The shell gives 143 for a process that the signal killed, too.
    check 'SIGTERM while Linux boots: the monitor ended the machine' 1 "$(grep -c 'stopped by signal 15' "$err")"
}

for each in "${@:2}"; do
    "test_$each"
done
printf '%s passed, %s failed\n' "$passed" "$failed"
if ((failed)); then
    for file in "$scratch"/*.out "$scratch"/*.err; do
        printf '==== the end of %s\n' "${file##*/}"
        tail -n 15 "$file"
    done
fi
((failed == 0))
