//! Is a packager healthy, and does it truly hold a signal?
//!
//! Both answers are about what was heard, never about what was hoped: a probe without an answer counts
//! against a packager, and a signal whose newest media is stale is not held, whatever the packager lists.

use core::time::Duration;

/// How many equal answers in a row it takes to change one's mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    /// Failures in a row that make a healthy packager unhealthy.
    pub fall: u32,
    /// Answers in a row that make an unhealthy packager healthy.
    pub rise: u32,
}

impl Hysteresis {
    /// One lost probe is an accident, two are a fault; and one answer after a fault may be luck.
    pub const DEFAULT: Self = Self { fall: 2, rise: 2 };
}

/// A change of mind about one packager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It answers.
    Healthy,
    /// It does not answer.
    Unhealthy,
}

/// What consecutive probes say of one packager. The first probe decides alone, since there is no earlier
/// opinion to protect.
#[derive(Clone, Debug)]
pub struct Health {
    hysteresis: Hysteresis,
    healthy: Option<bool>,
    against: u32,
}

impl Health {
    /// No probe yet.
    pub const fn new(hysteresis: Hysteresis) -> Self {
        Self { hysteresis, healthy: None, against: 0 }
    }

    /// Takes the result of one probe; returns the change that it brings about.
    pub fn handle(&mut self, answered: bool) -> Option<Turn> {
        let needed = match self.healthy {
            Some(healthy) if healthy == answered => {
                self.against = 0;
                return None;
            }
            Some(true) => self.hysteresis.fall,
            Some(false) => self.hysteresis.rise,
            None => 1,
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.healthy = Some(answered);
        self.against = 0;
        Some(if answered { Turn::Healthy } else { Turn::Unhealthy })
    }

    /// Whether the packager counts as healthy; one that was never probed does not.
    pub fn is_healthy(&self) -> bool {
        self.healthy == Some(true)
    }
}

/// What a packager last said of one signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Age of the newest media when the packager said so.
    pub age: Duration,
    /// When it said so.
    pub heard: Duration,
    /// An older signal is stale: three segment durations.
    pub stale: Duration,
}

impl Holding {
    /// Whether the newest media is fresh at `now`. It ages while the packager is silent.
    pub fn is_active(&self, now: Duration) -> bool {
        self.age.saturating_add(now.saturating_sub(self.heard)) <= self.stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turns(probes: &str) -> String {
        let mut health = Health::new(Hysteresis { fall: 3, rise: 2 });
        probes
            .chars()
            .map(|probe| match health.handle(probe == 'o') {
                Some(Turn::Healthy) => 'H',
                Some(Turn::Unhealthy) => 'U',
                None => '.',
            })
            .collect()
    }

    #[test]
    fn a_mind_is_changed_by_answers_in_a_row_only() {
        let table = [
            ("", ""),
            ("o", "H"),
            ("x", "U"),
            ("oxx", "H.."),
            ("oxxx", "H..U"),
            ("oxxoxx", "H....."),
            ("xo", "U."),
            ("xoo", "U.H"),
            ("xoxo", "U..."),
            ("oxxxxxoo", "H..U...H"),
        ];
        for (probes, expected) in table {
            assert_eq!(turns(probes), expected, "probes {probes}");
        }
    }

    #[test]
    fn a_packager_never_probed_is_not_healthy() {
        assert!(!Health::new(Hysteresis::DEFAULT).is_healthy());
    }

    #[test]
    fn a_holding_goes_stale_while_its_packager_is_silent() {
        let holding = Holding {
            age: Duration::from_secs(2),
            heard: Duration::from_secs(100),
            stale: Duration::from_secs(6),
        };
        assert!(holding.is_active(Duration::from_secs(100)));
        assert!(holding.is_active(Duration::from_secs(104)));
        assert!(!holding.is_active(Duration::from_millis(104_001)));
    }

    proptest! {
        /// The opinion after any probes is that of the last run of equal answers long enough to make one.
        #[test]
        fn the_opinion_is_that_of_the_last_convincing_run(probes in prop::collection::vec(any::<bool>(), 1..100)) {
            let mut health = Health::new(Hysteresis { fall: 3, rise: 2 });
            let (mut opinion, mut run, mut last) = (None, 0, None);
            for &probe in &probes {
                health.handle(probe);
                run = if last == Some(probe) { run + 1 } else { 1 };
                last = Some(probe);
                if opinion.is_none() || run >= if probe { 2 } else { 3 } {
                    opinion = Some(probe);
                }
            }
            prop_assert_eq!(Some(health.is_healthy()), opinion);
        }
    }
}
