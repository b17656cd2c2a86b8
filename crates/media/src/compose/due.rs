//! When something is due: the composer's only reading of the time.

use std::time::Duration;

use super::{Composer, Monotonic};
use crate::{grid::Number, record::Record};

/// The lines of a listing that come within this time are looked at together.
pub(super) const LISTING: Duration = Duration::from_millis(20);

impl Composer {
    /// When to call [`Composer::tick`] if no event comes before.
    pub fn wake_at(&self) -> Option<Monotonic> {
        let record = self.record.as_ref()?;
        let due = match self.timeline.next() {
            None => [self.arrivals.due(record, record.first, deadline(record)), None],
            Some(next) if record.has_ended_by(next.minus(1)) => [None, None],
            Some(next) => [self.lead_until(record, next), self.slate_at(record, next)],
        };
        let due = due.into_iter().flatten().filter_map(|at| u64::try_from(at).ok());
        let times = due.map(Monotonic::from_millis).chain([self.settled, self.backfilled]);
        let times = times.chain(self.unseen.then_some(self.looked + LISTING));
        // What has become due since is due now.
        times
            .filter(|at| *at > self.looked)
            .chain(self.fetches.retry_after(self.looked))
            .chain(self.fetches.slow_after(self.looked))
            .min()
    }

    /// Until when the lead's copy of `number` is waited for: a while past its usual arrival, but
    /// not so long that there is no time left to fetch another.
    pub(super) fn lead_until(&self, record: &Record, number: Number) -> Option<i64> {
        let lead = self.lineages(record, number).into_iter().next();
        let patience = lead_patience(record);
        let usual = lead.and_then(|lead| self.arrivals.due_from(record, &lead, number, patience));
        let last = if self.timeline.next() == Some(number) {
            self.slate_at(record, number)
        } else {
            self.arrivals.due(record, number, deadline(record))
        };
        let last = last.map(|at| at.saturating_sub(patience));
        [usual, last].into_iter().flatten().min()
    }

    /// When slate is shown for `next`, the number to decide next, if there are no media.
    ///
    /// Usually at its deadline. Once on air not later than 1.5 target durations after the number
    /// before, which is HLS's limit, wherever the deadline has moved; and not earlier than half of
    /// one, so that no clock and no long sleep makes the timeline race ahead of its media.
    pub(super) fn slate_at(&self, record: &Record, next: Number) -> Option<i64> {
        let usual = self.arrivals.due(record, next, deadline(record));
        // Who falls silent takes a later usual time along: what is waited for by it has its time all the same.
        let usual = usual.max(self.promised);
        let Some(moved) = self.moved else { return usual };
        let (moved, half) = (millis(moved), deadline(record));
        let (least, most) = (moved.saturating_add(half), moved.saturating_add(3 * half));
        Some(usual.unwrap_or(most).clamp(least, most))
    }

    /// True once slate would be shown for `next`.
    pub(super) fn is_due(&self, record: &Record, next: Number) -> bool {
        self.slate_at(record, next).is_some_and(|at| at <= millis(self.now))
    }
}

pub(super) fn millis(at: Monotonic) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

/// For one fetch: within a deadline one may hang, and another be made.
pub(super) fn budget(record: &Record) -> Duration {
    Duration::from_millis(u64::from(record.grid.millis.get()) / 5)
}

/// After this time past its usual arrival the lead's copy is not waited for, if there is another:
/// a quarter of the target duration, so that the deadline leaves time to fetch the other.
pub(super) fn lead_patience(record: &Record) -> i64 {
    i64::from(record.grid.millis.get()) / 4
}

/// After this time past its usual arrival a number is published whatever is here: half the
/// target duration, so that playlists keep HLS's limit of 1.5 target durations.
pub(super) fn deadline(record: &Record) -> i64 {
    i64::from(record.grid.millis.get()) / 2
}
