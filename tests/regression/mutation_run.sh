#!/usr/bin/env bash
# Takes the guards of mutations.txt out of the committed sources, one at a time, and expects the test named there to fail:
#
#     tests/regression/mutation_run.sh
#
# Works in a checkout of its own below build/, and takes some minutes. Ends with status 1 if a mutation went unnoticed.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
checkout=$root/build/mutation
export CCACHE_BASEDIR=$checkout CCACHE_NOHASHDIR=1

git -C "$root" worktree remove --force "$checkout" 2>/dev/null || true
git -C "$root" worktree add --quiet --detach "$checkout"
trap 'git -C "$root" worktree remove --force "$checkout"' EXIT
cd -- "$checkout"
mkdir -p build
cmake --preset dev >build/configure.log

# build_and_run TEST: 0 if it passes; anything else, a crash too (of which the shell tells), if not. A mutation that does not build is a mistake here.
build_and_run() {
    cmake --build --preset dev --target regression >build/build.log 2>&1 ||
        { tail -n 20 build/build.log && printf 'the mutation does not build\n' && exit 1; }
    timeout 60 build/dev/bin/regression --gtest_filter="$1" >build/test.log 2>&1
}

build_and_run '*' || { tail -n 30 build/test.log && printf 'the tests fail without a mutation\n' && exit 1; }
noticed=0
unnoticed=0
while read -r file test substitution; do
    [[ -n $file && $file != \#* ]] || continue
    perl -0pi -e "$substitution" "$file"
    git diff --quiet && printf 'no such guard in %s: %s\n' "$file" "$substitution" && exit 1
    if build_and_run "$test"; then
        unnoticed=$((unnoticed + 1))
        printf 'UNNOTICED  %s  %s\n' "$test" "$substitution"
    else
        noticed=$((noticed + 1))
        printf 'noticed    %s\n' "$test"
    fi
    git checkout --quiet -- "$file"
done <"$root/tests/regression/mutations.txt"
printf '%s mutations noticed, %s not\n' "$noticed" "$unnoticed"
((unnoticed == 0))
