//! Is this the segment that it claims to be? Bytes from outside in, parts of a whole segment out.
//!
//! Whatever reaches a packager or an origin passes here before it is indexed.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    grid::{Grid, Number, Part, Rate},
    mp4::{Fragment, Init, Kind, Mp4Box, Mp4Error, split},
    record::Track,
};

/// A segment may have this many times the bytes that the bandwidth of its track allows: an encoder keeps to that over
/// seconds, not in each segment.
const TIMES: u64 = 4;
/// And so many more, whatever the bandwidth: boxes and marks.
const BOXES: u64 = 64 << 10;

/// Why bytes are not the segment that they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// The bytes are no media.
    #[error(transparent)]
    Mp4(#[from] Mp4Error),
    /// Far more bytes than the track says that it needs.
    #[error("the segment has {found} bytes, at the bandwidth of its track {most} are the most")]
    Size {
        /// Its bytes.
        found: u64,
        /// What is taken.
        most: u64,
    },
    /// A box where another was due.
    #[error("box '{0}' where a segment has another")]
    Order(String),
    /// The part is not where the grid has it.
    #[error("part {part} begins at {found} ticks, the grid says {expected}")]
    Time {
        /// Which part.
        part: Part,
        /// Its `tfdt`.
        found: i64,
        /// What the grid says.
        expected: u64,
    },
    /// The part has more or fewer samples than the grid yields.
    #[error("part {part} has {found} samples, the grid says {expected}")]
    Count {
        /// Which part.
        part: Part,
        /// Samples found.
        found: u64,
        /// What the grid says.
        expected: u64,
    },
    /// A sample is longer or shorter than the rate says.
    #[error("a sample of part {0} is not one frame long")]
    Duration(Part),
    /// The samples and their data differ in length.
    #[error("the samples of part {0} are not as long as its data")]
    Length(Part),
    /// A video segment that can't be decoded on its own.
    #[error("the first picture is no keyframe")]
    NoKeyframe,
}

/// Checks that a segment is not far longer than its track says, so that what a window keeps in memory has a bound.
///
/// # Errors
/// It is.
pub fn size(bytes: &Bytes, track: &Track, grid: &Grid) -> Result<(), CheckError> {
    let of_bandwidth = u64::from(track.bandwidth) * u64::from(grid.millis.get()) / 8000;
    let (found, most) = (bytes.len() as u64, of_bandwidth.saturating_mul(TIMES).saturating_add(BOXES));
    if found > most { Err(CheckError::Size { found, most }) } else { Ok(()) }
}

/// Checks a segment (`styp`, then `moof` and `mdat` per part) and gives its parts; nothing is copied.
///
/// # Errors
/// The first rule that the bytes break.
pub fn segment(
    bytes: &Bytes,
    init: &Init,
    grid: &Grid,
    number: Number,
    rate: &Rate,
) -> Result<Vec<Bytes>, CheckError> {
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    let mut fragment: Option<Fragment> = None;
    for next in split(bytes.clone()) {
        let next = next?;
        end += next.bytes.len();
        match (&next.kind, fragment.take()) {
            (b"moof", None) => fragment = Some(Fragment::parse(&next.bytes, init)?),
            (b"mdat", Some(fragment)) => {
                let part = Part(u32::try_from(parts.len()).unwrap_or(u32::MAX));
                check_part(&fragment, &next, init, grid, number, part, rate)?;
                parts.push(bytes.slice(begin..end));
                begin = end;
            }
            (b"styp" | b"prft" | b"uuid" | b"emsg" | b"sidx" | b"free", None) => {}
            (kind, _) => return Err(CheckError::Order(kind.escape_ascii().to_string())),
        }
    }
    let expected = u64::from(grid.part_count(number, rate));
    if fragment.is_some() || begin != end || (parts.len() as u64) < expected {
        return Err(Mp4Error::Truncated { offset: begin as u64 }.into());
    }
    Ok(parts)
}

fn check_part(
    fragment: &Fragment,
    data: &Mp4Box,
    init: &Init,
    grid: &Grid,
    number: Number,
    part: Part,
    rate: &Rate,
) -> Result<(), CheckError> {
    let span = grid.part_span(number, part, rate);
    let (found, expected) = (fragment.samples.len() as u64, span.count);
    if found != expected || expected == 0 {
        return Err(CheckError::Count { part, found, expected });
    }
    let expected = span.start().value;
    if fragment.time.cast_unsigned() != expected {
        return Err(CheckError::Time { part, found: fragment.time, expected });
    }
    if fragment.samples.iter().any(|s| s.duration != rate.frame.get()) {
        return Err(CheckError::Duration(part));
    }
    if fragment.data_length() != data.payload().len() as u64 {
        return Err(CheckError::Length(part));
    }
    let opens_segment = part == Part(0) && matches!(init.kind, Kind::Video { .. });
    if opens_segment && !fragment.samples.first().is_some_and(crate::mp4::Sample::is_sync) {
        return Err(CheckError::NoKeyframe);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
