#!/usr/bin/env bash
# static_busybox_test.sh TUTORIAL: the tutorial notices a busybox that its Linux could not start, before it is copied, and says
# what to install. The tutorial's own test has a static one.
set -euo pipefail

readonly TUTORIAL=$1
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT

grep -B 1000 'cp .*busybox' "$TUTORIAL" | sed -n 's/^\$ \(.*busybox-static.*\)/\1/p' >"$folder/command"
[[ -s $folder/command ]] || { echo "the tutorial copies busybox without a look at it" && exit 1; }

ln -s "$(command -v env)" "$folder/busybox" # any program that is linked to libraries
if PATH=$folder:$PATH bash -e "$folder/command" >"$folder/output" 2>&1; then
    echo "a busybox that is not static was taken" && exit 1
fi
grep -F 'busybox-static' "$folder/output"

rm "$folder/busybox"
command -v busybox >/dev/null || { echo "there is no busybox to take" && exit 1; }
bash -e "$folder/command"
