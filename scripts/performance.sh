#!/usr/bin/env bash
# Runs the benchmarks and writes docs/performance.md from what they say.
#
#   performance.sh AIRTIGHT
set -euo pipefail

readonly airtight=${1:?usage: performance.sh AIRTIGHT} page=docs/performance.md
cd "$(dirname "$0")/.."

core=$(cargo bench --locked -p airtight-media 2>/dev/null | sed -n '/^media /,$p')
[ -n "$core" ] || { echo "performance: the benchmarks of the core said nothing" >&2; exit 1; }
memory=$(scripts/bench-memory.sh "$airtight")
serving=$(scripts/bench-serve.sh "$airtight")

cat >"$page" <<PAGE
# Performance

Written by \`make bench\`, on $(nproc) cores of $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(date -u +%F). Every figure comes from that command; run it to get those of your machine.

## The pure core, one core

\`cargo bench --locked -p airtight-media\`: \`cut\` counts bytes of input, 720p25 at 5 Mb/s with AAC at 128 kb/s, in memory.

\`\`\`
$core
\`\`\`

## Serving, beside nginx

\`scripts/bench-serve.sh target/release/airtight\`: requests per second by wrk, 64 connections for ${SECONDS_EACH:-5} s, median of ${ROUNDS:-3} rounds in turn, all on the same cores. nginx is a
caching proxy in front of the same origin, at its best settings, which the script shows: cache in memory, \`open_file_cache\`, no access log, connections without end.

$serving

## Memory of the default system

\`scripts/bench-memory.sh target/release/airtight\`: two encoders, two packagers, two origins, ${WARM:-75} s after the start, windows full. ffmpeg is not counted.

$memory
PAGE
echo "wrote $page"
