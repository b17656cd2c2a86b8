//! What ffmpeg and ffprobe make of media: complaints, timestamps, and the frame codes of the programme.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, path::Path, process::Command};

use tempfile::NamedTempFile;

use super::finished;

/// Cells of a frame code.
const CELLS: usize = 16;

/// Frame rate of the generated programme.
pub const FRAME_RATE: u64 = 25;

/// Frame codes are counted modulo this.
pub const MODULUS: u64 = 1 << CELLS;

/// An init and segments as one file.
pub fn file<'a>(init: &[u8], segments: impl IntoIterator<Item = &'a [u8]>) -> NamedTempFile {
    let file = tempfile::Builder::new().suffix(".mp4").tempfile().unwrap();
    let media = segments.into_iter().fold(init.to_vec(), |mut all, segment| {
        all.extend_from_slice(segment);
        all
    });
    fs::write(file.path(), media).unwrap();
    file
}

/// Has ffmpeg make a file.
pub fn make(ffmpeg: &mut Command) {
    let output = finished(ffmpeg);
    assert!(output.status.success(), "{ffmpeg:?}: {output:?}");
}

/// What ffmpeg has to say while it decodes all of a file; nothing if it is sound.
pub fn complaints(file: &Path) -> String {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(file).args(["-f", "null", "-"]);
    String::from_utf8_lossy(&finished(&mut ffmpeg).stderr).into_owned()
}

/// The presentation times of all packets in order, in ticks.
pub fn times(file: &Path) -> Vec<i64> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-show_entries", "packet=pts", "-of", "csv=p=0"]).arg(file);
    let text = String::from_utf8(finished(&mut ffprobe).stdout).unwrap();
    // More fields follow where a packet has side data.
    let pts = |line: &str| line.split(',').next().unwrap().parse();
    let mut times: Vec<i64> =
        text.lines().map(|line| pts(line).unwrap_or_else(|_| panic!("no time: {line}"))).collect();
    // Packets come in decoding order.
    times.sort_unstable();
    times
}

/// Where the time from one packet to the next is not that of the first two: a gap or an overlap.
pub fn gap(times: &[i64]) -> Option<[i64; 2]> {
    let step = times.get(1)? - times[0];
    times.windows(2).find(|pair| pair[1] - pair[0] != step).map(|pair| [pair[0], pair[1]])
}

/// The frame code of every frame of a file in the order of presentation; `None` where there is none.
pub fn codes(file: &Path) -> Vec<Option<u64>> {
    let cells = format!("crop=iw:ih/12:0:ih*11/12,scale={CELLS}:1:flags=area,format=gray");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(file);
    ffmpeg.args(["-an", "-vf", &cells, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]);
    finished(&mut ffmpeg).stdout.chunks_exact(CELLS).map(code).collect()
}

/// The value of a row of cells, the lowest bit left; `None` if a cell is neither black nor white.
fn code(cells: &[u8]) -> Option<u64> {
    cells.iter().rev().try_fold(0, |code, cell| match cell {
        0..64 => Some(code << 1),
        192.. => Some(code << 1 | 1),
        _ => None,
    })
}

/// The frame codes that a segment carries.
pub fn codes_of(number: u64, segment_seconds: u64) -> impl Iterator<Item = u64> {
    let frames = FRAME_RATE * segment_seconds;
    (0..frames).map(move |frame| (number * frames + frame) % MODULUS)
}
