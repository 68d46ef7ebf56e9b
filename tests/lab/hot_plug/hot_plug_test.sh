#!/usr/bin/env bash
# A virtio disk comes, is used, and goes again fifty times in an unmodified Linux, while the guest reads another disk
# without end: scripts/lab -- tests/lab/hot_plug/hot_plug_test.sh BUILD_DIR [ROUNDS].
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../check.sh
source "$root/tests/lab/check.sh"
build=$(realpath -- "$1")
rounds=${2:-50}
guest=$root/build/guest
scratch=$(mktemp -d "$build/hot-plug.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
truncate -s 16M "$scratch/vdb.img"

# The node is there a moment before the disk can be opened. Each round finds what the round before wrote, and writes anew. L counts what the load on the other disk read.
script="mkdir -p /tmp; dmesg -c >/dev/null; n=0; (while :; do echo 1 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=1M count=2 skip=8 2>/dev/null | sha256sum; done >/tmp/load) & l=\$!
while [ \$n -lt $rounds ]; do n=\$((n+1))
until dd if=/dev/vdb of=/dev/null count=1 2>/dev/null; do usleep 20000; done
dd if=/dev/vdb of=/tmp/got bs=64k count=4 2>/tmp/why
[ \$n = 1 ] || cmp /tmp/got /tmp/old || { echo LOST \$n; cat /tmp/why; }
dd if=/dev/urandom of=/tmp/old bs=64k count=4 2>/dev/null
dd if=/tmp/old of=/dev/vdb bs=64k conv=fsync 2>/dev/null || echo FAILED \$n
echo USED \$n
while [ -b /dev/vdb ]; do usleep 20000; done
done; kill \$l; wait; sha256sum </tmp/old
dmesg | grep -iE 'WARNING|BUG|Oops|I/O error|Call Trace' && echo NOISE
echo SUMS \$(sort -u /tmp/load | wc -l) LOADS \$(wc -l </tmp/load)"

cat >"$scratch/machine.json" <<JSON
{
  "memory": "512M", "cpus": 2,
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$guest/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 plugbay.run=$(base64 -w0 <<<"$script")" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "serial-16550", "id": "com1" },
    { "type": "char-file", "id": "console", "path": "$scratch/console", "frontend": { "id": "com1" } },
    { "type": "pci-host", "id": "pci0" }, { "type": "virtio-blk", "id": "vda" },
    { "type": "disk-file", "id": "disk", "path": "$guest/disk.img", "read_only": true, "frontend": { "id": "vda" } },
    { "type": "virtio-blk", "id": "vdb", "queues": 2 },
    { "type": "disk-file", "id": "second", "path": "$scratch/vdb.img", "frontend": { "id": "vdb" } }
  ]
}
JSON

status=0
"$build/bin/hot_plug_machine" "$scratch/machine.json" "$scratch/console" vdb second "$rounds" >"$scratch/out" 2>&1 ||
    status=$?
tr -d '\r' <"$scratch/console" >"$scratch/log"
check 'every round, and a power-off' 0 "$status"
check 'rounds that used the disk' "$rounds" "$(grep -c '^USED' "$scratch/log")"
check 'nothing lost, no write failed' 0 "$(grep -cE '^(LOST|FAILED)' "$scratch/log")"
check 'no kernel warning, no I/O error' 0 "$(grep -ciE 'NOISE|WARNING:|BUG:|Oops|Call Trace' "$scratch/log")"
check 'the other disk always read the same' 1 "$(sed -n 's/^SUMS \([0-9]*\) .*/\1/p' "$scratch/log")"
check 'the last round is in the image' "$(grep -oE '^[0-9a-f]{64}' "$scratch/log")" \
    "$(head -c 262144 "$scratch/vdb.img" | sha256sum | cut -d' ' -f1)"
printf -- '--      %s\n' "$(grep '^SUMS' "$scratch/log")" "$(tail -n 1 "$scratch/out"), $SECONDS s"
if ((failed)); then
    tail -n 40 "$scratch/log" "$scratch/out"
    exit 1
fi
