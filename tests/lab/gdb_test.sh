#!/usr/bin/env bash
# Debugs an unmodified Linux guest of two CPUs with Debian's gdb: from the first instruction, and again while it runs, with
# a breakpoint in a system call: scripts/lab -- tests/lab/gdb_test.sh BUILD_DIR. Prints a line for each check, and ends
# with status 1 if one failed.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
# shellcheck source-path=SCRIPTDIR source=check.sh
source "$root/tests/lab/check.sh"
build=$(realpath -- "$1")
guest=$root/build/guest
scratch=$(mktemp -d "$build/gdb-test.XXXXXX")
socket=$(mktemp -u /tmp/gdb-test.XXXXXX) # not every file system of the lab has sockets
machine=
trap '[[ -z $machine ]] || kill "$machine" 2>/dev/null; rm -rf "$scratch"' EXIT

# Says where the kernel's function is, then calls it until the debugger has changed what it is given.
# shellcheck disable=SC2016 # for the guest's shell
script='echo FUNCTION $(grep -w __x64_sys_sethostname /proc/kallsyms)
n=0; while [ $n -lt 300 ]; do n=$((n+1)); hostname machine; case $(hostname) in Q*) break;; esac; usleep 100000; done
echo NAME $(hostname)'

cat >"$scratch/machine.json" <<JSON
{
  "memory": "512M", "cpus": 2,
  "boot": { "kernel": "$guest/vmlinuz", "initrd": "$guest/initrd.img",
            "command_line": "console=ttyS0 quiet panic=-1 nokaslr plugbay.run=$(base64 -w0 <<<"$script")" },
  "devices": [
    { "type": "acpi-pm", "id": "pm" }, { "type": "serial-16550", "id": "com1" },
    { "type": "char-file", "id": "console", "path": "$scratch/console", "frontend": { "id": "com1" } },
    { "type": "pci-host", "id": "pci0" }
  ]
}
JSON

# debug NAME COMMAND...: runs gdb's commands after it attached; its output goes to NAME.
debug() {
    local name=$1 arguments=() each
    shift
    for each in "$@"; do arguments+=(-ex "$each"); done
    timeout --kill-after=5 120 gdb -nx -q -batch -ex 'set confirm off' -ex 'set remotetimeout 60' \
        -ex "target remote $socket" "${arguments[@]}" >"$scratch/$name" 2>&1 </dev/null || true
}

# value NAME: what gdb printed as NAME=... .
value() { sed -n "s/^$1=//p" "$scratch/$2" | head -n 1; }

"$build/bin/plugbay" --log-level info run "$scratch/machine.json" --gdb "unix:$socket" \
    --control none 2>"$scratch/err" &
machine=$!
until [[ -S $socket ]] || ! kill -0 "$machine" 2>/dev/null; do sleep 0.1; done

# shellcheck disable=SC2016 # gdb's variables
debug first 'printf "ENTRY=%#lx\n", $rip' 'printf "CR0=%#lx\n", $cr0' 'stepi' 'printf "NEXT=%#lx\n", $rip' \
    'info threads' 'detach'
check 'the guest waits before its first instruction, in long mode' 0x80000001 \
    "$(printf '0x%x' $(($(value CR0 first) & 0x80000001)))"
check 'a step goes on' yes "$([[ $(value ENTRY first) != "$(value NEXT first)" ]] && echo yes || echo no)"
check 'two threads' 2 "$(grep -c 'vCPU [01]' "$scratch/first")"
printf -- '--      first instruction debugged, %s s\n' "$SECONDS"

until grep -q '^FUNCTION' "$scratch/console" 2>/dev/null || ! kill -0 "$machine" 2>/dev/null || ((SECONDS > 200)); do
    sleep 0.2
done
function=0x$(tr -d '\r' <"$scratch/console" | sed -n 's/^FUNCTION \([0-9a-f]*\) .*/\1/p')
printf -- '--      Linux is up, %s s: __x64_sys_sethostname at %s\n' "$SECONDS" "$function"

# The function's argument points to the caller's registers; its rdi, at 112, to the name, in the program's memory.
# shellcheck disable=SC2016 # gdb's variables
debug second "break *$function" 'continue' 'printf "STOPPED=%#lx\n", $rip' 'printf "CODE=%#x\n", *(unsigned char*)$rip' \
    'set $name = *(unsigned long*)($rdi + 112)' 'printf "GIVEN=%s\n", (char*)$name' \
    'stepi' 'stepi' 'printf "STEPPED=%#lx\n", $rip' 'info registers rip cr3 gs_base' \
    'continue' 'printf "AGAIN=%#lx\n", $rip' \
    'set $name = *(unsigned long*)($rdi + 112)' 'set {char}$name = 81' 'delete' 'continue'
check 'gdb stops in the kernel function' "$function" "$(value STOPPED second)"
check 'which gets what the program gave' machine "$(value GIVEN second)"
check 'two steps go on in it' yes \
    "$([[ $(($(value STEPPED second) - function)) -gt 0 && $(($(value STEPPED second) - function)) -lt 64 ]] &&
        echo yes || echo no)"
check 'continuing comes back' "$function" "$(value AGAIN second)"
check 'gdb sees the end' 1 "$(grep -c 'exited normally' "$scratch/second")"
status=0
wait "$machine" || status=$?
machine=
tr -d '\r' <"$scratch/console" >"$scratch/log"
check 'the guest powers off' 0 "$status"
check 'the program sees what gdb wrote' 'NAME Qachine' "$(grep '^NAME' "$scratch/log")"
check 'no kernel error' 0 "$(grep -ciE 'BUG:|Oops' "$scratch/log")"
printf -- '--      %s s\n' "$SECONDS"
printf '%s passed, %s failed\n' "$passed" "$failed"
if ((failed)); then
    for file in first second err log; do
        printf '==== the end of %s\n' "$file"
        tail -n 25 "$scratch/$file"
    done
fi
((failed == 0))
