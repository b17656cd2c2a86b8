#!/usr/bin/env bash
# Breaks each guard below on purpose, one line at a time, and sees that its cell of `airtight drill` notices.
#
#   guards.sh              all of it, then prints the table
#   guards.sh build NAME…  breaks and builds these (or all)
#   guards.sh try NAME…    drills what was built, each in its cell; `whole` is the tree as it is, in all cells
#   guards.sh table        prints what was seen; fails if a guard is missing or its cell did not notice
#
# A copy of the tree is broken, never the tree itself; all of it is below target/guards.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly WORK=$PWD/target/guards TREE=$PWD/target/guards/tree

# guard NAME CELL FILE SUBSTITUTION WHAT: the substitution, of perl, must match once.
declare -a NAMES=()
declare -A CELL FILE BREAK WHAT
guard() {
    NAMES+=("$1")
    CELL[$1]=$2 FILE[$1]=$3 BREAK[$1]=$4 WHAT[$1]=$5
}

guard restart kill@origin1 crates/airtight/src/up/supervise.rs \
    's/sleep\(wait\) => \{\}/sleep(wait + Duration::from_secs(600)) => {}/' \
    'what died is started again at once'
guard watchdog freeze@origin1 crates/control/src/watchdog.rs \
    's/filter\(\|process\| !process\.condemned\)/filter(|process| process.condemned)/' \
    'what gives no sign of life is killed and started again'
guard sockets upgrade@supervisor crates/airtight/src/up/succession.rs \
    's/(let mut new = match self\.spawn\()Some\(Predecessor::Serves\)/old.kill().await;\n        self.listener = None;\n        $1None/' \
    'a new process begins beside the one before, and serves on its sockets'
guard adoption kill@supervisor crates/airtight/src/up/supervise.rs \
    's/\.own_session\(\)/.own_session().dies_with_parent()/' \
    'parts outlive their supervisor, and the next one adopts them'
guard lineage kill@worker-a crates/media/src/compose/sources.rs \
    's/(Piece::Segment \{ lineage, track, number \} => \{\n)(\s+source\.segments\.insert)/$1 if lineage.worker().as_str() == "b" { return; }\n$2/' \
    "either encoder's copies are taken"
guard slate kill@workers crates/media/src/compose.rs \
    's/let is_due = self\.is_due\(record, number\)/let is_due = false/' \
    'slate is shown at the deadline'
guard budget latency@servers crates/media/src/compose/due.rs \
    's/get\(\)\) \/ 5\)/get()) \/ 20)/' \
    'a fetch may take as long as a slow network needs'
guard window kill@origin2 crates/media/src/compose.rs \
    's/(let head = )self\.head\(record, edge\)(;\s+let shown)/$1edge$2/' \
    'a server that starts shows nothing before it holds the whole window'
guard folder kill@server1 crates/airtight/src/packager/store/adopt.rs \
    's/let Ok\(file\) = self\.0\.disk\.read\(place\) else \{ return \};/let Err(_) = self.0.disk.read(place) else { return }; let Ok(file) = self.0.disk.read(place) else { return };/' \
    'a packager goes on with what is in its folder'
guard check corrupt@server1 crates/media/src/check.rs \
    's/(let mut parts = Vec::new\(\);)/if bytes.first() == Some(&0xa5) { return Ok(vec![bytes.clone()]); }\n    $1/' \
    'every copy is checked before it is used'
guard memory disk-full@servers crates/airtight/src/packager/store/put.rs \
    's/(self\.write_failed\(&error\);\s+)false/$1return Err(Refusal::Fault(error.to_string()))/' \
    'what the disk does not take is kept in memory'
guard content black@worker-a crates/media/src/compose/arrival.rs \
    's/run\.words\.is_in_trouble\(number, &timely\)/false/' \
    'an encoder with bad content gives way to one whose content is good'
guard hint partition@reporter crates/control/src/roster.rs \
    's/now\.saturating_sub\(named\)\.min\(silent\(source\)\) > FORGET/now.saturating_sub(named) > Duration::from_millis(500)/' \
    'a source that works is kept whatever the control plane says'

die() {
    echo "guards: $*" >&2
    exit 1
}

# A copy of the tree as it is, with the page that the program contains.
copy() {
    [ -e web/dist/index.html ] || die "the page is not built: make web"
    rm -rf "$TREE"
    mkdir -p "$TREE"
    git ls-files -z | tar --null --files-from=- --create --file=- | tar --extract --file=- --directory "$TREE"
    cp -a web/dist "$TREE/web/"
    # Newer than anything that was built of a broken one.
    (cd "$TREE" && touch "${FILE[@]}")
    # What is built of others need not be built again.
    [ -e "$WORK/build" ] || [ ! -e target/debug ] || { mkdir -p "$WORK/build" && cp -a target/debug "$WORK/build/"; }
}

# build NAME
build() {
    local name=$1
    if [ "$name" != whole ]; then
        BREAK=${BREAK[$name]} perl -0pi -e \
            'my $n = eval "\$_ =~ $ENV{BREAK}g"; die "no substitution: $@" if $@; $n == 1 or die "matches " . ($n || 0) . " times\n"' \
            "$TREE/${FILE[$name]}" || die "$name: its line is not in ${FILE[$name]}"
    fi
    (cd "$TREE" && CARGO_TARGET_DIR=$WORK/build cargo build --quiet --locked -p airtight) || die "$name does not build"
    mkdir -p "$WORK/$name"
    cp "$WORK/build/debug/airtight" "$WORK/$name/airtight"
    if [ "$name" != whole ]; then
        cp -p "${FILE[$name]}" "$TREE/${FILE[$name]}"
        touch "$TREE/${FILE[$name]}"
    fi
}

# try NAME: exit status 1 of the drill is what a broken guard is to come to, 0 what the whole tree is.
try() {
    local name=$1 cells status=0
    [ -x "$WORK/$name/airtight" ] || die "$name is not built"
    cells=${CELL[$name]-$(IFS=,; echo "${CELL[*]}")}
    "$WORK/$name/airtight" drill --only "$cells" >"$WORK/$name/said" 2>&1 || status=$?
    echo "$status" >"$WORK/$name/status"
    echo "guards: $name, $cells: exit status $status"
}

# What a drill said of its last trial, in one line.
seen() {
    sed -n 's/^  \([^ ]\)/\1/p' "$WORK/$1/said" | awk '{ said = said (NR > 1 ? "; " : "") $0 } END { print said }' | sed 's/|/\\|/g'
}

table() {
    local name status failed=0
    echo '| name | guard | is broken in | cell | what the drill said |'
    echo '|---|---|---|---|---|'
    for name in "${NAMES[@]}"; do
        status=$(cat "$WORK/$name/status" 2>/dev/null || echo none)
        if [ "$status" != 1 ] || ! grep -q '^airtight: viewers would have noticed: over their bars' "$WORK/$name/said"; then
            failed=1
            echo "guards: $name was not noticed (exit status $status)" >&2
            continue
        fi
        echo "| $name | ${WHAT[$name]} | \`${FILE[$name]}\` | \`${CELL[$name]}\` | $(seen "$name") |"
    done
    if [ "$(cat "$WORK/whole/status" 2>/dev/null)" != 0 ]; then
        failed=1
        echo "guards: the whole tree does not pass these cells" >&2
    fi
    return "$failed"
}

main() {
    local step=${1:-all} name
    [ "$#" -eq 0 ] || shift
    [ "$#" -gt 0 ] || set -- whole "${NAMES[@]}"
    for name in "$@"; do
        [ "$name" = whole ] || [ -n "${CELL[$name]-}" ] || die "no guard '$name': ${NAMES[*]}"
    done
    case $step in
        build) copy && for name in "$@"; do build "$name"; done ;;
        try) for name in "$@"; do try "$name"; done ;;
        table) table ;;
        all)
            copy
            for name in "$@"; do build "$name" && try "$name"; done
            table
            ;;
        *) die "no step '$step': build, try or table" ;;
    esac
}

main "$@"
