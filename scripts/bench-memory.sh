#!/usr/bin/env bash
# Resident memory of each part of the default system after its windows are full, in MB.
#
#   bench-memory.sh AIRTIGHT      prints a table in Markdown
set -euo pipefail

readonly airtight=$(realpath "${1:?usage: bench-memory.sh AIRTIGHT}") warm=${WARM:-75}
readonly work=$(mktemp -d)
readonly run="$work/run"

finish() {
    "$airtight" down --run-dir "$run" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

ports=()
for name in server-one server-two reporter origin origin-two; do ports+=("--$name-port" 0); done
(cd "$work" && exec "$airtight" up --run-dir "$run" "${ports[@]}" >"$work/up.log" 2>&1) &
sleep "$warm"

echo "| part | resident, MB |"
echo "|---|---|"
for record in "$run"/up.json "$run"/parts/*.json; do
    pid=$(grep -oE '"pid": *[0-9]+' "$record" | grep -oE '[0-9]+' | head -n 1)
    [ -r "/proc/$pid/status" ] || { echo "bench-memory: $record names pid $pid, which does not run" >&2; exit 1; }
    awk -v part="$(basename "$record" .json)" '/^VmRSS/ { printf "| %s | %.1f |\n", part, $2 / 1024 }' "/proc/$pid/status"
done
