//! When a fetch takes longer than usual, and how often another may be made beside it.

use std::collections::VecDeque;

use super::Monotonic;

/// Fetch times that the percentile is taken over.
const OBSERVED: usize = 100;
/// Fewer say nothing of what is usual.
const LEAST: usize = 20;
/// So many fetches earn one hedge: at most one in twenty.
const EARN: u32 = 20;
/// So many hedges can be saved for when they are needed.
const SAVED: u32 = 8;

/// How long fetches take, and what may be spent on those that take longer.
#[derive(Debug, Default)]
pub(super) struct Pace {
    times: VecDeque<Monotonic>,
    usual: Option<Monotonic>,
    credit: u32,
}

impl Pace {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// A fetch took this long, or was broken off after this time.
    pub(super) fn took(&mut self, time: Monotonic) {
        self.times.push_back(time);
        if self.times.len() > OBSERVED {
            self.times.pop_front();
        }
        let mut sorted: Vec<_> = self.times.iter().copied().collect();
        let at = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        self.usual = (sorted.len() >= LEAST).then(|| *sorted.select_nth_unstable(at).1);
    }

    /// The 95th percentile of recent fetch times, once enough have been seen.
    pub(super) fn usual(&self) -> Option<Monotonic> {
        self.usual
    }

    /// A fetch is made that is no hedge.
    pub(super) fn earn(&mut self) {
        self.credit = (self.credit + 1).min(EARN * SAVED);
    }

    /// True if a hedge may be made.
    pub(super) fn can_spend(&self) -> bool {
        self.credit >= EARN
    }

    /// A hedge is made.
    pub(super) fn spend(&mut self) {
        self.credit = self.credit.saturating_sub(EARN);
    }
}
