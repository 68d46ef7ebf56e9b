# shellcheck shell=bash
# Sourced by the tests of the lab: counts and prints checks.

passed=0
failed=0

# check NAME EXPECTED ACTUAL
check() {
    if [[ $2 == "$3" ]]; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$1"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s: expected %q, got %q\n' "$1" "$2" "$3"
    fi
}
