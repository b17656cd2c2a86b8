//! Segments one after the other, and beside what the playlist says of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Init, Timing, time};
use crate::{
    playlist::Segment,
    rules::{DATE_MAPS_TIME, DURATION_TRUE, Finding, STARTS_WITH_SYNC, TIME_CONTINUOUS},
};

/// Discontinuities whose dates are remembered.
const MOST_ERAS: usize = 1024;

/// The segments of one track of one server.
#[derive(Debug, Default)]
pub struct Continuity {
    last: Option<(u64, Timing)>,
    /// Time that no sample covers.
    pub gap: Duration,
    /// Time that two segments cover.
    pub overlap: Duration,
}

impl Continuity {
    /// The next segment in the order of numbers.
    pub fn saw(&mut self, listed: &Segment, timing: Timing, init: &Init) -> Vec<Finding> {
        let number = listed.number;
        let mut found = Vec::new();
        if init.pictures && !timing.sync {
            found.push(STARTS_WITH_SYNC.broken(format!("number {number} begins with a dependent picture")));
        }
        let (said, is) = (listed.duration, timing.duration());
        if said.abs_diff(is) > timing.longest {
            found.push(DURATION_TRUE.broken(format!("number {number} takes {is:?}, EXTINF says {said:?}")));
        }
        let last = self.last.replace((number, timing));
        let follows = |(before, last): &(u64, Timing)| {
            before.checked_add(1) == Some(number) && last.scale == timing.scale && !listed.is_discontinuity
        };
        found.extend(last.filter(follows).and_then(|(_, last)| self.joint(number, last, timing)));
        found
    }

    fn joint(&mut self, number: u64, last: Timing, next: Timing) -> Option<Finding> {
        let apart = time(next.start.abs_diff(last.end), next.scale);
        let what = if next.start > last.end {
            self.gap = self.gap.saturating_add(apart);
            "a gap"
        } else {
            self.overlap = self.overlap.saturating_add(apart);
            "an overlap"
        };
        let (end, start) = (last.end, next.start);
        (end != start).then(|| {
            TIME_CONTINUOUS
                .broken(format!("{what} of {apart:?} before number {number}: {end} to {start} ticks"))
        })
    }
}

/// The distance between dates and media time, which all tracks of all servers share.
#[derive(Debug, Default)]
pub struct Dates {
    /// By discontinuity: the date at which media time 0 lies.
    epochs: BTreeMap<u64, Timestamp>,
}

impl Dates {
    /// A segment of any track of any server.
    pub fn saw(&mut self, listed: &Segment, timing: Timing) -> Option<Finding> {
        let start = time(timing.start, timing.scale);
        let epoch = listed.date?.checked_sub(start).ok()?;
        let first = *self.epochs.entry(listed.discontinuity).or_insert(epoch);
        while self.epochs.len() > MOST_ERAS {
            self.epochs.pop_first();
        }
        let off = epoch.duration_since(first);
        // The first sample that is decoded need not be the first that is shown.
        (off.unsigned_abs() > timing.longest + Duration::from_millis(1)).then(|| {
            DATE_MAPS_TIME.broken(format!("number {} is dated {off:?} off other media", listed.number))
        })
    }
}
