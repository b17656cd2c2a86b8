//! When to try again: a process that ended, a connection that broke, a request that failed.
//!
//! The first failure after a stable time is answered at once, because it is most likely an accident; the ones
//! that follow it wait longer and longer, up to a cap, each by a random share so that many who lost the same
//! thing do not come back in one instant. It decides how long to wait and never waits itself; exactly one
//! owner of a retry holds one [`Restart`].

use core::time::Duration;

/// How patient a [`Restart`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Longest wait before the second attempt in a row; it doubles with each further one.
    pub first: Duration,
    /// No wait is longer than this.
    pub cap: Duration,
    /// An attempt that lasted this long was a success: the count of failures starts anew.
    pub stable: Duration,
}

impl Policy {
    /// For child processes: a program that can't start must not eat the machine.
    pub const PROCESS: Self = Self {
        first: Duration::from_millis(250),
        cap: Duration::from_secs(10),
        stable: Duration::from_secs(10),
    };

    /// For connections and requests to our own parts: cheap to try, and a part that comes back is to be
    /// noticed within a second.
    pub const LINK: Self = Self {
        first: Duration::from_millis(100),
        cap: Duration::from_secs(1),
        stable: Duration::from_secs(5),
    };
}

/// The record of one thing that is tried again and again.
#[derive(Clone, Debug)]
pub struct Restart {
    policy: Policy,
    failures: u32,
    started: Option<Duration>,
}

impl Restart {
    /// Nothing has failed yet.
    pub const fn new(policy: Policy) -> Self {
        Self { policy, failures: 0, started: None }
    }

    /// The attempt works from `now` on: the process runs, the connection stands. How long it lasts decides,
    /// when it fails, whether that failure is the first of a new row.
    pub const fn started(&mut self, now: Duration) {
        self.started = Some(now);
    }

    /// The attempt reached all it was for, as an answered request does: the next failure is a first one.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
        self.started = None;
    }

    /// The attempt failed or ended at `now`; `random` is any 32 random bits.
    ///
    /// Returns how long to wait before the next attempt: nothing after the first failure of a row, then
    /// between a half and the whole of `first · 2ⁿ`, at most `cap`.
    pub fn failed(&mut self, now: Duration, random: u32) -> Duration {
        if self.started.take().is_some_and(|started| now.saturating_sub(started) >= self.policy.stable) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let Some(doublings) = self.failures.checked_sub(2) else {
            return Duration::ZERO;
        };
        let longest = self.policy.first.saturating_mul(2_u32.saturating_pow(doublings)).min(self.policy.cap);
        let half = longest / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Failures in a row so far.
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

/// The second since 1970 that names a run which begins at second `now`, after the one that was named
/// `last`: a later one. None while the clock is just about to reach one.
///
/// A clock that was set back by more is not waited for: the name then runs ahead of it.
pub const fn name_of_run(now: u64, last: u64) -> Option<u64> {
    match last.checked_sub(now) {
        None => Some(now),
        Some(0 | 1) => None,
        Some(_) => Some(last + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        first: Duration::from_millis(100),
        cap: Duration::from_secs(1),
        stable: Duration::from_secs(10),
    };

    /// The waits, in milliseconds, of attempts that each fail at the moment they start.
    fn waits(random: u32, attempts: usize) -> Vec<u128> {
        let mut restart = Restart::new(POLICY);
        (0..attempts)
            .map(|_| {
                restart.started(Duration::ZERO);
                restart.failed(Duration::ZERO, random).as_millis()
            })
            .collect()
    }

    #[test]
    fn the_first_is_at_once_the_next_double_up_to_the_cap() {
        assert_eq!(waits(u32::MAX, 7), [0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waits(0, 7), [0, 50, 100, 200, 400, 500, 500]);
    }

    #[test]
    fn a_stable_run_is_forgiven_a_short_one_is_not() {
        let mut restart = Restart::new(POLICY);
        for _ in 0..5 {
            restart.failed(Duration::ZERO, 0);
        }
        restart.started(Duration::from_secs(100));
        assert!(restart.failed(Duration::from_millis(109_999), 0) > Duration::ZERO);
        assert_eq!(restart.failures(), 6);
        restart.started(Duration::from_secs(200));
        assert_eq!(restart.failed(Duration::from_secs(210), 0), Duration::ZERO, "ten seconds are stable");
        assert_eq!(restart.failures(), 1);
    }

    #[test]
    fn a_failure_without_a_start_is_not_a_stable_run() {
        let mut restart = Restart::new(POLICY);
        restart.started(Duration::ZERO);
        restart.failed(Duration::from_secs(60), 0);
        assert!(restart.failed(Duration::from_secs(600), 0) > Duration::ZERO);
    }

    #[test]
    fn an_answered_request_starts_a_new_row() {
        let mut restart = Restart::new(POLICY);
        for _ in 0..5 {
            restart.failed(Duration::ZERO, 0);
        }
        restart.succeeded();
        assert_eq!(restart.failed(Duration::ZERO, u32::MAX), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_steps_back_is_a_short_run() {
        let mut restart = Restart::new(POLICY);
        restart.failed(Duration::ZERO, 0);
        restart.started(Duration::from_secs(500));
        assert!(restart.failed(Duration::from_secs(1), 0) > Duration::ZERO);
    }

    #[test]
    fn a_run_has_a_later_name_than_the_one_before() {
        assert_eq!(name_of_run(1000, 999), Some(1000));
        assert_eq!(name_of_run(1000, 400), Some(1000));
        assert_eq!(name_of_run(1000, 1000), None, "another process may have begun in this very second");
        assert_eq!(name_of_run(1000, 1001), None);
    }

    #[test]
    fn a_clock_set_back_by_an_hour_delays_no_run() {
        let mut last = 5000;
        for _ in 0..3 {
            let name = name_of_run(5000 - 3600, last).unwrap();
            assert!(name > last);
            last = name;
        }
    }

    proptest! {
        /// Whatever happens, nobody waits longer than the cap, and from the second failure of a row on
        /// nobody spins.
        #[test]
        fn waits_keep_their_bounds(events in prop::collection::vec((0_u64..20_000, any::<bool>(), any::<u32>()), 1..200)) {
            let mut restart = Restart::new(POLICY);
            let mut now = Duration::ZERO;
            for (lasted, begins, random) in events {
                if begins {
                    restart.started(now);
                }
                now += Duration::from_millis(lasted);
                let wait = restart.failed(now, random);
                prop_assert!(wait <= POLICY.cap);
                prop_assert_eq!(wait.is_zero(), restart.failures() == 1);
                prop_assert!(wait.is_zero() || wait >= POLICY.first / 2);
            }
        }

        /// No number of failures overflows.
        #[test]
        fn endless_failures_stay_at_the_cap(failures in 40_usize..2000) {
            prop_assert_eq!(waits(u32::MAX, failures).last().copied(), Some(POLICY.cap.as_millis()));
        }
    }
}
