//! Whether the parts take more memory and descriptors the longer they live.
//!
//! Each process is looked at again and again. What it takes rises and falls with what it does, so its *floor* is judged:
//! the least that it took within a [`SPAN`]. The first floor counts from when it is [`WARM`], the last is that of its end. A
//! process that is started again begins anew.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::Serialize;

/// From then on a process has what it keeps at any time: its windows are full, its threads have met their work, and
/// the allocator has the pages for it.
pub const WARM: Duration = Duration::from_secs(60);
/// A floor is the least of so long a time.
pub const SPAN: Duration = Duration::from_secs(20);
/// By how much the floor of memory may rise: a packager's list of its folder grows until media expire, and the allocator
/// keeps pages of what a fault makes arrive at once.
pub const MEMORY_KIB: u64 = 8 << 10;
/// By how much the floor of descriptors may rise: connections between parts that happen to be kept.
pub const DESCRIPTORS: u64 = 8;

/// What a process takes at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Memory of its own, in KiB.
    pub memory_kib: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

impl Taken {
    fn least(self, other: Self) -> Self {
        Self {
            memory_kib: self.memory_kib.min(other.memory_kib),
            descriptors: self.descriptors.min(other.descriptors),
        }
    }
}

#[derive(Debug)]
struct Life {
    part: &'static str,
    began: Duration,
    /// The floor of the first span in which it was warm.
    first: Option<Taken>,
    /// The last span.
    recent: VecDeque<(Duration, Taken)>,
}

impl Life {
    fn saw(&mut self, at: Duration, taken: Taken) {
        let age = at.saturating_sub(self.began);
        if age >= WARM && age < WARM + SPAN {
            self.first = Some(self.first.map_or(taken, |first| first.least(taken)));
        }
        self.recent.push_back((at, taken));
        while self.recent.front().is_some_and(|(then, _)| *then + SPAN <= at) {
            self.recent.pop_front();
        }
    }

    /// What it came to, if its two floors do not overlap.
    fn growth(&self) -> Option<Growth> {
        let lived = self.recent.back()?.0.saturating_sub(self.began);
        let last = self.recent.iter().map(|(_, taken)| *taken).reduce(Taken::least)?;
        let first = self.first.filter(|_| lived >= WARM + 2 * SPAN)?;
        Some(Growth { part: self.part, seconds: lived.as_secs(), first, last })
    }
}

/// The two floors of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Of which part.
    pub part: &'static str,
    /// How long it lived.
    pub seconds: u64,
    /// Once it was warm.
    pub first: Taken,
    /// At the end of its life, or of the drill.
    pub last: Taken,
}

impl Growth {
    const fn memory(&self) -> u64 {
        self.last.memory_kib.saturating_sub(self.first.memory_kib)
    }

    const fn descriptors(&self) -> u64 {
        self.last.descriptors.saturating_sub(self.first.descriptors)
    }

    /// What grew too much, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let grown =
            [(self.memory(), MEMORY_KIB, "KiB of memory"), (self.descriptors(), DESCRIPTORS, "descriptors")];
        let grown = grown.into_iter().filter(|(by, most, _)| by > most);
        let sentence = |(by, most, what)| {
            format!("{} grew by {by} {what} in {} s, at most {most}", self.part, self.seconds)
        };
        grown.map(sentence).collect()
    }
}

/// What all processes were seen to take.
#[derive(Debug)]
pub struct Usage<K>(BTreeMap<K, Life>);

impl<K> Default for Usage<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Usage<K> {
    /// A process of a part takes this much at `at`, which never goes back.
    pub fn saw(&mut self, part: &'static str, process: K, at: Duration, taken: Taken) {
        let new = || Life { part, began: at, first: None, recent: VecDeque::new() };
        self.0.entry(process).or_insert_with(new).saw(at, taken);
    }

    /// Of each part the process that grew most, of those that lived long enough to be judged, and nothing of a part
    /// that had none. Who grew by more than it may comes before those that did not.
    pub fn growths(&self) -> Vec<Growth> {
        let mut worst: BTreeMap<&str, Growth> = BTreeMap::new();
        let rank = |growth: &Growth| (growth.faults().len(), growth.memory(), growth.descriptors());
        for growth in self.0.values().filter_map(Life::growth) {
            match worst.get_mut(growth.part) {
                Some(known) if rank(known) >= rank(&growth) => {}
                Some(known) => *known = growth,
                None => _ = worst.insert(growth.part, growth),
            }
        }
        worst.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that takes what `taken` says of its age in seconds.
    fn live(usage: &mut Usage<u8>, process: u8, seconds: u64, taken: impl Fn(u64) -> (u64, u64)) {
        for age in 0..=seconds {
            let (memory_kib, descriptors) = taken(age);
            let at = Duration::from_secs(1000 * u64::from(process) + age);
            usage.saw("origin1", process, at, Taken { memory_kib, descriptors });
        }
    }

    fn judged(seconds: u64, taken: impl Fn(u64) -> (u64, u64)) -> Vec<Growth> {
        let mut usage = Usage::default();
        live(&mut usage, 1, seconds, taken);
        usage.growths()
    }

    fn faults(taken: impl Fn(u64) -> (u64, u64)) -> Vec<String> {
        judged(600, taken).iter().flat_map(Growth::faults).collect()
    }

    #[test]
    fn what_a_part_takes_until_it_is_warm_and_what_it_gives_back_is_no_growth() {
        assert_eq!(faults(|age| (1000 * age.min(WARM.as_secs()), age.min(WARM.as_secs()))), [""; 0]);
        assert_eq!(faults(|age| (30_000 * (age % 10), 100 * (age % 10))), [""; 0]);
        assert_eq!(faults(|age| (90_000 - 100 * age, 900 - age)), [""; 0]);
    }

    #[test]
    fn a_part_that_takes_ever_more_is_named_whatever_rises_and_falls_above_it() {
        let leak = |age| (20_000 + 20 * age + 30_000 * (age % 10), 50);
        assert_eq!(faults(leak), ["origin1 grew by 10600 KiB of memory in 600 s, at most 8192"]);
        let leak = |age: u64| (20_000, 50 + age / 20 + 100 * (age % 5));
        assert_eq!(faults(leak), ["origin1 grew by 26 descriptors in 600 s, at most 8"]);
    }

    #[test]
    fn a_growth_up_to_the_bar_holds() {
        let grown = |memory, descriptors| {
            faults(move |age| if age < 300 { (20_000, 50) } else { (20_000 + memory, 50 + descriptors) })
        };
        assert_eq!(grown(MEMORY_KIB, DESCRIPTORS), [""; 0]);
        assert_eq!(grown(MEMORY_KIB + 1, DESCRIPTORS + 1).len(), 2);
    }

    #[test]
    fn a_process_is_judged_only_if_its_floors_do_not_overlap() {
        assert!(judged(99, |_| (1, 1)).is_empty());
        let taken = Taken { memory_kib: 1, descriptors: 1 };
        assert_eq!(
            judged(100, |_| (1, 1)),
            [Growth { part: "origin1", seconds: 100, first: taken, last: taken }]
        );
    }

    #[test]
    fn one_that_is_started_again_begins_anew_and_the_worst_counts() {
        let mut usage = Usage::default();
        live(&mut usage, 1, 200, |_| (20_000, 50));
        live(&mut usage, 2, 200, |_| (90_000, 500));
        let [growth] = &usage.growths()[..] else { panic!("a row for the part") };
        assert!(growth.faults().is_empty(), "{growth:?}");
        live(&mut usage, 3, 200, |age| if age < 100 { (1000, 50) } else { (9500, 50) });
        live(&mut usage, 4, 200, |_| (20_000, 50));
        let [growth] = &usage.growths()[..] else { panic!("a row for the part") };
        assert_eq!(growth.faults(), ["origin1 grew by 8500 KiB of memory in 200 s, at most 8192"]);
    }
}
