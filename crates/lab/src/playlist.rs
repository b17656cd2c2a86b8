//! Playlists as a client reads them, with every line that may not change later.
//!
//! Sections are those of draft-pantos-hls-rfc8216bis-22. Each line is read by quick-m3u8; what belongs to
//! which segment is decided here. Reading refuses what no client could use; what is merely forbidden is left
//! to [`crate::rules`].

mod media;
mod multivariant;

use jiff::Timestamp;
use quick_m3u8::{
    HlsLine,
    config::{ParsingOptions, ParsingOptionsBuilder},
    custom_parsing::line,
    tag::{KnownTag, hls},
};
use serde::Serialize;
use std::time::Duration;
use thiserror::Error;

/// A playlist of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// Lists media playlists.
    Multivariant(Multivariant),
    /// Lists segments.
    Media(Media),
}

/// A multivariant playlist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Multivariant {
    /// Whether it says that all segments are independent.
    pub independent: bool,
    /// `EXT-X-STREAM-INF`, in order.
    pub variants: Vec<Variant>,
    /// `EXT-X-MEDIA`, in order.
    pub renditions: Vec<Rendition>,
}

/// One variant stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variant {
    /// URI of its media playlist, as written.
    pub uri: String,
    /// `BANDWIDTH`, in bits per second.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, in bits per second.
    pub average: Option<u64>,
    /// `CODECS`.
    pub codecs: Option<String>,
    /// `RESOLUTION`, width and height.
    pub resolution: Option<(u64, u64)>,
    /// `FRAME-RATE`, in frames per second.
    pub frame_rate: Option<f64>,
    /// `AUDIO`: the group of its sound.
    pub audio: Option<String>,
    /// `PATHWAY-ID`.
    pub pathway: Option<String>,
}

/// One alternative rendition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendition {
    /// `TYPE`.
    pub kind: String,
    /// `GROUP-ID`.
    pub group: String,
    /// `NAME`.
    pub name: String,
    /// URI of its media playlist, as written; none if it is inside the variant.
    pub uri: Option<String>,
    /// `DEFAULT`.
    pub default: bool,
    /// `AUTOSELECT`.
    pub autoselect: bool,
}

impl Multivariant {
    /// The pathways that variants name, in order.
    pub fn pathways(&self) -> Vec<&str> {
        let mut pathways: Vec<&str> = Vec::new();
        for pathway in self.variants.iter().filter_map(|variant| variant.pathway.as_deref()) {
            if !pathways.contains(&pathway) {
                pathways.push(pathway);
            }
        }
        pathways
    }

    /// What a player sees of one pathway, or of what is on none: its variants and their renditions, with no name that
    /// tells it from another.
    pub fn on(&self, pathway: Option<&str>) -> Self {
        let (ours, others): (Vec<_>, Vec<_>) =
            self.variants.iter().partition(|variant| variant.pathway.as_deref() == pathway);
        let groups: Vec<_> = ours.iter().filter_map(|variant| variant.audio.as_ref()).collect();
        // Renditions that no variant names are everybody's.
        let is_theirs = |rendition: &&Rendition| {
            let named = others.iter().any(|variant| variant.audio.as_ref() == Some(&rendition.group));
            !named || groups.contains(&&rendition.group)
        };
        let place = |group: &String| match groups.iter().position(|known| *known == group) {
            Some(at) => format!("group {at}"),
            None => group.clone(),
        };
        let variant =
            |v: &&Variant| Variant { pathway: None, audio: v.audio.as_ref().map(place), ..(*v).clone() };
        let rendition = |r: &Rendition| Rendition { group: place(&r.group), ..r.clone() };
        Self {
            independent: self.independent,
            variants: ours.iter().map(variant).collect(),
            renditions: self.renditions.iter().filter(is_theirs).map(rendition).collect(),
        }
    }
}

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// `EXT-X-TARGETDURATION`.
    pub target: Duration,
    /// `EXT-X-MEDIA-SEQUENCE`: the number of the first segment, 0 if absent.
    pub head: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`, if it is there.
    pub discontinuity_sequence: Option<u64>,
    /// `EXT-X-PLAYLIST-TYPE`, as written.
    pub kind: Option<String>,
    /// `EXT-X-SERVER-CONTROL`, as written.
    pub server_control: Option<String>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// The lines on the playlist as a whole that may never change.
    pub header: Vec<String>,
    /// The segments, without a hole.
    pub segments: Vec<Segment>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
}

/// One segment of a media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its media sequence number.
    pub number: u64,
    /// Its discontinuity sequence number.
    pub discontinuity: u64,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub is_discontinuity: bool,
    /// Its URI, as written.
    pub uri: String,
    /// `EXTINF`.
    pub duration: Duration,
    /// `EXT-X-PROGRAM-DATE-TIME`.
    pub date: Option<Timestamp>,
    /// The URI of the `EXT-X-MAP` in force, as written.
    pub map: Option<String>,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// Its lines, its URI last. The map and the key in force come first, wherever they were written.
    pub lines: Vec<String>,
}

/// Why a text is no playlist.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("line {line}: {reason}")]
pub struct Unreadable {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Playlist {
    /// Reads a playlist.
    ///
    /// # Errors
    /// No client could make use of it: see the sentence.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let lines = lines(text)?;
        let of_multivariant = |line: &Line<'_>| {
            use hls::Tag::{ContentSteering, IFrameStreamInf, Media, SessionData, SessionKey, StreamInf};
            let HlsLine::KnownTag(KnownTag::Hls(tag)) = &line.parsed else { return false };
            matches!(
                tag,
                StreamInf(_)
                    | Media(_)
                    | IFrameStreamInf(_)
                    | SessionData(_)
                    | SessionKey(_)
                    | ContentSteering(_)
            )
        };
        match lines.iter().any(of_multivariant) {
            true => multivariant::read(&lines).map(Self::Multivariant),
            false => media::read(&lines).map(Self::Media),
        }
    }
}

impl Media {
    /// The number of the newest segment.
    pub fn edge(&self) -> Option<u64> {
        self.segments.last().map(|segment| segment.number)
    }

    /// Of all its segments together.
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// The segment of this number.
    pub fn segment(&self, number: u64) -> Option<&Segment> {
        self.segments.get(usize::try_from(number.checked_sub(self.head)?).ok()?)
    }

    /// When its media ends, by the dates of its segments.
    pub fn end(&self) -> Option<Timestamp> {
        self.segments.last().and_then(Segment::end)
    }
}

impl Segment {
    /// When its media ends, by its date.
    pub fn end(&self) -> Option<Timestamp> {
        self.date?.checked_add(self.duration).ok()
    }
}

/// A line, as written and as understood.
struct Line<'a> {
    number: usize,
    text: &'a str,
    parsed: HlsLine<'a>,
}

impl Line<'_> {
    fn wrong(&self, reason: impl Into<String>) -> Unreadable {
        Unreadable { line: self.number, reason: reason.into() }
    }
}

fn lines(text: &str) -> Result<Vec<Line<'_>>, Unreadable> {
    let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
    let lines: Vec<_> = text
        .lines()
        .enumerate()
        .map(|(i, text)| read_line(i + 1, text, &options))
        .collect::<Result<_, _>>()?;
    let is_header = |line: &&Line<'_>| line.text == "#EXTM3U";
    match lines.first().filter(is_header) {
        Some(_) => Ok(lines),
        None => Err(Unreadable { line: 1, reason: "a playlist begins with #EXTM3U".to_owned() }),
    }
}

fn read_line<'a>(number: usize, text: &'a str, options: &ParsingOptions) -> Result<Line<'a>, Unreadable> {
    let wrong = |reason: String| Unreadable { line: number, reason: format!("'{text}' {reason}") };
    let parsed = line::parse(text, options).map_err(|error| wrong(format!("is no line: {error}")))?.parsed;
    // A tag that the library knows and can't read comes as an unknown one.
    match &parsed {
        HlsLine::UnknownTag(tag) => match tag.validation_error() {
            Some(error) => Err(wrong(format!("is malformed: {error}"))),
            None => Ok(Line { number, text, parsed }),
        },
        _ => Ok(Line { number, text, parsed }),
    }
}

#[cfg(test)]
mod tests;
