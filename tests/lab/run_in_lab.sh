#!/usr/bin/env bash
# Runs a test in the lab: run_in_lab.sh SECONDS COMMAND...
# The emulated machine sometimes freezes or ends by itself (docs/lab.md): then, and only then, the test is started again,
# three times at most. What the command itself returns is final.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
seconds=$1
shift
readonly lab_failed=125 frozen=124 killed=137

for attempt in 1 2 3; do
    status=0
    timeout --kill-after=20 "$seconds" "$root/scripts/lab" --memory 8G -- "$@" </dev/null || status=$?
    case $status in
        "$lab_failed" | "$frozen" | "$killed") printf 'run_in_lab: the lab failed (status %s, attempt %s)\n' "$status" "$attempt" ;;
        *) exit "$status" ;;
    esac
done
exit "$lab_failed"
