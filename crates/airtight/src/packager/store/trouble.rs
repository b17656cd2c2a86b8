//! When to speak of a disk that takes nothing, and of its recovery: once each, not with every write.

/// Failures between two that are said: on a full disk every write fails.
const SAID: u32 = 100;
/// Successes in a row that make a recovery: on a disk that is nearly full some writes succeed by chance.
const RECOVERED: u32 = 10;

/// How the last writes went.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Failures since the last recovery.
    failures: u32,
    /// Successes in a row since the last failure.
    successes: u32,
}

impl Trouble {
    /// Takes a failure; true if it is to be said.
    pub(super) fn failed(&mut self) -> bool {
        let is_said = self.failures.is_multiple_of(SAID);
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        is_said
    }

    /// Takes a success; true if it is the recovery.
    pub(super) fn succeeded(&mut self) -> bool {
        if self.failures == 0 {
            return false;
        }
        self.successes += 1;
        let is_recovery = self.successes >= RECOVERED;
        if is_recovery {
            *self = Self::default();
        }
        is_recovery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_and_recovery_are_each_said_once() {
        let mut trouble = Trouble::default();
        assert!(!(0..50).any(|_| trouble.succeeded()), "there was no trouble");
        assert_eq!(
            (0..=SAID).filter(|_| trouble.failed()).count(),
            2,
            "the first and the hundredth after it"
        );
        assert!(!(1..RECOVERED).any(|_| trouble.succeeded()), "it may be chance");
        assert!(!trouble.failed(), "it goes on");
        let recoveries: Vec<u32> = (1..50).filter(|_| trouble.succeeded()).collect();
        assert_eq!(recoveries, [RECOVERED]);
        assert!(trouble.failed(), "it is another one");
    }
}
