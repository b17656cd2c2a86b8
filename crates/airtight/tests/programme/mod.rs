//! A programme of real media for tests of whoever takes media: any number, two tracks, one recording.

// Every test file is a crate of its own and uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use airtight_media::{
    grid::{Grid, Number, Rate},
    id::Lineage,
    mp4::Init,
    record::{Era, Record, Track},
    segmenter::{Cut, Segmenter},
};
use bytes::Bytes;

const VIDEO: &[u8] = include_bytes!("../../../media/tests/data/video.mp4");
const VIDEO_SLATE: &[u8] = include_bytes!("../../../media/tests/data/slate.mp4");
const AUDIO: &[u8] = include_bytes!("../../../media/tests/data/audio.mp4");

/// The tracks of the programme.
pub const TRACKS: [&str; 2] = ["720p", "audio"];

const fn rate(scale: u32, frame: u32) -> Rate {
    Rate::new(scale, frame)
}

/// Two seconds, four parts.
pub const GRID: Grid = Grid::new(2000, 4);

/// The number that the wall clock is in.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(now.as_millis()).expect("it is before the year 584542046") / 2000
}

/// The lineage of the tests' first worker.
pub fn lineage() -> Lineage {
    format!("a-{}", now() * 2).parse().expect("this is a lineage")
}

fn recording(track: &str, number: u64) -> (&'static [u8], Rate, u64) {
    match track {
        // Keyframes are 30 frames after the start: it began 20 frames into a segment.
        "720p" => (VIDEO, rate(25_000, 1000), (number - 1) * 50 + 20),
        _ => (AUDIO, rate(48_000, 1024), rate(48_000, 1024).frame_at_second((number - 1) * 2) + 10),
    }
}

fn cuts(track: &str, number: u64) -> impl Iterator<Item = Cut> {
    let (bytes, rate, origin) = recording(track, number);
    let mut segmenter = Segmenter::new(GRID, rate, origin);
    segmenter.push(bytes).expect("the recording can be followed");
    std::iter::from_fn(move || segmenter.poll())
}

/// The init of a track.
pub fn init(track: &str) -> Init {
    let init =
        cuts(track, 1_000_000).find_map(|cut| if let Cut::Init(init) = cut { Some(init) } else { None });
    init.expect("the init comes first")
}

/// The slate of a track.
pub fn slate(track: &str) -> Bytes {
    // Every block of audio stands alone, so a recording is a slate.
    Bytes::from_static(if track == "720p" { VIDEO_SLATE } else { AUDIO })
}

/// Segment `number` of a track, whole.
pub fn segment(track: &str, number: u64) -> Bytes {
    let parts = cuts(track, number).filter_map(|cut| match cut {
        Cut::Part { number: n, bytes, .. } if n == Number(number) => Some(bytes),
        _ => None,
    });
    let parts: Vec<_> = parts.collect();
    assert_eq!(parts.len(), 4, "the recording has all of segment {number}");
    parts.concat().into()
}

/// The record of the programme as signal `signal`, from number `first` on.
pub fn record(signal: &str, first: u64) -> Record {
    let track = |name: &&str| {
        let init = init(name);
        let (_, rate, _) = recording(name, 1_000_000);
        Track {
            name: name.parse().expect("this is a name"),
            content: init.kind.into(),
            rate,
            codecs: init.codecs.clone(),
            bandwidth: 300_000,
            init: init.hash,
        }
    };
    Record {
        signal: signal.parse().expect("this is a name"),
        grid: GRID,
        first: Number(first),
        eras: vec![Era { first: Number(first), tracks: TRACKS.iter().map(track).collect() }],
        end: None,
    }
}

/// A record as it travels.
pub fn json(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record has a JSON form")
}

/// All that begins a lineage, and its segments `numbers`: paths below the root, and bytes, in a worker's order.
pub fn files(
    signal: &str,
    lineage: &Lineage,
    numbers: std::ops::RangeInclusive<u64>,
) -> Vec<(String, Bytes)> {
    let mut files = vec![(format!("{signal}/signal.json"), json(&record(signal, *numbers.start())).into())];
    for track in TRACKS {
        let init = init(track);
        files.push((format!("{signal}/{lineage}/{track}/init-{}.mp4", init.hash), init.bytes));
        files.push((format!("{signal}/{lineage}/{track}/slate.mp4"), slate(track)));
    }
    for number in numbers {
        for track in TRACKS {
            files.push((format!("{signal}/{lineage}/{track}/{number}.m4s"), segment(track, number)));
        }
    }
    files
}

/// Writes a file below a root, as a worker does.
pub fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    let unfinished = folder.join(".unfinished");
    fs::write(&unfinished, bytes).unwrap();
    fs::rename(unfinished, path).unwrap();
}

/// Of [`files`] those that a packager says it holds, with their lengths.
pub fn media(files: &[(String, Bytes)]) -> BTreeMap<String, u64> {
    let media = files.iter().filter(|(path, _)| !path.ends_with(".json"));
    media.map(|(path, bytes)| (path.clone(), bytes.len() as u64)).collect()
}
