#!/usr/bin/env bash
# A Linux that computes is saved, restored and moved in the lab (rounds.sh), and its results are compared with those of the same
# script here, which nobody disturbs: tests/lab/checkpoint/checkpoint_test.sh BUILD_DIR [ROUNDS [SEED]]
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../../..")
# shellcheck source-path=SCRIPTDIR source=../check.sh
source "$root/tests/lab/check.sh"
# shellcheck source-path=SCRIPTDIR source=worker.sh
source "$root/tests/lab/checkpoint/worker.sh"
build=$(realpath -- "$1")
rounds=${2:-5}
seed=${3:-$$}
results=$(mktemp -d "$build/checkpoint-test.XXXXXX")
trap 'rm -rf "$results"' EXIT

printf -- '--      %s rounds, seed %s\n' "$rounds" "$seed"
"$root/tests/lab/run_in_lab.sh" "$((400 + 60 * rounds))" "$root/tests/lab/checkpoint/rounds.sh" "$build" "$results" "$rounds" "$seed"

truncate -s 8M "$results/expected.img"
for number in 0 1 2 3; do
    steps=$(sed -n "s/^CHAIN $number \([0-9]*\) .*/\1/p" "$results/log")
    # As in the guest, where a pipe that is closed early is nothing bad.
    (set +eo pipefail && worker "$number" "${steps:-0}" "$results/expected.img") >"$results/chain"
    check "chain $number, of ${steps:-no} links" "$(sha256sum <"$results/chain")" \
        "$(grep -E "^(LINK|CHAIN) $number " "$results/log" | sha256sum)"
    # The first that differs: expected, then found.
    grep -E "^(LINK|CHAIN) $number " "$results/log" | diff "$results/chain" - | grep '^[<>]' | sort -k 4,4n -k 1,1 | head -n 2 || true
done
check 'the disk as the guest sees it' "$(sha256sum <"$results/expected.img" | cut -d' ' -f1)" \
    "$(sed -n 's/^SUM \([0-9a-f]*\).*/\1/p' "$results/log")"
check 'the disk as the host sees it' "$(sha256sum <"$results/expected.img")" "$(sha256sum <"$results/disk.img")"
printf '%s passed, %s failed, %s s\n' "$passed" "$failed" "$SECONDS"
((failed == 0))
