//! What a packager (or a peer) says it holds: the lines of `GET /v1/holdings`, and where to get it.
//!
//! One JSON object a line. A reader that knows nothing, or has missed something, is sent
//! [`Line::Reset`] and then everything; a reader that names the last revision it saw is sent what
//! came since.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    grid::Number,
    health::Health,
    id::{InitHash, Lineage, SignalName, TrackName},
    parity::{self, Luma},
    record::Record,
};

/// A place in the feed of one run of one packager: `<run>-<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision {
    /// Which run of the packager: another one's revisions mean nothing to it.
    pub run: u64,
    /// How many lines came before, counting from the start of the run.
    pub sequence: u64,
}

/// A text that is no revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a revision as a line of the feed has it: <run>-<sequence>")]
pub struct RevisionError;

impl FromStr for Revision {
    type Err = RevisionError;
    fn from_str(text: &str) -> Result<Self, RevisionError> {
        let (run, sequence) = text.split_once('-').ok_or(RevisionError)?;
        let run = run.parse().map_err(|_| RevisionError)?;
        Ok(Self { run, sequence: sequence.parse().map_err(|_| RevisionError)? })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.sequence)
    }
}

impl TryFrom<String> for Revision {
    type Error = RevisionError;
    fn try_from(text: String) -> Result<Self, RevisionError> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> String {
        revision.to_string()
    }
}

/// One line of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where in the feed it stands: what to resume after.
    pub rev: Revision,
    /// What it says.
    #[serde(flatten)]
    pub line: Line,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// Forget what this source held: a full listing follows.
    Reset,
    /// The listing is over, or some time has passed without news: the source lives.
    Tick,
    /// The record of a signal.
    Record {
        /// The record.
        record: Record,
    },
    /// Something is held.
    Held {
        /// Its signal.
        signal: SignalName,
        /// What it is.
        #[serde(flatten)]
        piece: Piece,
        /// Its length in bytes.
        length: u64,
        /// For how long it had been held when this line was written.
        age_ms: u64,
        /// What its content is; left out where nothing is known against it.
        #[serde(default, skip_serializing_if = "Health::is_healthy")]
        health: Health,
        /// What its first picture looks like, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parity::known")]
        luma: Option<Luma>,
    },
    /// Segments have expired.
    Gone {
        /// Their signal.
        signal: SignalName,
        /// Their lineage.
        lineage: Lineage,
        /// Their track; none for all of the lineage, its init and slate too.
        track: Option<TrackName>,
        /// Those before this number.
        before: Number,
    },
}

/// One thing that can be held and fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "piece", rename_all = "lowercase")]
pub enum Piece {
    /// The initialisation segment of a track.
    Init {
        /// The lineage whose folder it lies in.
        lineage: Lineage,
        /// The track.
        track: TrackName,
        /// Its content hash.
        init: InitHash,
    },
    /// The slate of a track.
    Slate {
        /// The lineage whose folder it lies in.
        lineage: Lineage,
        /// The track.
        track: TrackName,
    },
    /// A whole segment of one lineage.
    Segment {
        /// The lineage that made it.
        lineage: Lineage,
        /// The track.
        track: TrackName,
        /// The segment.
        number: Number,
    },
    /// A number that an origin published as slate; only a peer says so.
    Filled {
        /// The track.
        track: TrackName,
        /// The segment.
        number: Number,
    },
}

impl Piece {
    /// Its path below the signal's folder, the same on disk, in ingest and under `/v1/media/`.
    ///
    /// A [`Piece::Filled`] has none: whoever needs it makes it from the slate.
    pub fn path(&self) -> Option<String> {
        match self {
            Self::Init { lineage, track, init } => Some(format!("{lineage}/{track}/init-{init}.mp4")),
            Self::Slate { lineage, track } => Some(format!("{lineage}/{track}/slate.mp4")),
            Self::Segment { lineage, track, number } => Some(format!("{lineage}/{track}/{number}.m4s")),
            Self::Filled { .. } => None,
        }
    }

    /// The lineage in whose folder it lies; none for a [`Piece::Filled`].
    pub fn lineage(&self) -> Option<&Lineage> {
        match self {
            Self::Init { lineage, .. } | Self::Slate { lineage, .. } | Self::Segment { lineage, .. } => {
                Some(lineage)
            }
            Self::Filled { .. } => None,
        }
    }

    /// The track that it belongs to.
    pub fn track(&self) -> &TrackName {
        match self {
            Self::Init { track, .. }
            | Self::Slate { track, .. }
            | Self::Segment { track, .. }
            | Self::Filled { track, .. } => track,
        }
    }
}

/// What a path below `<root>` or `/ingest/` names: the layout of every folder of this system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `<signal>/signal.json`
    Record(SignalName),
    /// `<signal>/<lineage>/playlist.m3u8`
    LineagePlaylist(SignalName, Lineage),
    /// `<signal>/<lineage>/<track>/playlist.m3u8`
    TrackPlaylist(SignalName, Lineage, TrackName),
    /// `<signal>/<lineage>/<track>/…`
    Piece(SignalName, Piece),
}

impl Place {
    /// Reads a path with `/` between its elements and none at either end; `None` if it names nothing.
    pub fn parse(path: &str) -> Option<Self> {
        let mut elements = path.split('/');
        let signal: SignalName = elements.next()?.parse().ok()?;
        let rest: Vec<&str> = elements.collect();
        match rest[..] {
            ["signal.json"] => Some(Self::Record(signal)),
            [lineage, "playlist.m3u8"] => Some(Self::LineagePlaylist(signal, lineage.parse().ok()?)),
            [lineage, track, file] => {
                let (lineage, track) = (lineage.parse().ok()?, track.parse().ok()?);
                if file == "playlist.m3u8" {
                    return Some(Self::TrackPlaylist(signal, lineage, track));
                }
                Some(Self::Piece(signal, piece(lineage, track, file)?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(signal) => write!(f, "{signal}/signal.json"),
            Self::LineagePlaylist(signal, lineage) => write!(f, "{signal}/{lineage}/playlist.m3u8"),
            Self::TrackPlaylist(signal, lineage, track) => {
                write!(f, "{signal}/{lineage}/{track}/playlist.m3u8")
            }
            Self::Piece(signal, piece) => write!(f, "{signal}/{}", piece.path().unwrap_or_default()),
        }
    }
}

fn piece(lineage: Lineage, track: TrackName, file: &str) -> Option<Piece> {
    if file == "slate.mp4" {
        return Some(Piece::Slate { lineage, track });
    }
    if let Some(number) = file.strip_suffix(".m4s") {
        return Some(Piece::Segment { lineage, track, number: number.parse().ok()? });
    }
    let init = file.strip_prefix("init-")?.strip_suffix(".mp4")?.parse().ok()?;
    Some(Piece::Init { lineage, track, init })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_places_are_inverse() {
        for path in [
            "live01/signal.json",
            "live01/a-1795477632/playlist.m3u8",
            "live01/a-1795477632/720p/playlist.m3u8",
            "live01/a-1795477632/720p/slate.mp4",
            "live01/a-1795477632/720p/897738816.m4s",
            "live01/a-1795477632/720p/init-0123456789abcdef.mp4",
        ] {
            assert_eq!(Place::parse(path).map(|p| p.to_string()).as_deref(), Some(path));
        }
        for path in [
            "",
            "live01",
            "/live01/signal.json",
            "live01/../signal.json",
            "live01/a-1/720p/01.m4s",
            "live01/a-1/720p/1.m4s/",
            "live01/a-1/720p/.1.m4s.tmp",
            "live01/a-1/%2e%2e/1.m4s",
            "live01/a-1/720p/init-.mp4",
        ] {
            assert_eq!(Place::parse(path), None, "{path}");
        }
    }

    fn entry_of(json: &str) -> Entry {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_line_of_the_feed() {
        let piece = Piece::Segment {
            lineage: "a-1795477632".parse().unwrap(),
            track: "720p".parse().unwrap(),
            number: Number(897_738_816),
        };
        let line = Line::Held {
            signal: "live01".parse().unwrap(),
            piece,
            length: 5,
            age_ms: 7,
            health: Health::Healthy,
            luma: None,
        };
        let entry = Entry { rev: Revision { run: 3, sequence: 9 }, line };
        let json = serde_json::to_string(&entry).unwrap();
        let expected = concat!(
            r#"{"rev":"3-9","kind":"held","signal":"live01","piece":"segment","lineage":"a-1795477632","#,
            r#""track":"720p","number":897738816,"length":5,"age_ms":7}"#
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        let Line::Held { signal, piece, .. } = entry.line else { unreachable!("it was made above") };
        let line = Line::Held { signal, piece, length: 5, age_ms: 7, health: Health::Black, luma: None };
        let bad = Entry { line, ..entry };
        let json = serde_json::to_string(&bad).unwrap();
        assert_eq!(json, expected.replace('}', r#","health":"black"}"#));
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), bad);
        let Line::Held { signal, piece, length, age_ms, .. } = bad.line else {
            unreachable!("it was made above")
        };
        let luma = Some(Luma([0x1080; 16]));
        let seen = Line::Held { signal, piece, length, age_ms, health: Health::Healthy, luma };
        let seen = Entry { line: seen, ..entry_of(&json) };
        let words = serde_json::to_string(&seen).unwrap();
        assert_eq!(words, expected.replace('}', &format!(r#","luma":"{}"}}"#, "1080".repeat(16))));
        assert_eq!(serde_json::from_str::<Entry>(&words).unwrap(), seen);
        let (before, _) = words.split_once(r#""luma""#).unwrap();
        for later in [r#""zz""#, "7", "null", "[16,128]", r#"{"cells":16}"#] {
            let Line::Held { luma, .. } = entry_of(&format!(r#"{before}"luma":{later}}}"#)).line else {
                unreachable!("it was made above")
            };
            assert_eq!(luma, None, "a later version says it in other words: {later}");
        }
        let later = json.replace("black", "upside-down").replace('}', r#","more":{"of":"it"}}"#);
        assert!(serde_json::from_str::<Entry>(&later).is_ok(), "a later version says more");
    }
}
