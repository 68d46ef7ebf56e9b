#!/usr/bin/env bash
# tutorial_test.sh PREFIX TUTORIAL [COUNT [FOLDER]]: does each command of the tutorial with what is installed in PREFIX, in a
# copy of FOLDER or in an empty one. It has to succeed, and to print the lines that stand below it; "..." stands for any lines.
# There have to be COUNT commands at least, without those for KVM.
set -euo pipefail

readonly PREFIX=$1 TUTORIAL=$2 COUNT=${3:-14} FOLDER=${4:-}
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
export PATH=$PREFIX/bin:$PATH CMAKE_PREFIX_PATH=$PREFIX
unset PLUGBAY_PLUGIN_PATH

# One file a command, and beside it what it is to print.
awk -v folder="$folder" '
    /^```/ {
        inside = /^```console/ && !inside
        kvm = /kvm/
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
    bash -e "$command" >"$folder/output" 2>&1 </dev/null || {
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
