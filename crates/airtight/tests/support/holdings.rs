//! What a packager says it holds.

use std::{collections::BTreeMap, io::BufRead as _};

use airtight_media::holding::{Entry, Line};

use super::http::open;

/// What the holdings list: pieces by their paths, with their lengths.
///
/// # Panics
/// The feed ends before the listing does.
pub fn listing(url: &str, since: &str) -> BTreeMap<String, u64> {
    let mut feed =
        open("GET", &format!("{url}/v1/holdings?since={since}"), &[]).expect("the packager answers");
    let mut held = BTreeMap::new();
    loop {
        let mut line = String::new();
        assert!(feed.read_line(&mut line).expect("the feed goes on") > 0, "the feed ended");
        // The head and the sizes of chunks are no lines of the feed.
        let Ok(entry) = serde_json::from_str::<Entry>(&line) else { continue };
        match entry.line {
            Line::Reset => held.clear(),
            Line::Held { signal, piece, length, .. } => {
                held.insert(
                    format!("{signal}/{}", piece.path().expect("packagers hold pieces with paths")),
                    length,
                );
            }
            Line::Tick => return held,
            Line::Record { .. } | Line::Gone { .. } => {}
        }
    }
}
