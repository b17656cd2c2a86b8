//! Media playlists as a viewer reads them: by number, line by line.

use std::collections::BTreeMap;

use super::http;

/// Tags that belong to the next segment.
const OF_A_SEGMENT: [&str; 3] = ["#EXTINF:", "#EXT-X-PROGRAM-DATE-TIME:", "#EXT-X-GAP"];

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playlist {
    /// All of it.
    pub text: String,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub first: u64,
    /// By number the lines of a segment, the URI last, with the init that is in force before them.
    pub segments: BTreeMap<u64, Vec<String>>,
    /// Whether it has an `EXT-X-ENDLIST`.
    pub ended: bool,
}

impl Playlist {
    /// Gets a playlist; `None` unless there is one.
    pub fn get(url: &str) -> Option<Self> {
        let answer = http::get(url).filter(|answer| answer.status == 200)?;
        Some(Self::parse(&answer.text()))
    }

    /// Reads a playlist.
    ///
    /// # Panics
    /// It has no media sequence.
    pub fn parse(text: &str) -> Self {
        let first = tag(text, "#EXT-X-MEDIA-SEQUENCE:").and_then(|value| value.parse().ok());
        let first = first.unwrap_or_else(|| panic!("a playlist without EXT-X-MEDIA-SEQUENCE:\n{text}"));
        let mut segments = BTreeMap::new();
        let (mut map, mut lines) = (String::new(), Vec::new());
        for line in text.lines() {
            if line.starts_with("#EXT-X-MAP:") {
                line.clone_into(&mut map);
            } else if OF_A_SEGMENT.iter().any(|tag| line.starts_with(tag)) {
                lines.push(line.to_owned());
            } else if !line.is_empty() && !line.starts_with('#') {
                lines.insert(0, map.clone());
                lines.push(line.to_owned());
                let number = first + u64::try_from(segments.len()).unwrap_or_default();
                segments.insert(number, std::mem::take(&mut lines));
            }
        }
        let ended = text.lines().any(|line| line == "#EXT-X-ENDLIST");
        Self { text: text.to_owned(), first, segments, ended }
    }

    /// The newest number.
    pub fn edge(&self) -> Option<u64> {
        self.segments.keys().next_back().copied()
    }

    /// The URI of a number, as it stands in the playlist.
    pub fn uri(&self, number: u64) -> Option<&str> {
        self.segments.get(&number)?.last().map(String::as_str)
    }

    /// The URI of the init of the newest segment.
    pub fn init(&self) -> Option<&str> {
        let map = self.segments.values().next_back()?.first()?;
        map.split_once("URI=\"")?.1.split('"').next()
    }

    /// Whether a segment is a discontinuity or a gap.
    pub fn is_broken(&self) -> bool {
        let broken = |line: &str| line == "#EXT-X-DISCONTINUITY" || line == "#EXT-X-GAP";
        self.text.lines().any(broken)
    }
}

fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}
