#!/usr/bin/env bash
# Requests per second of an origin beside nginx as a caching proxy in front of that very origin: the live
# media playlist, and a segment of about 1.5 MB. Both are asked by wrk in turn, in one run, on loopback.
#
#   bench-serve.sh AIRTIGHT       prints a table in Markdown
#
# The encoders are ended before anything is measured, so that they take nothing of either side's time.
set -euo pipefail

readonly airtight=$(realpath "${1:?usage: bench-serve.sh AIRTIGHT}")
readonly rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-5} connections=64
readonly work=$(mktemp -d)
readonly run="$work/run" cache="${CACHE:-/dev/shm}/airtight-bench-$$"
nginx_pid=

finish() {
    [ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || true
    "$airtight" down --run-dir "$run" >/dev/null 2>&1 || true
    rm -rf "$work" "$cache"
}
trap finish EXIT

die() {
    echo "bench-serve: $*" >&2
    exit 1
}

# port PART
port() {
    grep -oE "\"$1\", *[0-9]+" <(tr -d '\n ' <"$run/up.json" | sed 's/,/, /g') | grep -oE '[0-9]+$' | head -n 1
}

# until_true WHAT SECONDS COMMAND…
until_true() {
    local what=$1 left=$(($2 * 5))
    shift 2
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || die "not in time: $what"
        sleep 0.2
    done
}

listed() {
    curl -sf "$origin/720p/playlist.m3u8" | grep -c '\.m4s' || true
}

has_port() {
    [ -n "$(port origin1)" ]
}

has() {
    [ "$(listed)" -ge "$1" ]
}

ended() {
    curl -sf "$origin/720p/playlist.m3u8" | grep -q ENDLIST
}

# Noise takes all the bits that the encoder may spend: 3 Mb/s for 5.4 s make about 1.5 MB.
ffmpeg -hide_banner -loglevel error -y -f lavfi -i "testsrc2=size=1280x720:rate=25,noise=alls=60:allf=t" \
    -t 8 -c:v libx264 -preset ultrafast -crf 30 "$work/noise.mp4"
ports=()
for name in server-one server-two reporter origin origin-two; do ports+=("--$name-port" 0); done
(cd "$work" && exec "$airtight" up --run-dir "$run" --input "$work/noise.mp4" --segment 5400 \
    --only worker-a,server1,discovery,reporter,origin1 "${ports[@]}" >"$work/up.log" 2>&1) &
until_true "the system starts" 30 test -s "$run/up.json"
until_true "the origin has a port" 30 has_port
origin="http://127.0.0.1:$(port origin1)/live01"
until_true "the origin lists five segments" 90 has 5
"$airtight" end live01 --packagers "http://127.0.0.1:$(port server1)" >/dev/null
until_true "the event ends" 60 ended

# nginx at its best: no log, answers from its cache in memory, descriptors kept open, connections without end.
proxy=$((20000 + $$ % 20000))
cat >"$work/nginx.conf" <<CONF
daemon off; master_process on; pid $work/nginx.pid; error_log $work/nginx.log warn;
worker_processes ${NGINX_WORKERS:-auto};
events { worker_connections 4096; multi_accept on; }
http {
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
    keepalive_timeout 300; keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s; open_file_cache_min_uses 1;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
    proxy_cache_path $cache levels=1:2 keys_zone=hls:10m inactive=600s use_temp_path=off;
    server {
        listen 127.0.0.1:$proxy reuseport backlog=4096;
        location / {
            proxy_pass ${origin%/live01};
            proxy_cache hls; proxy_cache_valid 200 600s; proxy_ignore_headers Cache-Control;
            proxy_http_version 1.1; proxy_set_header Connection "";
        }
    }
}
CONF
PATH=$PATH:/usr/sbin nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
nginx_pid=$!
cached="http://127.0.0.1:$proxy/live01"
until_true "nginx answers" 20 curl -sfo /dev/null "$cached/720p/playlist.m3u8"

segment=$(curl -sf "$origin/720p/playlist.m3u8" | grep '\.m4s' | tail -n 1)
# rate URL: requests per second; an answer that is no 2xx ends the run.
rate() {
    local out
    out=$(wrk -t 1 -c "$connections" -d "${seconds}s" "$1")
    ! grep -q 'Non-2xx\|Socket errors' <<<"$out" || die "answers of $1 failed: $out"
    awk '/Requests\/sec/ { print $2 }' <<<"$out"
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "| answer | bytes | origin, requests/s | nginx, requests/s | ratio |"
echo "|---|---|---|---|---|"
for path in playlist.m3u8 "$segment"; do
    : >"$work/ours" && : >"$work/theirs"
    curl -sfo /dev/null "$cached/720p/$path"
    for _ in $(seq "$rounds"); do
        rate "$origin/720p/$path" >>"$work/ours"
        rate "$cached/720p/$path" >>"$work/theirs"
    done
    bytes=$(curl -sf "$origin/720p/$path" | wc -c)
    awk -v path="$path" -v bytes="$bytes" -v ours="$(median <"$work/ours")" -v theirs="$(median <"$work/theirs")" 'BEGIN {
        printf "| %s | %d | %.0f | %.0f | %.2f |\n", path ~ /m3u8/ ? "media playlist" : "segment", bytes, ours, theirs, ours / theirs }'
done
