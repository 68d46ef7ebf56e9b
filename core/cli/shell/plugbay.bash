# Completion of plugbay for bash: plugbay itself knows what may come next.
# shellcheck shell=bash

_plugbay() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    local candidate
    while IFS= read -r candidate; do
        COMPREPLY+=("$(printf '%q' "$candidate")")
    done < <("${COMP_WORDS[0]}" --complete "${words[@]}" 2>/dev/null)
}

# Where plugbay knows nothing, names of files come.
complete -o default -F _plugbay plugbay
