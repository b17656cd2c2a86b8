#!/usr/bin/env bash
# Puts what was measured into docs/zero-downtime.md, between its marks.
#
#   into-docs.sh matrix target/drill/drill.md   the table of a whole drill that was passed
#   into-docs.sh guards                         what was seen of the guards whose cells noticed: see guards.sh
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
            grep -q '^| `.*` passed |' "$2" || die "$2 has no cell that was passed"
            # What was void and then passed is told below the table, and does not count.
            ! grep -q '^| `.*` \(missed\|void\) |' "$2" || die "$2 is of a drill that was not passed"
            ! grep -q '^Not all was tried: ' "$2" || die "$2 is of a drill that ended early"
            grep -q '^| switch p99 ms | [0-9]* |' "$2" || die "$2 does not tell how long origins took to decide, or too long"
            ! sed -n '/^## Over all of it$/,/^## /p' "$2" | grep -q '^- ' || die "$2 is of a drill in which a part grew"
            ! sed -n 3p "$2" | grep -q -e ' --\(only\|quick\|random\)' || die "$2 is of some cells only"
            echo "\`make drill\`: $(sed -n 4p "$2") A bar is 0 where none stands in brackets; what the figures are is in [drill.md](drill.md#figures)."
            echo
            sed -n '1,/^## /{/^| |/,/^$/{/^$/!p;};}' "$2"
            echo
            echo "Over all of it, as [drill.md](drill.md#over-all-of-it) explains:"
            sed -n '/^## Over all of it$/,/^## /{/^## /!p;}' "$2"
            ;;
        guards)
            # The table fails as long as a guard is left that was not broken, or not noticed; the page says so.
            local rows
            rows=$(scripts/guards.sh table) || echo "into-docs: the page has some of the guards only" >&2
            [ "$(wc -l <<<"$rows")" -gt 2 ] || die "no guard was noticed"
            echo "$rows"
            ;;
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
