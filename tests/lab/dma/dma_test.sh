#!/usr/bin/env bash
# Linux drives dma-reverse with the example's own module: what the device copied by DMA is compared, byte by byte in effect, with
# what the host makes of the same data. scripts/lab -- tests/lab/dma/dma_test.sh BUILD_DIR MODULE_IMAGE
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../check.sh
source "$root/tests/lab/check.sh"
build=$(realpath -- "$1")
guest=$root/build/guest
scratch=$(mktemp -d /tmp/dma.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

readonly LENGTHS='1 4095 4097 65536 1048576'
data() { seq 1 170000 | head -c "$1"; }

# The module with MSI-X, gone, and again with the pin.
# shellcheck disable=SC2016 # for the guest's shell
script='mkdir -p /tmp; dmesg -c >/dev/null
reverse() {
    seq 1 170000 | head -c $1 >/tmp/in
    dd if=/tmp/in of=/dev/reverse bs=1M 2>/tmp/said || { echo "WRITE-FAILED $2 $1 $(cat /tmp/said)"; return; }
    echo SUM $2 $1 $(sha256sum </dev/reverse)
}
for way in msix intx; do
    [ $way = msix ] && insmod /modules/reverse.ko || insmod /modules/reverse.ko intx=1
    for length in '$LENGTHS'; do reverse $length $way; done
    grep reverse /proc/interrupts | sed "s/^/INTERRUPT $way /"
    rmmod reverse && echo GONE $way
done
dmesg | grep -E "WARNING|BUG:|Oops|Call Trace|irq .*nobody cared"'

cat "$guest/initrd.img" "$2" >"$scratch/initrd.img"
cat >"$scratch/machine.json" <<JSON
{
  "memory": "512M",
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$scratch/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 plugbay.run=$(base64 -w0 <<<"$script")" },
  "plugins": [ "$build/tests/examples/plugins/dma-reverse.so" ],
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "serial-16550", "id": "com1" },
    { "type": "char-stdio", "id": "terminal", "frontend": { "id": "com1" } },
    { "type": "pci-host", "id": "pci0" }, { "type": "dma-reverse", "id": "reverse" }
  ]
}
JSON

status=0
timeout --kill-after=10 240 "$build/bin/plugbay" run "$scratch/machine.json" >"$scratch/console" 2>"$scratch/errors" </dev/null ||
    status=$?
tr -d '\r' <"$scratch/console" >"$scratch/log"
check 'power-off' 0 "$status"
check 'nothing from the monitor' '' "$(cat "$scratch/errors")"
for way in msix intx; do
    for length in $LENGTHS; do
        check "$way: $length bytes in reverse" \
            "$(data "$length" | perl -e 'local $/; my $all = <STDIN>; print scalar reverse $all' | sha256sum | cut -d' ' -f1)" \
            "$(sed -n "s/^SUM $way $length \([0-9a-f]*\) .*/\1/p" "$scratch/log")"
    done
    check "$way: the module was unloaded" 1 "$(grep -c "^GONE $way" "$scratch/log")"
done
check 'msix: an interrupt for each' 5 "$(awk '/^INTERRUPT msix .*MSI/ { sum += $4 } END { print sum + 0 }' "$scratch/log")"
check 'intx: an interrupt for each' 5 "$(awk '/^INTERRUPT intx .*IO-APIC/ { sum += $4 } END { print sum + 0 }' "$scratch/log")"
check 'the kernel complains of nothing' 0 "$(grep -cE 'WARNING:|BUG:|Oops|Call Trace|nobody cared|FAILED' "$scratch/log")"
check 'the guest reached its end' 1 "$(grep -c '^PLUGBAY-REPORT end' "$scratch/log")"
printf '%d checks passed, %d failed, %s s\n' "$passed" "$failed" "$SECONDS"
if ((failed)); then
    tail -n 40 "$scratch/log" "$scratch/errors"
    exit 1
fi
