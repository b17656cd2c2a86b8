//! Which part is frozen: it runs, and gives no sign of life.
//!
//! A frozen part is as bad as a dead one, and worse if it is killed by mistake. So silence counts only while
//! whoever listens was on time itself: one that was stopped, or had no turn on a busy machine, has heard
//! nobody and judges nobody. And of a pair the last one that works is spared for long: what else is
//! silent may be the machine. If neither of a pair works and all others are heard, it is not the machine: then one of the
//! two is replaced soon, and the other once that one works.
//!
//! It decides and never kills. It is told of processes by [`started`](Watchdog::started),
//! [`heard`](Watchdog::heard) and [`gone`](Watchdog::gone), and asked by [`tick`](Watchdog::tick).

use core::time::Duration;
use std::collections::BTreeMap;

/// How long a part may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Between two signs of life of a part, and between two ticks.
    pub interval: Duration,
    /// A part whose partner works, or that has none, is frozen after this much silence.
    pub limit: Duration,
    /// Of two that are a pair and both silent, while all others are heard, one is frozen after this much.
    pub together: Duration,
    /// One whose partner does not work is frozen after this much.
    pub alone: Duration,
    /// A new process may take this long to give its first sign.
    pub start: Duration,
}

impl Policy {
    /// The patience of a system whose target duration is `segment`.
    pub const fn of_segment(segment: Duration) -> Self {
        let limit = segment.saturating_mul(3).checked_div(10).expect("ten is not zero");
        Self {
            interval: Duration::from_millis(100),
            limit,
            together: limit.saturating_mul(2),
            alone: segment.saturating_mul(2),
            start: Duration::from_secs(5),
        }
    }

    /// A tick that comes this much after the one before is late: nothing was heard in between.
    const fn late(&self) -> Duration {
        self.interval.saturating_mul(2)
    }
}

/// A process of a part.
#[derive(Clone, Copy, Debug)]
struct Process {
    /// Since then nothing was heard, as far as it counts.
    silent_since: Duration,
    heard: bool,
    /// Whether it does what it is there for.
    ready: bool,
    condemned: bool,
}

impl Process {
    /// For how long nothing was heard.
    const fn silent(&self, now: Duration) -> Duration {
        now.saturating_sub(self.silent_since)
    }
}

/// A part that was found frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen<K> {
    /// Which one.
    pub part: K,
    /// For how long nothing was heard of it.
    pub silent: Duration,
}

/// What is known of the parts that run.
#[derive(Debug)]
pub struct Watchdog<K> {
    policy: Policy,
    /// The other one of a pair.
    partner: fn(K) -> Option<K>,
    running: BTreeMap<K, Process>,
    ticked: Option<Duration>,
}

impl<K: Copy + Ord> Watchdog<K> {
    /// Nothing runs yet.
    pub const fn new(policy: Policy, partner: fn(K) -> Option<K>) -> Self {
        Self { policy, partner, running: BTreeMap::new(), ticked: None }
    }

    /// A process of the part was started and is yet to be heard.
    pub fn started(&mut self, part: K, now: Duration) {
        let process = Process { silent_since: now, heard: false, ready: false, condemned: false };
        self.running.insert(part, process);
    }

    /// A process of the part ran before anybody listened: it is to be heard at once.
    pub fn adopted(&mut self, part: K, now: Duration) {
        let process = Process { silent_since: now, heard: true, ready: true, condemned: false };
        self.running.insert(part, process);
    }

    /// The part has given a sign of life, and says whether it is ready.
    pub fn heard(&mut self, part: K, ready: bool, now: Duration) {
        if let Some(process) = self.running.get_mut(&part) {
            process.silent_since = now;
            process.heard = true;
            process.ready = ready;
        }
    }

    /// Its process has ended, or is about to because it was asked to.
    pub fn gone(&mut self, part: K) {
        self.running.remove(&part);
    }

    /// The parts that are found frozen at `now`, each process once. To be called once an
    /// [`interval`](Policy::interval).
    pub fn tick(&mut self, now: Duration) -> Vec<Frozen<K>> {
        let is_late = self.ticked.is_none_or(|ticked| now.saturating_sub(ticked) > self.policy.late());
        self.ticked = Some(now);
        if is_late {
            self.forgive(now);
        }
        let parts: Vec<_> = self.running.keys().copied().collect();
        // One after the other: who is condemned no longer counts for its partner.
        parts.into_iter().filter_map(|part| self.judge(part, now)).collect()
    }

    /// Condemns a part if it is frozen.
    fn judge(&mut self, part: K, now: Duration) -> Option<Frozen<K>> {
        let process = self.running.get(&part).filter(|process| !process.condemned)?;
        let silent = process.silent(now);
        if silent <= self.patience(part, process, now) {
            return None;
        }
        self.running.get_mut(&part)?.condemned = true;
        Some(Frozen { part, silent })
    }

    /// Everybody's silence begins anew.
    fn forgive(&mut self, now: Duration) {
        for process in self.running.values_mut() {
            process.silent_since = now;
        }
    }

    fn patience(&self, part: K, process: &Process, now: Duration) -> Duration {
        match (self.partner)(part) {
            _ if !process.heard => self.policy.start,
            Some(partner) if self.works(partner, now) => self.policy.limit,
            Some(partner) if self.is_silent(partner, now) && self.others_are_heard(part, partner, now) => {
                self.policy.together
            }
            Some(_) => self.policy.alone,
            None => self.policy.limit,
        }
    }

    /// Whether a part would be frozen if its partner worked.
    fn is_silent(&self, part: K, now: Duration) -> bool {
        self.running.get(&part).is_some_and(|process| {
            process.heard && !process.condemned && process.silent(now) > self.policy.limit
        })
    }

    /// Whether there are parts beside a pair, and all that run and have started are heard: the machine does not stand
    /// still.
    fn others_are_heard(&self, part: K, partner: K, now: Duration) -> bool {
        let others = self.running.iter().filter(|(other, _)| **other != part && **other != partner);
        let started: Vec<_> = others.filter(|(_, process)| process.heard).collect();
        !started.is_empty() && started.iter().all(|(_, process)| process.silent(now) <= self.policy.limit / 2)
    }

    /// Whether a part was heard of late and is ready. Half the limit: two that fall silent together are both
    /// silent when the first of them is judged.
    fn works(&self, part: K, now: Duration) -> bool {
        self.running.get(&part).is_some_and(|process| {
            process.heard
                && process.ready
                && !process.condemned
                && process.silent(now) <= self.policy.limit / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1 and 2 are a pair, 3 is alone.
    fn partner(part: u8) -> Option<u8> {
        [None, Some(2), Some(1), None][usize::from(part)]
    }

    const POLICY: Policy = Policy::of_segment(Duration::from_secs(2));

    /// A watchdog and its clock.
    struct Kennel {
        watchdog: Watchdog<u8>,
        now: Duration,
    }

    impl Kennel {
        /// All parts run and are ready.
        fn new() -> Self {
            let mut kennel = Self { watchdog: Watchdog::new(POLICY, partner), now: Duration::from_secs(5) };
            kennel.watchdog.tick(kennel.now);
            for part in 1..=3 {
                kennel.watchdog.started(part, kennel.now);
                kennel.watchdog.heard(part, true, kennel.now);
            }
            kennel
        }

        /// Time passes, tick by tick, and only these parts are heard; who was found frozen, and when.
        fn pass(&mut self, millis: u64, heard: &[u8]) -> Vec<(u8, u64)> {
            let (begun, mut frozen) = (self.now, Vec::new());
            for _ in 0..millis / 100 {
                self.now += POLICY.interval;
                for &part in heard {
                    self.watchdog.heard(part, true, self.now);
                }
                let at = u64::try_from((self.now - begun).as_millis()).unwrap();
                frozen.extend(self.watchdog.tick(self.now).into_iter().map(|found| (found.part, at)));
            }
            frozen
        }
    }

    #[test]
    fn a_silent_part_is_frozen_after_three_tenths_of_the_target_duration_once() {
        assert_eq!(POLICY.limit, Duration::from_millis(600));
        assert_eq!(Kennel::new().pass(10_000, &[2, 3]), [(1, 700)]);
        assert_eq!(Kennel::new().pass(10_000, &[1, 2]), [(3, 700)], "it has no partner to be the last of");
    }

    #[test]
    fn a_part_that_is_heard_lives() {
        assert_eq!(Kennel::new().pass(60_000, &[1, 2, 3]), []);
    }

    #[test]
    fn a_part_that_recovers_is_forgiven() {
        let mut kennel = Kennel::new();
        for _ in 0..10 {
            assert_eq!(kennel.pass(600, &[2, 3]), []);
            assert_eq!(kennel.pass(100, &[1, 2, 3]), []);
        }
    }

    #[test]
    fn one_who_was_away_judges_nobody() {
        let mut kennel = Kennel::new();
        for _ in 0..10 {
            // Stopped for a minute; the parts were never silent, only unheard.
            kennel.now += Duration::from_secs(60);
            assert_eq!(kennel.watchdog.tick(kennel.now), []);
            assert_eq!(kennel.pass(300, &[]), [], "each has its whole patience anew");
        }
        assert_eq!(kennel.pass(400, &[2, 3]), [(1, 400)], "from the last time on he was on time");
    }

    #[test]
    fn on_a_machine_where_every_tick_is_late_nobody_is_judged() {
        let mut kennel = Kennel::new();
        for _ in 0..100 {
            kennel.now += Duration::from_millis(250);
            assert_eq!(kennel.watchdog.tick(kennel.now), []);
        }
    }

    #[test]
    fn the_last_of_a_pair_is_spared_for_two_target_durations() {
        for why in ["it is gone", "it starts", "it is not ready"] {
            let mut kennel = Kennel::new();
            match why {
                "it is gone" => kennel.watchdog.gone(2),
                "it starts" => kennel.watchdog.started(2, kennel.now),
                _ => {}
            }
            for _ in 0..40 {
                if why == "it is not ready" {
                    kennel.watchdog.heard(2, false, kennel.now);
                }
                assert_eq!(kennel.pass(100, &[3]), [], "{why}");
            }
            let later = kennel.pass(100, &[3]);
            assert!(later.contains(&(1, 100)), "{why}: {later:?}");
        }
    }

    #[test]
    fn of_two_that_fall_silent_while_another_is_heard_one_is_replaced_and_then_the_other() {
        let mut kennel = Kennel::new();
        kennel.pass(200, &[2, 3]);
        assert_eq!(kennel.pass(1800, &[3]), [(1, 1100)], "twice three tenths, and the other not yet");
        kennel.watchdog.started(1, kennel.now);
        assert_eq!(kennel.pass(300, &[3]), []);
        kennel.watchdog.heard(1, true, kennel.now);
        assert_eq!(kennel.pass(100, &[1, 3]), [(2, 100)], "there is one that works");
    }

    #[test]
    fn the_second_of_two_does_not_wait_for_ever_for_the_first() {
        let mut kennel = Kennel::new();
        assert_eq!(kennel.pass(10_000, &[3]), [(1, 1300), (2, 4100)]);
    }

    #[test]
    fn two_that_fall_silent_with_all_others_are_spared_for_two_target_durations() {
        let mut kennel = Kennel::new();
        kennel.pass(200, &[2, 3]);
        // The third, without a partner, is judged as ever.
        assert_eq!(kennel.pass(3800, &[]), [(3, 700)], "the second was heard 200 ms later");
        assert_eq!(kennel.pass(1000, &[]), [(1, 100), (2, 300)]);
        let mut kennel = Kennel::new();
        kennel.watchdog.gone(3);
        assert_eq!(
            kennel.pass(4000, &[]),
            [],
            "there is nobody whose word would prove that the machine goes on"
        );
    }

    #[test]
    fn while_one_is_replaced_the_other_is_spared() {
        let mut kennel = Kennel::new();
        assert_eq!(kennel.pass(700, &[2, 3]), [(1, 700)]);
        assert_eq!(kennel.pass(1000, &[3]), [], "the first is about to be killed");
        kennel.watchdog.gone(1);
        kennel.watchdog.started(1, kennel.now);
        assert_eq!(kennel.pass(1000, &[3]), []);
        kennel.watchdog.heard(1, true, kennel.now);
        assert_eq!(kennel.pass(100, &[1, 3]), [(2, 100)]);
    }

    #[test]
    fn a_process_may_take_its_time_to_start_but_not_for_ever() {
        let mut kennel = Kennel::new();
        kennel.watchdog.started(1, kennel.now);
        assert_eq!(kennel.pass(5000, &[2, 3]), []);
        assert_eq!(kennel.pass(100, &[2, 3]), [(1, 100)]);
        kennel.watchdog.adopted(1, kennel.now);
        assert_eq!(kennel.pass(2000, &[2, 3]), [(1, 700)], "one that ran before has started");
    }

    proptest! {
        /// Whatever is heard and however late the ticks are: a part that was heard within its patience is not
        /// condemned. One whose partner does not work is condemned only after a long silence, or while others are heard.
        #[test]
        fn nobody_is_condemned_who_was_heard_in_time(
            steps in prop::collection::vec((0_u64..400, any::<[bool; 3]>()), 1..300)
        ) {
            let mut kennel = Kennel::new();
            let mut last = [kennel.now; 3];
            for (millis, heard) in steps {
                kennel.now += Duration::from_millis(millis);
                for (part, last) in (1..).zip(&mut last).zip(heard).filter_map(|(part, heard)| heard.then_some(part)) {
                    kennel.watchdog.heard(part, true, kennel.now);
                    *last = kennel.now;
                }
                let late = millis > 200;
                let found = kennel.watchdog.tick(kennel.now);
                let soon = |found: &&Frozen<u8>| found.part < 3 && found.silent <= POLICY.alone;
                prop_assert!(found.iter().filter(soon).count() <= 1, "of a pair one at a time");
                for Frozen { part, silent } in found {
                    let unheard = |part: u8| kennel.now - last[usize::from(part - 1)];
                    prop_assert!(!late);
                    prop_assert!(unheard(part) >= silent && silent > POLICY.limit);
                    if let Some(partner) = partner(part) {
                        let others = unheard(3) <= POLICY.limit / 2 && silent > POLICY.together;
                        prop_assert!(unheard(partner) <= POLICY.limit / 2 || others || silent > POLICY.alone);
                    }
                    kennel.watchdog.started(part, kennel.now);
                    kennel.watchdog.heard(part, true, kennel.now);
                    last[usize::from(part - 1)] = kennel.now;
                }
            }
        }
    }
}
