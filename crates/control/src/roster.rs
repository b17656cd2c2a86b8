//! Which sources an origin follows: those that it was told, and those that the control plane names.
//!
//! What the control plane says is a hint. A source that works is never let go because an answer is empty, missing or
//! wrong: only one that nobody names any more *and* that has been silent for a while. So names that lead nowhere
//! take a place for that while only, and never the place of a source that is followed.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::ingest::PartUrl;

/// A source that nobody names and that is silent for so long is let go.
const FORGET: Duration = Duration::from_secs(60);
/// Sources at a time.
pub const MOST: usize = 128;

/// What becomes of a source that was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// It is to be followed from now on.
    New,
    /// It is followed.
    Known,
    /// There is no place for it: [`MOST`] are followed.
    NoPlace,
}

/// The sources that are followed.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// When each was last named; nothing for one that was told and stays for good.
    named: BTreeMap<PartUrl, Option<Duration>>,
}

impl Roster {
    /// A source is to be followed for good, whatever is named.
    pub fn tell(&mut self, source: &PartUrl) -> Named {
        self.take(source, None)
    }

    /// A source is named at `now`.
    pub fn name(&mut self, source: &PartUrl, now: Duration) -> Named {
        self.take(source, Some(now))
    }

    fn take(&mut self, source: &PartUrl, now: Option<Duration>) -> Named {
        if let Some(named) = self.named.get_mut(source) {
            // One that was told stays told.
            *named = named.and(now);
            return Named::Known;
        }
        if self.named.len() >= MOST {
            return Named::NoPlace;
        }
        self.named.insert(source.clone(), now);
        Named::New
    }

    /// Lets go, at `now`, of those that nobody has named for a while and that have been silent as long, and returns
    /// them; `silent` says how long a source has been silent.
    pub fn forget(&mut self, now: Duration, silent: impl Fn(&PartUrl) -> Duration) -> Vec<PartUrl> {
        let is_gone = |source: &PartUrl, named: &mut Option<Duration>| {
            named.is_some_and(|named| now.saturating_sub(named).min(silent(source)) > FORGET)
        };
        self.named.extract_if(.., is_gone).map(|(source, _)| source).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn url(port: u16) -> PartUrl {
        format!("http://127.0.0.1:{port}").parse().unwrap()
    }

    fn followed(roster: &Roster) -> Vec<PartUrl> {
        roster.named.keys().cloned().collect()
    }

    #[test]
    fn an_hour_without_the_control_plane_costs_no_source_that_works() {
        let mut roster = Roster::default();
        assert_eq!([roster.name(&url(1), SECOND), roster.name(&url(2), SECOND)], [Named::New; 2]);
        assert_eq!(roster.name(&url(2), SECOND), Named::Known);
        for second in 2..=3600 {
            // The second dies after half an hour.
            let silent = |source: &PartUrl| {
                let silent = if *source == url(2) { u64::saturating_sub(second, 1800) } else { 0 };
                SECOND * u32::try_from(silent).unwrap()
            };
            let gone = roster.forget(SECOND * second.try_into().unwrap(), silent);
            assert_eq!(gone, if second == 1861 { vec![url(2)] } else { vec![] }, "after {second} s");
        }
        assert_eq!(followed(&roster), [url(1)]);
    }

    #[test]
    fn names_that_lead_nowhere_cost_no_place_for_good() {
        let (mut roster, now) = (Roster::default(), SECOND);
        roster.name(&url(1), now);
        let outcomes: Vec<_> = (2..=200).map(|port| roster.name(&url(port), now)).collect();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Named::New).count(), MOST - 1);
        assert_eq!(outcomes.last(), Some(&Named::NoPlace));
        assert_eq!(roster.name(&url(1), now), Named::Known, "what is followed keeps its place");
        let nowhere = |source: &PartUrl| if *source == url(1) { Duration::ZERO } else { SECOND * 120 };
        assert_eq!(roster.forget(now + FORGET, nowhere), []);
        assert_eq!(roster.forget(now + FORGET + SECOND, nowhere).len(), MOST - 1);
        assert_eq!(followed(&roster), [url(1)]);
        assert_eq!(roster.name(&url(200), now + FORGET + SECOND), Named::New);
    }

    #[test]
    fn one_that_is_named_again_or_was_told_stays_however_silent() {
        let mut roster = Roster::default();
        assert_eq!(roster.tell(&url(1)), Named::New);
        roster.name(&url(1), SECOND);
        roster.name(&url(2), SECOND);
        roster.name(&url(2), SECOND * 100);
        let never = |_: &PartUrl| Duration::MAX;
        assert_eq!(roster.forget(SECOND * 160, never), []);
        assert_eq!(roster.forget(SECOND * 161, never), [url(2)]);
        assert_eq!(roster.forget(SECOND * 1000, never), []);
    }
}
