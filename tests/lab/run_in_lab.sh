#!/usr/bin/env bash
# Runs a test in the lab, with memory for a guest past the PCI hole and a time limit: run_in_lab.sh SECONDS COMMAND...
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
seconds=$1
shift
exec timeout --kill-after=20 "$seconds" "$root/scripts/lab" --memory 8G -- "$@" </dev/null
