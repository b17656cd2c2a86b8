//! Whether something that arrives may be held: the same rules for a request and for a file of the folder.
//!
//! Pure: the bytes, the record and what is held come in, a verdict goes out.

use airtight_media::{
    check,
    grid::{Grid, Number},
    id::{InitHash, SignalName, TrackName},
    mp4::Init,
    record::{Record, Track},
    slate::Slate,
};
use bytes::Bytes;
use thiserror::Error;

/// A clock that is ahead of ours may be so by this many segments.
const AHEAD: u64 = 2;
/// Signals that a packager serves.
pub(super) const SIGNALS: usize = 256;
/// Lineages of one signal that are held at a time.
pub(super) const LINEAGES: usize = 64;

/// Bytes of a playlist: a day of the shortest segments.
const PLAYLIST: usize = 8 << 20;

/// Why something is not held.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// It is not what it claims to be, and never will be.
    #[error("{0}")]
    Bad(String),
    /// A record that contradicts the one that is known.
    #[error("{0}")]
    Contradiction(String),
    /// What it depends on is to come first.
    #[error("{0}")]
    Missing(String),
    /// A number that has expired, or is not due yet.
    #[error("number {number} is outside {first} to {last}, what is kept and what is due")]
    Range {
        /// The number.
        number: Number,
        /// The first that is kept.
        first: Number,
        /// The last that is due.
        last: Number,
    },
    /// The event ended before it.
    #[error("number {number} is after the end of the event, {end}")]
    Ended {
        /// The number.
        number: Number,
        /// The last number of the event.
        end: Number,
    },
    /// There is no room for it.
    #[error("{0}")]
    Full(String),
    /// The machine failed.
    #[error("{0}")]
    Fault(String),
}

#[allow(clippy::needless_pass_by_value)] // it ends the error of a `map_err`
fn bad(error: impl ToString) -> Refusal {
    Refusal::Bad(error.to_string())
}

/// Reads the record of `signal`.
///
/// # Errors
/// No record, or one of another signal.
pub(super) fn record(signal: &SignalName, json: &[u8]) -> Result<Record, Refusal> {
    let record: Record =
        serde_json::from_slice(json).map_err(|e| bad(format!("the body is no record: {e}")))?;
    record.check().map_err(bad)?;
    if record.signal != *signal {
        return Err(bad(format!("this is the record of signal '{}', not of '{signal}'", record.signal)));
    }
    Ok(record)
}

/// Checks that bytes may be the playlist of a lineage or of a track: it is kept for people and players that open
/// the folder.
///
/// # Errors
/// They are none.
pub(super) fn playlist(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > PLAYLIST {
        return Err(bad(format!("the playlist is longer than {PLAYLIST} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| bad(format!("the playlist is no UTF-8: {e}")))?;
    match text.lines().next() {
        Some("#EXTM3U") => Ok(()),
        _ => Err(bad("the body is no playlist: its first line is to be #EXTM3U")),
    }
}

/// The record of a signal, which is to come before all else.
///
/// # Errors
/// There is none yet.
pub(super) fn known<T>(signal: &SignalName, record: Option<T>) -> Result<T, Refusal> {
    record.ok_or_else(|| {
        Refusal::Missing(format!("signal '{signal}' has no record yet: send signal.json first"))
    })
}

/// Reads the init `hash` of a track.
///
/// # Errors
/// Bytes of another name, none that the record names, or no init.
pub(super) fn init(record: &Record, name: &TrackName, hash: InitHash, bytes: Bytes) -> Result<Init, Refusal> {
    let track = track_of_init(record, name, hash)?;
    let found = InitHash::of(&bytes);
    if found != hash {
        return Err(bad(format!("the init's hash is {found}, its name says {hash}")));
    }
    let init = Init::parse(bytes).map_err(bad)?;
    if init.hash != hash {
        return Err(bad("the init has an edit list or other boxes than ftyp and moov"));
    }
    if init.timescale != track.rate.scale {
        let (found, expected) = (init.timescale, track.rate.scale);
        return Err(bad(format!(
            "the init has {found} ticks a second, the record of track '{name}' {expected}"
        )));
    }
    Ok(init)
}

fn track_of_init<'a>(record: &'a Record, name: &TrackName, hash: InitHash) -> Result<&'a Track, Refusal> {
    let tracks = record.eras.iter().flat_map(|era| &era.tracks);
    let signal = &record.signal;
    tracks.into_iter().find(|track| track.name == *name && track.init == hash).ok_or_else(|| {
        Refusal::Missing(format!(
            "the record of signal '{signal}' has no init {hash} of track '{name}': send signal.json with it first"
        ))
    })
}

/// Checks the slate of a track of which these inits are held.
///
/// # Errors
/// No init is held, or the bytes are no slate for any.
pub(super) fn slate(record: &Record, name: &TrackName, inits: &[Init], bytes: &[u8]) -> Result<(), Refusal> {
    let mut refusal =
        Refusal::Missing(format!("no init of track '{name}' is held: send it before the slate"));
    for init in inits {
        let track = track_of_init(record, name, init.hash)?;
        match Slate::parse(bytes, init, track.rate) {
            Ok(_) => return Ok(()),
            Err(error) => refusal = bad(error),
        }
    }
    Err(refusal)
}

/// Whether `number` may come now: not expired, due by now or soon, not after the end.
///
/// # Errors
/// It may not.
pub(super) fn number(record: &Record, number: Number, due: &Due) -> Result<(), Refusal> {
    let current = Number(due.now_ms / u64::from(record.grid.millis.get()));
    let first = due.horizon.max(current.minus(due.kept));
    let last = current.plus(AHEAD);
    if number < first || number > last {
        return Err(Refusal::Range { number, first, last });
    }
    match record.end {
        Some(end) if number > end => Err(Refusal::Ended { number, end }),
        _ => Ok(()),
    }
}

/// What [`number`] goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// Milliseconds since 1970 by the wall clock.
    pub(super) now_ms: u64,
    /// Segments before it have expired.
    pub(super) horizon: Number,
    /// How many numbers are kept; `u64::MAX` where the clock does not limit the past.
    pub(super) kept: u64,
}

/// The track that segment `number` belongs to.
///
/// # Errors
/// The record has none of this name there.
pub(super) fn track<'a>(record: &'a Record, name: &TrackName, number: Number) -> Result<&'a Track, Refusal> {
    record.track(name, number).ok_or_else(|| {
        let signal = &record.signal;
        Refusal::Missing(format!("the record of signal '{signal}' has no track '{name}' at number {number}"))
    })
}

/// Checks that bytes are segment `number` of a track, whole, and not far longer than it says.
///
/// # Errors
/// They are not.
pub(super) fn segment(
    grid: &Grid,
    track: &Track,
    init: &Init,
    number: Number,
    bytes: &Bytes,
) -> Result<(), Refusal> {
    check::size(bytes, track, grid).map_err(bad)?;
    check::segment(bytes, init, grid, number, &track.rate).map(drop).map_err(bad)
}
