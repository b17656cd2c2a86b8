#!/usr/bin/env bash
# Writes a programme to play with: 30 s of picture with a clock and a tone, 1280x720, 25 fps.
# Its lowest twelfth carries the index of the frame in 16 cells, black 0, white 1, lowest bit left.
#
#   test-input.sh FILE.mp4
set -euo pipefail

readonly file=${1:?usage: test-input.sh FILE.mp4} seconds=30

mkdir -p "$(dirname "$file")"
ffmpeg -hide_banner -loglevel error -y \
    -f lavfi -i "testsrc2=size=1280x660:rate=25" \
    -f lavfi -i "color=black:size=16x2:rate=25,geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128" \
    -f lavfi -i "sine=frequency=440:beep_factor=2:sample_rate=48000" \
    -filter_complex "
        [0:v]drawtext=text='%{pts\\:hms}':x=(w-tw)/2:y=(h-th)/2:fontsize=96:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=24,format=yuv420p[picture];
        [1:v]scale=1280:60:flags=neighbor,format=yuv420p[code];
        [picture][code]vstack[video]" \
    -map "[video]" -map 2:a -t "$seconds" \
    -c:v libx264 -preset veryfast -crf 20 -c:a aac -b:a 128k -ac 2 \
    -movflags +faststart -f mp4 "$file.part"
mv "$file.part" "$file"
echo "wrote $file"
