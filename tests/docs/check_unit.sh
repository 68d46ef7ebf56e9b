#!/usr/bin/env bash
# Has systemd read the unit file that is installed, with a binary that is there. Says so when there is no systemd.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

if ! command -v systemd-analyze >/dev/null; then
    echo 'skipped: there is no systemd-analyze to check the unit file with'
    exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
sed 's|@PLUGBAY_BINARY@|/bin/true|' core/cli/plugbay@.service.in >"$folder/plugbay@.service"

# A condition that is not met counts as a success, and nobody would hear that no machine was started.
grep -qx 'AssertPathExists=/dev/kvm' "$folder/plugbay@.service" ||
    { echo 'the unit file does not fail without /dev/kvm' && exit 1; }

# It warns of what it does not know, and goes on: whatever it says of this unit is a mistake.
said=$(systemd-analyze verify --man=no "$folder/plugbay@.service" 2>&1) || { printf '%s\n' "$said" && exit 1; }
if grep -F 'plugbay@' <<<"$said"; then exit 1; fi
echo 'the unit file is good'
