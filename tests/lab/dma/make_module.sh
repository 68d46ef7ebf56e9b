#!/usr/bin/env bash
# make_module.sh OUT: the driver of sdk/examples/dma-reverse for the guest's kernel, in OUT/module.img, an initramfs to append to
# the guest's. Outside of the lab, where compiling is quicker.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../../../scripts/lib/debian-linux.sh
source "$root/scripts/lib/debian-linux.sh"
# shellcheck source-path=SCRIPTDIR source=../../../scripts/lib/kernel-module.sh
source "$root/scripts/lib/kernel-module.sh"
out=$1
mkdir -p "$out"
make_kernel_module "$root/sdk/examples/dma-reverse/driver" "$out/driver"
rm -rf "$out/root"
mkdir -p "$out/root/modules"
cp "$out/driver/reverse.ko" "$out/root/modules"
(cd "$out/root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$out/module.img"
