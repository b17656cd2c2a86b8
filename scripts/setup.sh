#!/usr/bin/env bash
# Makes sure that what airtight needs is there: checks the given toolchains and installs
# missing Debian packages. Asks nothing; on a machine that has everything it only looks.
#
#   setup.sh build   Rust and Node
#   setup.sh run     also ffmpeg and a font
#   setup.sh test    as drill, a browser, a second parser of playlists and a cache
#   setup.sh bench   as run, and what serving is measured with
#   setup.sh drill   as run, and a library that tells parts another time
#   setup.sh fuzz    a C++ compiler for the fuzzer
set -euo pipefail

readonly RUST_WANTED=1.95 NODE_WANTED=20.19

die() {
    echo "setup: $*" >&2
    exit 1
}

# at_least WANTED FOUND
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# toolchain NAME COMMAND WANTED HOW
toolchain() {
    local name=$1 command=$2 wanted=$3 how=$4 found
    command -v "$command" >/dev/null || die "$name $wanted or later is missing: $how."
    found=$("$command" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
    at_least "$wanted" "$found" || die "$name $found is too old, $wanted or later is needed: $how."
}

# Prints the Debian packages that are missing for the purpose.
missing() {
    command -v cc >/dev/null || echo gcc libc6-dev
    [ "$1" != build ] || return 0
    if [ "$1" = fuzz ]; then
        command -v c++ >/dev/null || echo g++
        return 0
    fi
    command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || echo ffmpeg
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || ! command -v apt-get >/dev/null || echo fonts-dejavu-core
    [ "$1" != run ] || return 0
    if [ "$1" = bench ]; then
        command -v curl >/dev/null || echo curl
        command -v wrk >/dev/null || echo wrk
        [ -x /usr/sbin/nginx ] || echo nginx-light
        return 0
    fi
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo libfaketime
    [ "$1" != drill ] || return 0
    [ -x /usr/sbin/nginx ] || echo nginx-light
    command -v chromium >/dev/null || echo chromium
    /usr/bin/python3 -c 'import m3u8' 2>/dev/null || echo python3-m3u8
}

install() {
    local -a packages=("$@") as=()
    command -v apt-get >/dev/null || die "missing: ${packages[*]} (names of Debian packages); install them and try again."
    if [ "$(id -u)" -ne 0 ]; then
        as=(sudo -n)
        sudo -n true 2>/dev/null ||
            die "missing: ${packages[*]}; run this, then try again:
    su -c 'apt-get update && apt-get install -y --no-install-recommends ${packages[*]}'"
    fi
    local -a apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    echo "setup: installing ${packages[*]}"
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends "${packages[@]}" ||
        die "apt-get could not install ${packages[*]}; see its message above."
}

main() {
    local purpose=${1:-run}
    case $purpose in build | run | test | bench | drill | fuzz) ;; *) die "no purpose '$purpose': build, run, test, bench, drill or fuzz." ;; esac
    toolchain Rust rustc "$RUST_WANTED" "install it with rustup (https://rustup.rs)"
    toolchain Cargo cargo "$RUST_WANTED" "it comes with Rust (https://rustup.rs)"
    toolchain Node node "$NODE_WANTED" "install it from https://nodejs.org"
    command -v npm >/dev/null || die "npm is missing: it comes with Node (https://nodejs.org)."
    local -a packages
    read -ra packages <<<"$(missing "$purpose" | tr '\n' ' ')"
    [ "${#packages[@]}" -eq 0 ] || install "${packages[@]}"
}

main "$@"
