#!/usr/bin/env bash
# Fuzzes every reader of what comes from outside, with coverage as its guide, on stable Rust.
# What breaks one is left in fuzz/artifacts/<target>/; kept in crates/hostile/findings/<target>/ it becomes a test.
#
#   fuzz.sh [SECONDS]             for each target, 600 unless told
set -euo pipefail
cd "$(dirname "$0")/.."

readonly seconds=${1:-600}
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

mapfile -t targets < <(cargo run --quiet --locked -p airtight-hostile --example seeds -- fuzz/corpus)
failed=()
for target in "${targets[@]}"; do
    echo "fuzz: $target, ${seconds} s"
    known=crates/hostile/findings/$target
    [ -d "$known" ] || known=
    # The address sanitizer needs another Rust; without unsafe code there is nothing for it to find.
    cargo fuzz run --fuzz-dir fuzz --sanitizer none "$target" "fuzz/corpus/$target" $known -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 -verbosity=1 -print_final_stats=1 \
        >"fuzz/corpus/$target.log" 2>&1 || failed+=("$target")
    grep -E 'DONE|stat::(number|peak|slowest)|panicked|SUMMARY|ERROR|^error' "fuzz/corpus/$target.log" || true
done
[ "${#failed[@]}" -eq 0 ] || {
    echo "fuzz: findings in, or no run of: ${failed[*]/#/fuzz/artifacts/}; see fuzz/corpus/*.log" >&2
    exit 1
}
echo "fuzz: nothing found"
