//! When a signal leaves a server: nobody holds it, tells of it or watches it any more.
//!
//! Nothing that dies makes a signal leave: a source that can't be heard holds what it held until it says otherwise or is
//! no longer followed. So what leaves has ended, or was taken away everywhere.

use core::time::Duration;
use std::collections::BTreeSet;

/// So long after the last sign that anybody wants a signal it leaves: longer than any player goes on with a playlist.
pub const FORGET: Duration = Duration::from_secs(600);

/// Who has to do with one signal; `S` names a source.
#[derive(Clone, Debug)]
pub struct Interest<S> {
    holders: BTreeSet<S>,
    shown: Duration,
}

impl<S: Ord> Interest<S> {
    /// A signal that becomes known at `now`.
    pub fn new(now: Duration) -> Self {
        Self { holders: BTreeSet::new(), shown: now }
    }

    /// A source lists the signal among those that it holds.
    pub fn holds(&mut self, source: S, now: Duration) {
        self.holders.insert(source);
        self.show(now);
    }

    /// A source is about to list anew what it holds.
    pub fn lists_anew(&mut self, source: &S) {
        self.holders.remove(source);
    }

    /// Somebody has told of the signal, or asked for it.
    pub fn show(&mut self, now: Duration) {
        self.shown = self.shown.max(now);
    }

    /// Whether the signal may leave; sources that are not `followed` hold nothing.
    pub fn is_over(&mut self, followed: &BTreeSet<S>, now: Duration) -> bool {
        self.holders.retain(|source| followed.contains(source));
        if !self.holders.is_empty() {
            self.show(now);
        }
        now.saturating_sub(self.shown) >= FORGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether it is over at each of some moments after 0, while `followed` are followed.
    fn over(interest: &mut Interest<u32>, followed: &[u32], moments: &[Duration]) -> Vec<bool> {
        let followed = followed.iter().copied().collect();
        moments.iter().map(|moment| interest.is_over(&followed, *moment)).collect()
    }

    #[test]
    fn a_signal_that_nobody_holds_or_wants_leaves_after_a_while() {
        let around = [FORGET - SECOND, FORGET, FORGET + SECOND];
        let mut untold = Interest::new(Duration::ZERO);
        assert_eq!(over(&mut untold, &[1, 2], &around), [false, true, true]);
        let mut wanted = Interest::new(Duration::ZERO);
        wanted.show(SECOND);
        assert_eq!(over(&mut wanted, &[1, 2], &around), [false, false, true]);
    }

    #[test]
    fn a_signal_stays_as_long_as_a_source_holds_it() {
        let mut held = Interest::new(Duration::ZERO);
        held.holds(1, Duration::ZERO);
        held.holds(2, Duration::ZERO);
        assert_eq!(over(&mut held, &[1, 2], &[FORGET, 100 * FORGET]), [false, false]);
        held.lists_anew(&1);
        assert_eq!(over(&mut held, &[1, 2], &[200 * FORGET]), [false], "2 has said nothing else");
        let later = 200 * FORGET;
        assert_eq!(over(&mut held, &[1], &[later + FORGET - SECOND, later + FORGET]), [false, true]);
        let mut relisted = Interest::new(Duration::ZERO);
        relisted.holds(1, Duration::ZERO);
        relisted.lists_anew(&1);
        relisted.holds(1, Duration::ZERO);
        assert_eq!(over(&mut relisted, &[1], &[100 * FORGET]), [false]);
    }
}
