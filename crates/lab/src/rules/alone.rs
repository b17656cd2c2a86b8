//! What one media playlist shows by itself.

use std::time::Duration;

use jiff::SignedDuration;

use super::{DATE_ADDS_UP, DATE_PRESENT, DISCONTINUITY_COUNTED, DURATION_WITHIN_TARGET, Finding};
use crate::playlist::{Media, Segment};

/// Dates are written in whole milliseconds.
const WRITTEN: Duration = Duration::from_millis(1);

/// The rules that a media playlist breaks; `frame` is the longest frame of any of its variants.
pub fn findings(playlist: &Media, frame: Duration) -> Vec<Finding> {
    let mut found = Vec::new();
    for segment in &playlist.segments {
        let (number, duration) = (segment.number, segment.duration);
        if (duration + Duration::from_millis(500)).as_secs() > playlist.target.as_secs() {
            let target = playlist.target;
            found.push(
                DURATION_WITHIN_TARGET.broken(format!("number {number} takes {duration:?} of {target:?}")),
            );
        }
        if segment.date.is_none() {
            found.push(DATE_PRESENT.broken(format!("number {number} has none")));
        }
    }
    if playlist.discontinuity_sequence.is_none() && !playlist.ended {
        found.push(DISCONTINUITY_COUNTED.broken("it is missing"));
    }
    let eras = playlist.segments.chunk_by(|a, b| a.discontinuity == b.discontinuity);
    found.extend(eras.filter_map(|era| sum(era, frame + WRITTEN)));
    found
}

/// Of segments without a discontinuity between them, the first whose date is not where the sum of durations
/// puts it.
fn sum(era: &[Segment], tolerance: Duration) -> Option<Finding> {
    let first = era.first()?.date?;
    let mut expected = SignedDuration::ZERO;
    for segment in era {
        let off = segment.date?.duration_since(first) - expected;
        if off.unsigned_abs() > tolerance {
            let number = segment.number;
            return Some(DATE_ADDS_UP.broken(format!("number {number} is dated {off:?} off the sum")));
        }
        expected += SignedDuration::try_from(segment.duration).ok()?;
    }
    None
}
