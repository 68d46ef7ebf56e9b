# shellcheck shell=bash
# Listings of the documents, for tests that source this.

# listing FILE TEXT: the C++ block of the document that has TEXT in it.
listing() {
    awk -v text="$2" '
        /^```/ {
            if (inside && index(block, text)) { printf "%s", block; found = 1 }
            inside = /^```cpp$/ && !inside
            block = ""
            next
        }
        inside { block = block $0 "\n" }
        END { exit !found }' "$1" || { printf '%s has no listing with %s\n' "$1" "$2" >&2 && exit 1; }
}
