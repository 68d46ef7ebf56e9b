#!/usr/bin/env bash
# Compares the ABI that the headers describe with the one that is kept in tests/abi/kept: abi.xml, what abidw reads of an
# object that uses every struct, and constants.txt, the macros.
#
#     abi_check.sh check [INCLUDE]     fails on a change that breaks plugins which were built before
#     abi_check.sh update              keeps the ABI of now; docs/abi.md says when that is right
#     abi_check.sh self-test           changes copies of the headers and looks whether they are found out
#
# INCLUDE is the folder with plugbay/abi/, without it the tree's.
set -euo pipefail

here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
readonly here KEPT=$here/kept INCLUDE=$here/../../sdk/include
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

for tool in gcc abidw abidiff; do
    command -v "$tool" >/dev/null || {
        printf 'there is no %s: scripts/setup installs it\n' "$tool" >&2
        exit 2
    }
done

headers() {
    (cd -- "$1" && find plugbay/abi -name '*.h' | LC_ALL=C sort)
}

# structs INCLUDE: the names of all structs.
structs() {
    headers "$1" | (cd -- "$1" && xargs sed -n 's/^struct \([a-z0-9_]*\) {.*/\1/p')
}

# describe INCLUDE FOLDER: FOLDER/abi.xml and FOLDER/constants.txt
describe() {
    local include=$1 folder=$2 name
    {
        headers "$include" | sed 's/.*/#include <&>/'
        # Whoever gets a pointer to each struct reaches everything.
        structs "$include" | while read -r name; do
            printf 'extern const struct %s* uses_%s;\nconst struct %s* uses_%s = 0;\n' "$name" "$name" "$name" "$name"
        done
    } >"$folder/abi.c"
    # From inside, so that the place is no part of it.
    (cd -- "$folder" && gcc -std=c11 -O0 -g -gdwarf-4 -fPIC -shared -I"$include" -Wl,-soname,plugbay-abi.so abi.c \
        -o abi.so) || return 2
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --type-id-style hash \
        --out-file "$folder/abi.xml" "$folder/abi.so" || return 2
    # Each macro with a value; not the guards of headers.
    gcc -std=c11 -I"$include" -E -dM "$folder/abi.c" | sed -n 's/^#define \(PLUGBAY_[A-Z0-9_]* .*\)$/\1/p' |
        LC_ALL=C sort >"$folder/constants.txt"
}

# trim INCLUDE: takes the members away that structs which say their size have got since the ABI was kept. What is left of them has
# to be what was kept.
trim() {
    awk -F"'" '
        /<class-decl / { name = $2; next }
        /<data-member / { members[name]++ }
        END { for (name in members) print name, members[name] }' "$KEPT/abi.xml" >"$scratch/members"
    headers "$1" | while read -r file; do
        awk -v kept="$scratch/members" '
            BEGIN { while ((getline line <kept) > 0) { split(line, word, " "); known[word[1]] = word[2] } }
            /^struct [a-z0-9_]+ \{/ { inside = $2; count = 0; sized = inside == "plugbay_plugin"; held = "" }
            /^\};/ {
                # A comment before the end stays where nothing was taken away.
                if (inside != "" && !(sized && known[inside] && count > known[inside])) printf "%s", held
                inside = held = ""
            }
            inside == "" { print; next }
            {
                code = $0
                if (comment && !sub(/^.*\*\//, "", code)) code = ""
                else comment = 0
                gsub(/\/\*([^*]|\*[^\/])*\*\//, "", code)
                if (sub(/\/\*.*/, "", code)) comment = 1
                if (count == 0 && code ~ /uint32_t size;/) sized = 1
                held = held $0 "\n"
                if (code !~ /;[ ]*$/) next
                count++
                if (!(sized && known[inside] && count > known[inside])) printf "%s", held
                held = ""
            }' "$1/$file" >"$scratch/trimmed.h"
        cp "$scratch/trimmed.h" "$1/$file"
    done
}

update_hint() {
    cat <<'HINT'
If this is meant: docs/abi.md, "Changing the ABI", says what it takes. Then tests/abi/abi_check.sh update keeps the ABI of now.
HINT
}

# check INCLUDE: status 1 and the reasons on a change that breaks plugins.
check() {
    local include=$1 broken=0 lost
    describe "$include" "$scratch" || return 2
    # Who loads plugins compares the minor.
    lost=$(LC_ALL=C comm -23 "$KEPT/constants.txt" "$scratch/constants.txt" | grep -v '^PLUGBAY_ABI_MINOR ' || true)
    if [[ -n $lost ]]; then
        printf 'These constants are gone, or have another value now:\n%s\n' "$lost"
        broken=1
    fi
    rm -rf "$scratch/old-part"
    mkdir "$scratch/old-part"
    cp -r "$include/plugbay" "$scratch/old-part"
    trim "$scratch/old-part"
    describe "$scratch/old-part" "$scratch/old-part" || return 2
    if ! abidiff --no-added-syms "$KEPT/abi.xml" "$scratch/old-part/abi.so" >"$scratch/difference"; then
        printf 'These changes break plugins that were built before (tests/abi/kept/abi.xml is what they know):\n'
        cat "$scratch/difference"
        broken=1
    fi
    if ((broken)); then
        update_hint
        return 1
    fi
    if cmp -s "$KEPT/abi.xml" "$scratch/abi.xml" && cmp -s "$KEPT/constants.txt" "$scratch/constants.txt"; then
        printf 'The ABI is the one that is kept.\n'
    else
        printf 'The ABI has grown since it was kept, compatibly.\n'
    fi
}

# tries NAME VERDICT FILE SED-PROGRAM: what `check` says of headers that were changed in one thing.
tries() {
    local name=$1 verdict=$2 file=$3 program=$4 said status=0 wanted=0
    rm -rf "$scratch/changed"
    cp -r "$INCLUDE" "$scratch/changed"
    sed -i "$program" "$scratch/changed/plugbay/abi/$file"
    if [[ -n $program ]] && cmp -s "$INCLUDE/plugbay/abi/$file" "$scratch/changed/plugbay/abi/$file"; then
        printf 'FAILED  %s: the header is as it was\n' "$name"
        return 1
    fi
    said=$(check "$scratch/changed" 2>&1) || status=$?
    [[ $verdict == *'ABI'* ]] || wanted=1
    if ((status != wanted)) || [[ $said != *"$verdict"* ]]; then
        printf 'FAILED  %s: status %s, and not "%s", but:\n%s\n' "$name" "$status" "$verdict" "$said"
        return 1
    fi
    printf 'ok      %s\n' "$name"
}

self_test() {
    local failed=0 member='    void (*more)(void);'
    tries 'nothing changed' 'The ABI is the one that is kept' timer.h '' || failed=1
    tries 'a member at the end' 'The ABI has grown' timer.h "/^struct plugbay_timer_host {/,/^};/s/^};/$member\n};/" || failed=1
    tries 'a member at the end of the descriptor' 'The ABI has grown' plugin.h \
        '/^struct plugbay_plugin {/,/^};/s/^};/    uint64_t more;\n};/' || failed=1
    tries 'a struct and a constant more' 'The ABI has grown' timer.h \
        's/^struct plugbay_timer_host {/#define PLUGBAY_MORE 1\nstruct plugbay_more {\n    uint32_t size;\n};\n&/' || failed=1
    tries 'a member in the middle' 'break plugins' timer.h \
        "/^struct plugbay_timer_host {/,/^};/s/^    uint32_t reserved;/&\n$member/" || failed=1
    tries 'a member less' 'break plugins' plugin.h '/^    const char\* licence;/d' || failed=1
    tries 'a fixed struct that grew' 'break plugins' segment.h \
        '/^struct plugbay_segment {/,/^};/s/^};/    uint64_t more;\n};/' || failed=1
    tries 'another type of a member' 'break plugins' plugin.h 's/^    uint32_t type_count;/    uint16_t type_count;/' ||
        failed=1
    tries 'another type, and a member at the end' 'break plugins' plugin.h \
        's/^    uint32_t type_count;/    int64_t type_count;/; /^struct plugbay_plugin {/,/^};/s/^};/    uint64_t more;\n};/' ||
        failed=1
    tries 'a signed member' 'break plugins' plugin.h 's/^    uint32_t type_count;/    int32_t type_count;/' || failed=1
    tries 'another parameter' 'break plugins' access.h 's/uint32_t first, uint32_t count/uint64_t first, uint32_t count/' ||
        failed=1
    tries 'a parameter more' 'break plugins' host.h 's/uint32_t level, const char\* message/&, uint32_t more/' || failed=1
    tries 'a struct less' 'break plugins' live.h 's/^struct plugbay_live_callbacks {/struct plugbay_lively {/' || failed=1
    tries 'another value' 'gone, or have another value' property.h \
        's/^#define PLUGBAY_PROPERTY_UNSIGNED 2u/#define PLUGBAY_PROPERTY_UNSIGNED 9u/' || failed=1
    return $failed
}

case ${1:-} in
    check) check "$(realpath -- "${2:-$INCLUDE}")" ;;
    update)
        describe "$INCLUDE" "$scratch"
        cp "$scratch/abi.xml" "$scratch/constants.txt" "$KEPT"
        printf 'kept: %s/abi.xml and constants.txt\n' "$KEPT"
        ;;
    self-test) self_test ;;
    *) printf 'abi_check.sh: check, update or self-test\n' >&2 && exit 2 ;;
esac
