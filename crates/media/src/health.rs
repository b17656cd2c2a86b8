//! Whether a segment shows what it should: a word for it, and how it is found.
//!
//! Detectors beside the encoder say when black, frozen or silent content begins and ends ([`Sign`]).
//! [`Findings`] make one word per segment of that: a segment is bad if all of it is. So two encoders of one
//! programme use the same word for the same number, whenever they were started.

use std::{
    collections::VecDeque,
    fmt::{self, Display},
};

use serde::{Deserialize, Serialize};

/// Findings lasts at least so long before it is called bad, however short segments are.
const LEAST_MS: u64 = 2000;
/// A detector may say so much later than the first bad sample that content is bad.
const LATE_MS: u64 = 250;
/// Spells that are over are remembered if they lasted so long …
const SPELL_MS: u64 = 500;
/// … and no more than so many of them: segments are judged within seconds of their end.
const SPELLS: usize = 16;

/// What the content of a segment is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Health {
    /// Nothing is known against it.
    #[default]
    Healthy,
    /// No sound can be heard.
    Silent,
    /// The picture does not move.
    Frozen,
    /// The picture is black.
    Black,
}

impl Health {
    /// All words.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Silent, Self::Frozen, Self::Black];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Silent => "silent",
            Self::Frozen => "frozen",
            Self::Black => "black",
        }
    }

    /// True unless something is known against it.
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }
}

impl Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Health> for String {
    fn from(health: Health) -> Self {
        health.as_str().to_owned()
    }
}

/// A word of a later version, which this one can't weigh, counts as nothing known.
impl From<String> for Health {
    fn from(word: String) -> Self {
        Self::ALL.into_iter().find(|health| health.as_str() == word).unwrap_or_default()
    }
}

/// What a detector says: from now on content is so, or is so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// What is bad about it.
    pub what: Health,
    /// True where it begins.
    pub begins: bool,
    /// The sample's time in milliseconds since 1970.
    pub at_ms: u64,
}

/// For how long content was bad.
#[derive(Debug, Clone, Copy)]
struct Spell {
    what: Health,
    since: u64,
    until: Option<u64>,
}

/// What was found in the pictures, or in the sound, of one run of an encoder.
#[derive(Debug)]
pub struct Findings {
    begun: u64,
    spells: VecDeque<Spell>,
}

impl Findings {
    /// Nothing yet, of a run that begins at `begun_ms`.
    pub fn new(begun_ms: u64) -> Self {
        Self { begun: begun_ms, spells: VecDeque::new() }
    }

    /// Takes the next sign.
    pub fn take(&mut self, sign: Sign) {
        let is_open = |spell: &Spell| spell.what == sign.what && spell.until.is_none();
        let open = self.spells.iter().position(is_open);
        match (open, sign.begins) {
            (None, true) => {
                self.spells.push_back(Spell { what: sign.what, since: sign.at_ms, until: None });
            }
            (Some(index), false) => self.close(index, sign.at_ms),
            (Some(_), true) | (None, false) => {}
        }
    }

    fn close(&mut self, index: usize, at_ms: u64) {
        let Some(spell) = self.spells.get_mut(index) else { return };
        spell.until = Some(at_ms);
        if at_ms.saturating_sub(spell.since) < SPELL_MS {
            self.spells.remove(index);
        }
        let over = |spells: &VecDeque<Spell>| spells.iter().filter(|s| s.until.is_some()).count();
        while over(&self.spells) > SPELLS {
            let oldest = self.spells.iter().position(|s| s.until.is_some());
            oldest.and_then(|oldest| self.spells.remove(oldest));
        }
    }

    /// What all content from `start_ms` to `end_ms` is, or of its last two seconds if it is shorter; what was
    /// before the run was no better than its beginning.
    pub fn health(&self, start_ms: u64, end_ms: u64) -> Health {
        let from = start_ms.min(end_ms.saturating_sub(LEAST_MS)).max(self.begun) + LATE_MS;
        let covers = |spell: &&Spell| spell.since <= from && spell.until.is_none_or(|until| until >= end_ms);
        self.spells.iter().filter(covers).map(|spell| spell.what).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: u64 = 1_795_477_632_480;

    /// Findings whose detectors said these, in milliseconds after its begin.
    fn findings(signs: &[(Health, bool, u64)]) -> Findings {
        let mut found = Findings::new(BEGUN);
        for (what, begins, at) in signs {
            found.take(Sign { what: *what, begins: *begins, at_ms: BEGUN + at });
        }
        found
    }

    fn health(found: &Findings, start: u64, end: u64) -> Health {
        found.health(BEGUN + start, BEGUN + end)
    }

    #[test]
    fn a_segment_is_bad_if_all_of_it_is() {
        let black = findings(&[(Health::Black, true, 3500), (Health::Black, false, 9000)]);
        let words: Vec<_> = (1..6).map(|n| health(&black, n * 2000, n * 2000 + 2000)).collect();
        // It begins within the first and ends within the fourth of them.
        let (good, black) = (Health::Healthy, Health::Black);
        assert_eq!(words, [good, black, black, good, good]);
    }

    #[test]
    fn what_a_detector_says_a_little_late_counts_from_the_first_sample() {
        let frozen = findings(&[(Health::Frozen, true, 4000 + LATE_MS)]);
        assert_eq!(health(&frozen, 4000, 6000), Health::Frozen);
        let later = findings(&[(Health::Frozen, true, 4000 + LATE_MS + 1)]);
        assert_eq!(health(&later, 4000, 6000), Health::Healthy);
    }

    #[test]
    fn a_black_picture_is_frozen_too_and_called_black() {
        let mut signs = vec![(Health::Black, true, 2000), (Health::Frozen, true, 2100)];
        assert_eq!(health(&findings(&signs), 2000, 4000), Health::Black);
        signs.push((Health::Black, false, 3000));
        assert_eq!(health(&findings(&signs), 2000, 4000), Health::Frozen);
    }

    #[test]
    fn short_segments_are_bad_after_two_seconds_or_since_the_run_began() {
        let silent = findings(&[(Health::Silent, true, 3300)]);
        assert_eq!(health(&silent, 4000, 5000), Health::Healthy);
        assert_eq!(health(&silent, 5000, 6000), Health::Silent);
        // Another run of the same programme calls the same number the same.
        let begun = findings(&[(Health::Silent, true, 100)]);
        assert_eq!(health(&begun, 500, 1500), Health::Silent);
    }

    #[test]
    fn what_flickers_for_hours_is_not_remembered() {
        let mut flickering = findings(&[(Health::Frozen, true, 0), (Health::Frozen, false, 2500)]);
        for at in (3000..2_000_000).step_by(200) {
            for (begins, at) in [(true, at), (false, at + 150)] {
                flickering.take(Sign { what: Health::Black, begins, at_ms: BEGUN + at });
            }
        }
        assert_eq!(health(&flickering, 0, 2000), Health::Frozen, "judged late");
        for at in (3_000_000..9_000_000).step_by(2000) {
            for (begins, at) in [(true, at), (false, at + 1000)] {
                flickering.take(Sign { what: Health::Black, begins, at_ms: BEGUN + at });
            }
        }
        assert_eq!(flickering.spells.len(), SPELLS);
    }

    #[test]
    fn a_word_of_a_later_version_says_nothing() {
        for health in Health::ALL {
            assert_eq!(serde_json::to_string(&health).unwrap(), format!("\"{health}\""));
            assert_eq!(serde_json::from_str::<Health>(&format!("\"{health}\"")).unwrap(), health);
        }
        assert_eq!(serde_json::from_str::<Health>("\"upside-down\"").unwrap(), Health::Healthy);
    }
}
