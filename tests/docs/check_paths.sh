#!/usr/bin/env bash
# Checks that what the documentation names is there: each word in backticks, or in a block between ``` lines, that
# starts with a folder of the tree names a file or folder of it. <word> and * stand for any name.
# Prints the names that lead nowhere with file and line, and ends with status 1 if there are any.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly FOLDERS='core|sdk|plugins|configs|tests|scripts|docs'

# words FILE: "line word" for each word that looks like a path of the tree.
words() {
    awk -v folders="$FOLDERS" '
        function take(text,    before, word) {
            while (match(text, "(" folders ")/[A-Za-z0-9_.+*<>/-]*")) {
                before = substr(text, RSTART - 1, RSTART > 1)
                word = substr(text, RSTART, RLENGTH)
                text = substr(text, RSTART + RLENGTH)
                if (before ~ /[A-Za-z0-9_.\/$}-]/) continue # the middle of a longer path
                gsub(/<[^>]*>/, "*", word)
                sub(/[.]+$/, "", word)
                print FNR, word
            }
        }
        /^[ ]*```/ { fenced = !fenced; next }
        fenced { take($0); next }
        {
            parts = split($0, part, "`")
            for (i = 2; i <= parts; i += 2) take(part[i])
        }' "$1"
}

# A path, or a pattern that something matches.
exists() {
    if [[ $1 == *"*"* ]]; then
        compgen -G "$1" >/dev/null
    else
        [[ -e $1 ]]
    fi
}

checked=0
missing=0
for file in README.md ARCHITECTURE.md CONTRIBUTING.md docs/*.md; do
    [[ -e $file ]] || continue
    while read -r line word; do
        checked=$((checked + 1))
        if ! exists "$word"; then
            printf '%s:%s: %s does not exist\n' "$file" "$line" "$word"
            missing=$((missing + 1))
        fi
    done < <(words "$file")
done

if ((checked == 0)); then
    echo 'no path was found in the documentation: this check is broken'
    exit 1
fi
((missing == 0)) || exit 1
printf '%d paths, all there\n' "$checked"
