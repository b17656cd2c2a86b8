//! What the outside may send, given to whatever reads it: each target takes any bytes, never panics on
//! what they are, and panics if a promise about them is broken.
//!
//! The targets are run in two ways: by `tests/nothing_breaks.rs` on stable Rust, from seeds, findings and
//! their mutations, and by the fuzzer (`make fuzz`), whose findings are kept in `findings/<target>/`.

mod feed;
mod fields;
mod media;
mod watched;
mod words;

use airtight_media::grid::{Grid, Number, Rate};

/// A number of these days.
const FIRST: Number = Number(897_738_816);
const VIDEO: &[u8] = include_bytes!("../../media/tests/data/video.mp4");
const SLATE: &[u8] = include_bytes!("../../media/tests/data/slate.mp4");
const AUDIO: &[u8] = include_bytes!("../../media/tests/data/audio.mp4");

/// One reader of what comes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, that of the fuzz target and of the folder of its findings.
    pub name: &'static str,
    /// Gives it bytes.
    pub run: fn(&[u8]),
    /// Bytes as they should be, to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "stream", run: media::stream, seeds: media::streams },
    Target { name: "stored", run: media::stored, seeds: media::files },
    Target { name: "feed", run: feed::feed, seeds: feed::feeds },
    Target { name: "record", run: words::record, seeds: words::records },
    Target { name: "report", run: words::report, seeds: words::reports },
    Target { name: "names", run: words::names, seeds: words::texts },
    Target { name: "fields", run: fields::fields, seeds: fields::requests },
    Target { name: "playlists", run: watched::playlists, seeds: watched::offers },
    Target { name: "loaded", run: watched::loaded, seeds: watched::recordings },
];

/// Gives bytes to the target of this name.
///
/// # Panics
/// There is no such target, or a promise is broken.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|t| t.name == name);
    (target.unwrap_or_else(|| panic!("no target '{name}'")).run)(bytes);
}

fn grid() -> Grid {
    Grid::new(2000, 4)
}

fn pictures() -> Rate {
    Rate::new(25_000, 1000)
}

fn sound() -> Rate {
    Rate::new(48_000, 1024)
}
