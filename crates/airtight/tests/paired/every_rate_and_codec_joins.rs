//! Two workers on one file, started one after the other and paced by the clock: their segments, mixed at random
//! places, play as one, whatever the rate and the codecs; every line of their playlists comes from the grid.
//!
//! A few rows with the whole program; all others, with many more joins, are `worker::tests::joins`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::support::{ON_THE_AIR, Role, hls::Playlist, media, text, within};
use jiff::Timestamp;

/// Numbers that both lineages of a row have to make.
const NUMBERS: usize = 8;

/// A row of the table.
struct Row {
    /// Pictures per second, as a fraction.
    fps: (u64, u64),
    /// Pictures in the file.
    pictures: u64,
    /// What the worker is told.
    settings: &'static [&'static str],
    /// Ticks per second of the sound, and per block.
    sound: (u64, u64),
    /// Milliseconds of a segment.
    segment: u64,
}

const ROWS: [Row; 4] = [
    Row {
        fps: (30_000, 1001),
        pictures: 91,
        settings: &["--video-codec", "hevc", "--audio-codec", "opus"],
        sound: (48_000, 960),
        segment: 1000,
    },
    Row {
        fps: (60_000, 1001),
        pictures: 187,
        settings: &["--b-frames", "0", "--audio-rate", "44100", "--audio-channels", "1"],
        sound: (44_100, 1024),
        segment: 1000,
    },
    Row {
        fps: (24_000, 1001),
        pictures: 73,
        settings: &["--video-codec", "av1", "--audio-channels", "6"],
        sound: (48_000, 1024),
        segment: 1000,
    },
    Row { fps: (50, 1), pictures: 133, settings: &["--parts", "7"], sound: (48_000, 1024), segment: 1500 },
];

#[test]
fn two_workers_are_one_programme_at_any_rate_and_in_any_codec() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..1 << 32), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    for (pair, rows) in ROWS.chunks(2).enumerate() {
        thread::scope(|scope| {
            for (row, seed) in rows.iter().zip(seed + 2 * pair as u64..) {
                scope.spawn(move || row.check(&mut fastrand::Rng::with_seed(seed)));
            }
        });
    }
}

impl Row {
    fn check(&self, random: &mut fastrand::Rng) {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("input.mp4"), folder.path().join("output"));
        self.make(&input);
        let segment = self.segment.to_string();
        let worker = |name| {
            let args = ["worker", "--input", text(&input), "--output", text(&output), "--name", name];
            Role::start(&[&args, self.settings, &["--segment", &segment]].concat())
        };
        let a = worker("a");
        a.line("is on the air");
        let b = worker("b");
        b.line("is on the air");
        let lineages = within(ON_THE_AIR, "both lineages make enough numbers", || {
            let lineages = lineages(&output.join("live01"));
            let [a, b] = &lineages[..] else { return None };
            let whole = ["180p", "audio"].iter().all(|track| common(a, b, track).len() >= NUMBERS);
            whole.then(|| [a.clone(), b.clone()])
        });
        drop((a, b));
        let (scale, frame) = if self.fps.1 == 1 { (self.fps.0 * 1000, 1000) } else { self.fps };
        for (track, scale, frame) in [("180p", scale, frame), ("audio", self.sound.0, self.sound.1)] {
            let numbers = common(&lineages[0], &lineages[1], track);
            let file = mix(&lineages, track, &numbers, random);
            assert_eq!(media::complaints(file.path()), "", "{track}");
            let times = media::times(file.path());
            assert_eq!(media::gap(&times), None, "{track}");
            let first = |number: u64| {
                let ticks = u128::from(number) * u128::from(self.segment) * u128::from(scale);
                u64::try_from(ticks.div_ceil(1000 * u128::from(frame))).unwrap()
            };
            let indices: Vec<u64> = numbers.iter().flat_map(|n| first(*n)..first(n + 1)).collect();
            assert_eq!(times.len(), indices.len(), "{track}");
            if track == "180p" {
                let expected: Vec<_> = indices.iter().map(|index| Some(index % self.pictures)).collect();
                assert_eq!(media::codes(file.path()), expected);
            }
            for lineage in &lineages {
                lines(&playlist(lineage, track), |number| {
                    u128::from(first(number)) * u128::from(frame) * 1_000_000 / u128::from(scale)
                });
            }
        }
    }

    /// A file whose pictures bear the codes 0, 1, 2 …
    fn make(&self, path: &Path) {
        let (above, below) = self.fps;
        let graph = format!(
            "testsrc2=s=320x180:r={above}/{below}[bars];nullsrc=s=16x2:r={above}/{below},format=yuv444p,\
             geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128,scale=320:15:flags=neighbor[code];\
             [bars][code]overlay=x=0:y=165,trim=end_frame={}[v];sine=440:d=5[a]",
            self.pictures
        );
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-filter_complex", &graph, "-map", "[v]", "-map", "[a]"]);
        ffmpeg.args(["-c:v", "libx264", "-preset", "veryfast", "-fps_mode", "passthrough"]).arg(path);
        media::make(&mut ffmpeg);
    }
}

/// The folders of all lineages that play.
fn lineages(signal: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(signal).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut lineages: Vec<_> = entries.filter(|path| path.join("playlist.m3u8").exists()).collect();
    lineages.sort();
    lineages
}

fn playlist(lineage: &Path, track: &str) -> Playlist {
    let text = fs::read_to_string(lineage.join(track).join("playlist.m3u8")).unwrap_or_default();
    if text.is_empty() { Playlist::parse("#EXT-X-MEDIA-SEQUENCE:0\n") } else { Playlist::parse(&text) }
}

/// The numbers that both lineages have.
fn common(a: &Path, b: &Path, track: &str) -> Vec<u64> {
    let b = playlist(b, track).segments;
    playlist(a, track).segments.into_keys().filter(|number| b.contains_key(number)).collect()
}

/// A track that is of either lineage, by chance, and of both.
fn mix(
    lineages: &[PathBuf; 2],
    track: &str,
    numbers: &[u64],
    random: &mut fastrand::Rng,
) -> tempfile::NamedTempFile {
    let join = random.usize(1..numbers.len());
    let mut of = random.usize(..2);
    let mut segments = BTreeMap::new();
    for (i, number) in numbers.iter().enumerate() {
        if i == join || random.bool() {
            of = 1 - of;
        }
        segments.insert(*number, fs::read(lineages[of].join(track).join(format!("{number}.m4s"))).unwrap());
    }
    let names: Vec<_> = lineages.iter().map(|lineage| init(&lineage.join(track))).collect();
    assert_eq!(names[0].file_name(), names[1].file_name());
    media::file(&fs::read(&names[0]).unwrap(), segments.values().map(Vec::as_slice))
}

fn init(track: &Path) -> PathBuf {
    let paths = fs::read_dir(track).unwrap().flatten().map(|entry| entry.path());
    paths.into_iter().find(|path| text(path).contains("/init-")).unwrap()
}

/// Every line of a playlist is what the grid says: dates to the millisecond, durations to the hundredth of it.
fn lines(playlist: &Playlist, micros: impl Fn(u64) -> u128) {
    for (number, lines) in &playlist.segments {
        let value = |tag: &str| lines.iter().find_map(|line| line.strip_prefix(tag));
        if let Some(date) = value("#EXT-X-PROGRAM-DATE-TIME:") {
            let date: Timestamp = date.parse().unwrap();
            assert_eq!(date.as_millisecond(), i64::try_from(micros(*number) / 1000).unwrap(), "{number}");
        }
        let duration = value("#EXTINF:").unwrap().trim_end_matches(',').parse::<f64>().unwrap();
        let expected = u32::try_from(micros(number + 1) - micros(*number)).unwrap();
        assert!((duration * 1e6 - f64::from(expected)).abs() < 10.0, "{number}: {duration}");
    }
}
