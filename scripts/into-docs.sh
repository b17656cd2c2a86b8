#!/usr/bin/env bash
# Puts what was measured into docs/zero-downtime.md, between its marks.
#
#   into-docs.sh matrix target/drill/drill.md   the table of a whole drill that was passed
#   into-docs.sh guards                         what was seen of each guard that was broken: see guards.sh
#   into-docs.sh players target/players.md      the table of `make players`
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PAGE=docs/zero-downtime.md

die() {
    echo "into-docs: $*" >&2
    exit 1
}

text() {
    case ${1-} in
        matrix)
            [ -r "${2-}" ] || die "no report of a drill '${2-}'"
            ! grep -q '^## .*: \(missed\|void\)$' "$2" || die "$2 is of a drill that was not passed"
            sed -n '3,/^## /{/^## /!p;}' "$2"
            ;;
        guards) scripts/guards.sh table ;;
        players)
            [ -r "${2-}" ] || die "no table '${2-}'"
            cat "$2"
            ;;
        *) die "no text '${1-}': matrix, guards or players" ;;
    esac
}

main() {
    local name=${1-} begin end text
    text=$(text "$@")
    begin=$(grep -n "^<!-- $name: " "$PAGE" | cut -d : -f 1)
    end=$(grep -n "^<!-- end of $name -->" "$PAGE" | cut -d : -f 1)
    [ -n "$begin" ] && [ -n "$end" ] && [ "$begin" -lt "$end" ] || die "$PAGE has no marks of $name"
    { head -n "$begin" "$PAGE" && echo && echo "$text" && echo && tail -n "+$end" "$PAGE"; } >"$PAGE.new"
    mv "$PAGE.new" "$PAGE"
}

main "$@"
