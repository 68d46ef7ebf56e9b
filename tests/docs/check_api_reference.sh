#!/usr/bin/env bash
# The API reference is what the headers say now, and nothing that they declare is missing from it: looked for here with other
# means than those that it is made with. And in a copy: it notices a change, and tells a declaration from a body.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT

fail() {
    printf '%s\n' "$*"
    exit 1
}

scripts/api-reference --check

# --- all is there

# declared PATTERN FILE...: what the pattern's last word is in these headers.
declared() {
    local pattern=$1
    shift
    grep -hoE "$pattern" "$@" | grep -oE '\w+$' | sort -u
}
mapfile -t abi < <(find sdk/include/plugbay/abi -name '*.h')
mapfile -t wrapper < <(find sdk/include sdk/testkit/include -name '*.hpp')
{
    sed -nE 's/^struct (\w+) \{.*/\1/p' "${abi[@]}"
    declared '\(\*\w+' "${abi[@]}"
    declared '^#define PLUGBAY_\w+' "${abi[@]}" | grep -v '_H$'
    # Classes of the innermost namespaces that are no details; those within others are indented.
    awk '/^namespace/ { detail = /detail/ } !detail && match($0, /^class [A-Z]\w+/) { print $2 }' "${wrapper[@]}"
} | sort -u >"$folder/declared"
count=$(wc -l <"$folder/declared")
((count > 300)) || fail "only $count declarations were found: this check is broken"
grep -hoE '\w+' docs/api/*.md | sort -u >"$folder/told"
comm -23 "$folder/declared" "$folder/told" | grep . && fail "these are declared, and not in docs/api"

# --- links lead somewhere

while IFS='#' read -r file anchor; do
    [[ -e docs/api/$file ]] || fail "docs/api has a link to $file, which is not there"
    [[ -z $anchor ]] || sed -n 's/^##* //p' "docs/api/$file" | tr '[:upper:] ' '[:lower:]-' | tr -d '`,*.()' |
        grep -qxE -- "${anchor%-[0-9]}(-[0-9])?|$anchor" || fail "docs/api/$file has no heading for #$anchor"
done < <(grep -ohE '\]\([^):]+\.md(#[^)]*)?\)' docs/api/README.md | sed 's/^](//; s/)$//' | sort -u)

# --- in a copy

mkdir -p "$folder/tree/scripts" "$folder/tree/docs" "$folder/tree/sdk/testkit/include" "$folder/tree/sdk/include/plugbay/abi"
cp -r scripts/api-reference scripts/lib "$folder/tree/scripts"
cat >"$folder/tree/sdk/include/plugbay/lamp.hpp" <<'HEADER'
// A lamp:
//
//     Lamp lamp(3);
#pragma once

namespace plugbay {

// Shines.
class Lamp final : public detail::Base {
  public:
    explicit Lamp(int level, const Options& options = {}) : level_(level), options_{options} { shine(level_); }
    Lamp(const Lamp&) = delete;
    // How bright: 0 to 9.
    [[nodiscard]] int level(int first,
                            int second) const {
        return level_;
    }
    bool operator==(const Lamp& other) const { return level_ == other.level_; }

  private:
    int level_ = 0; // secret
};

template <typename T>
    requires(sizeof(T) > 1)
constexpr auto doubled(T value) {
    return value * 2;
}

// How many: "{" is no bracket here.
inline constexpr char most = '{';

} // namespace plugbay
HEADER
page=$folder/tree/docs/api/lamp.md
"$folder/tree/scripts/api-reference" >/dev/null
has() { grep -qxF -- "$1" "$page" || { cat "$page" && fail "the page has no line: $1"; }; }
has 'A lamp:'
has 'Lamp lamp(3);'
has 'class Lamp final : public detail::Base {'
has '    explicit Lamp(int level, const Options& options = {});'
has '    // How bright: 0 to 9.'
has '    int level(int first,'
has '              int second) const;'
has '    bool operator==(const Lamp& other) const;'
has 'constexpr auto doubled(T value);'
has "inline constexpr char most = '{';"
if grep -nE 'secret|return|delete|private' "$page"; then fail "the page has what is nobody's affair"; fi

"$folder/tree/scripts/api-reference" --check
sed -i 's/Shines\./Shines brightly./' "$folder/tree/sdk/include/plugbay/lamp.hpp"
if "$folder/tree/scripts/api-reference" --check >"$folder/output"; then fail "a change was not noticed"; fi
grep -q '^docs/api/lamp.md is not what the headers say' "$folder/output"

printf 'the API reference is current, and has all of %d names\n' "$count"
