#!/usr/bin/env bash
# tutorial_test.sh PREFIX TUTORIAL [COUNT [FOLDER]]: does each command of the tutorial with what is installed in PREFIX, in a
# copy of FOLDER or in an empty one. It has to succeed, and to print the lines that stand below it; "..." stands for any lines.
# There have to be COUNT commands at least, without those for KVM. Those for Linux are done in the lab, with the kernel of
# scripts/guest.
set -euo pipefail

readonly PREFIX=$1 TUTORIAL=$2 COUNT=${3:-14} FOLDER=${4:-}
root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
export PATH=$PREFIX/bin:$PATH CMAKE_PREFIX_PATH=$PREFIX
unset PLUGBAY_PLUGIN_PATH
if grep -q '^```console linux' "$TUTORIAL"; then
    "$root/scripts/guest" >/dev/null
    export KERNEL=$root/build/guest/vmlinuz
fi

# One file a command, and beside it what it is to print.
awk -v folder="$folder" '
    /^```/ {
        inside = /^```console/ && !inside
        kvm = /kvm/
        lab = /linux/
        here = 0
        next
    }
    !inside { next }
    here { print >command; if ($0 == "END") here = 0; next }
    /^\$ / {
        command = sprintf("%s/%03d.sh", folder, ++count)
        expected = sprintf("%s/%03d.expected", folder, count)
        printf "" >expected
        if (kvm) printf "" >(sprintf("%s/%03d.kvm", folder, count))
        if (lab) printf "" >(sprintf("%s/%03d.lab", folder, count))
        print substr($0, 3) >command
        here = /<<.END/
        next
    }
    { print >expected }
' "$TUTORIAL"

mkdir "$folder/work"
[[ -z $FOLDER ]] || cp -r "$FOLDER/." "$folder/work"
cd -- "$folder/work"
count=0
for command in "$folder"/*.sh; do
    if [[ -e ${command%.sh}.kvm && ! -w /dev/kvm ]]; then
        echo "not run, for there is no /dev/kvm here: $(head -n 1 "$command")"
        continue
    fi
    count=$((count + 1))
    run=(bash -e "$command")
    [[ ! -e ${command%.sh}.lab ]] || run=("$root/scripts/lab" --memory 2G -- env "PATH=$PATH" "${run[@]}")
    "${run[@]}" >"$folder/output" 2>&1 </dev/null || {
        printf 'failed: %s\n' "$(cat "$command")" && cat "$folder/output" && exit 1
    }
    while IFS= read -r line; do
        [[ $line == ... ]] || grep -qxF -- "$line" "$folder/output" || {
            printf 'not printed by "%s": %s\n' "$(head -n 1 "$command")" "$line" && cat "$folder/output" && exit 1
        }
    done <"${command%.sh}.expected"
done
((count >= COUNT)) || { echo "only $count commands were found" && exit 1; }
echo "$count commands were run"
