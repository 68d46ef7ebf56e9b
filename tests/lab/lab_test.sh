#!/usr/bin/env bash
# Checks that scripts/lab is a faithful place to run a command in. Prints a line for each check, and ends
# with status 1 if one failed.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
# shellcheck source-path=SCRIPTDIR source=check.sh
source "$root/tests/lab/check.sh"
scratch=$root/build/lab-test.$$

trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/jobs"
cd "$scratch"
export TMPDIR=$scratch/jobs

lab() { "$root/scripts/lab" "$@"; }

# status_of COMMAND...: the status only.
status_of() {
    local status=0
    "$@" >/dev/null 2>&1 </dev/null || status=$?
    printf '%s' "$status"
}

# labs_running: how many QEMUs run for a lab of this test.
labs_running() { pgrep -cf -- "qemu-system-x86_64 .*path=$TMPDIR/plugbay-lab" || true; }

milliseconds() { date +%s%3N; }

test_statuses() {
    check 'status 0' 0 "$(status_of lab -- true)"
    check 'status 7' 7 "$(status_of lab -- sh -c 'exit 7')"
    # shellcheck disable=SC2016 # for the inner shell
    check 'ended by signal 9' 137 "$(status_of lab -- sh -c 'kill -KILL $$')"
    check 'no such command' 127 "$(status_of lab -- no-such-command)"
    check 'wrong use' 125 "$(status_of lab --cpus none -- true)"
    check 'a writable directory that is not there' 125 "$(status_of lab --writable /nonexistent -- true)"
    check 'a lab that cannot come up' 125 "$(PLUGBAY_LAB_BOOT_SECONDS=1 status_of lab -- true)"
}

test_streams() {
    local out=$scratch/out err=$scratch/err sum

    lab -- sh -c 'printf "to out"; printf "to err" >&2' >"$out" 2>"$err" </dev/null
    check 'stdout alone' 'to out' "$(<"$out")"
    check 'stderr alone' 'to err' "$(<"$err")"

    head -c 20000000 /dev/urandom >data
    sum=$(sha256sum <data)
    check '20 MB through stdout' "$sum" "$(lab -- cat data </dev/null | sha256sum)"
    check '20 MB through stdin' "$sum" "$(lab -- sha256sum <data)"
    check '20 MB through stdin and stderr' "$sum" "$(lab -- sh -c 'cat >&2' <data 2>&1 >/dev/null | sha256sum)"
    check 'an empty stdin' 0 "$(lab -- wc -c </dev/null)"
    check 'a reader that leaves' "y" "$(lab -- yes </dev/null 2>/dev/null | head -n 1)"
    check 'output of what the command leaves running' 'late' \
        "$(lab -- sh -c '(echo late; sleep 100) & exit 0' </dev/null)"
}

test_surroundings() {
    local facts
    # shellcheck disable=SC2016 # for the inner shell
    PLUGBAY_TEST="it's \$HOME" UNRELATED=1 lab --cpus 4 --memory 3G --env EXTRA=more -- bash -c '
        pwd
        nproc
        test -c /dev/kvm && echo kvm
        echo "$PLUGBAY_TEST"
        echo "${UNRELATED-unset}"
        echo "$EXTRA"
        printf "%s|" "$@"; echo
        echo written >written
        echo private >/tmp/plugbay-lab-test
        cat /sys/class/net/lo/flags
    ' name 'two words' "quote'" '' '*' >facts </dev/null
    mapfile -t facts <facts
    check 'the same directory' "$scratch" "${facts[0]}"
    check '--cpus 4' 4 "${facts[1]}"
    check '/dev/kvm' kvm "${facts[2]}"
    check 'PLUGBAY_* is passed' "it's \$HOME" "${facts[3]}"
    check 'other variables are not' unset "${facts[4]}"
    check '--env' more "${facts[5]}"
    check 'arguments byte for byte' "two words|quote'||*|" "${facts[6]}"
    check 'loopback is up' 0x9 "${facts[7]}"
    check 'a write to the checkout arrives' written "$(cat written)"
    check 'a write elsewhere does not' absent "$([[ -e /tmp/plugbay-lab-test ]] && echo there || echo absent)"
}

# interrupt SIGNAL COMMAND: sends SIGNAL to a lab once COMMAND has made the file `started`.
interrupt() {
    local signal=$1 lab status=0
    rm -f started
    # A background job of a script ignores SIGINT, and bash cannot undo that: env can.
    env --default-signal=INT,QUIT "$root/scripts/lab" -- sh -c "$2" >interrupted 2>&1 </dev/null &
    lab=$!
    until [[ -e started ]] || ! kill -0 "$lab" 2>/dev/null; do sleep 0.1; done
    kill -s "$signal" "$lab"
    wait "$lab" || status=$?
    printf '%s' "$status"
}

test_signals() {
    check 'SIGINT ends the command' 130 "$(interrupt INT 'touch started; sleep 100')"
    check 'SIGTERM ends the command' 143 "$(interrupt TERM 'touch started; sleep 100')"
    check 'the command may handle SIGINT' 5 "$(interrupt INT 'trap "exit 5" INT; touch started; sleep 100 & wait')"
    check 'one that ignores it is ended' 130 \
        "$(PLUGBAY_LAB_GRACE_SECONDS=1 interrupt INT 'trap "" INT; touch started; sleep 100')"
    check 'even killed, it leaves no QEMU' 137 "$(interrupt KILL 'touch started; sleep 100')"
    check 'a running lab is seen' 1 "$(lab -- true </dev/null & until (($(labs_running))); do sleep 0.1; done; labs_running; wait)"
    check 'no QEMU is left' 0 "$(labs_running)"
}

test_two_at_once() {
    lab -- sh -c 'echo one' >one </dev/null &
    lab -- sh -c 'echo two' >two </dev/null
    wait $!
    check 'two labs at once' 'one two' "$(cat one two | xargs)"
}

# silent SIGNAL: the status of a lab whose QEMU gets SIGNAL while its command runs.
silent() {
    local lab status=0
    rm -f started
    PLUGBAY_LAB_SILENCE_SECONDS=4 "$root/scripts/lab" -- sh -c 'touch started; sleep 10' >silent.out 2>&1 </dev/null &
    lab=$!
    until [[ -e started ]]; do sleep 0.1; done
    pkill -"$1" -f -- "qemu-system-x86_64 .*path=$TMPDIR/plugbay-lab"
    wait "$lab" || status=$?
    printf '%s' "$status"
}

test_silence() {
    check 'a lab that stands still' 125 "$(silent STOP)"
    check 'it says so' 1 "$(grep -c 'did not answer for 4 s' silent.out)"
    check 'a lab that is killed' 125 "$(silent KILL)"
    check 'a command that is silent for longer' 0 "$(PLUGBAY_LAB_SILENCE_SECONDS=4 status_of lab -- sleep 10)"
}

# What a lab that lost an interrupt goes on by: nobody else sends one to that port meanwhile.
test_wakes() {
    # shellcheck disable=SC2016 # for the inner shell
    check 'an idle lab is woken' yes "$(lab -- bash -c '
        wakes() { sed -n "s/ *[0-9]*: *\([0-9]*\) .*virtio0-virtqueues/\1/p" /proc/interrupts; }
        before=$(wakes); sleep 10; (($(wakes) >= before + 10)) && echo yes' </dev/null)"
}

report_overhead() {
    local cpus start
    for cpus in 1 2 4; do
        start=$(milliseconds)
        lab --cpus "$cpus" -- true </dev/null
        printf 'info    scripts/lab --cpus %s -- true: %d ms\n' "$cpus" $(($(milliseconds) - start))
    done
}

test_statuses
test_streams
test_surroundings
test_signals
test_two_at_once
test_silence
test_wakes
report_overhead
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
