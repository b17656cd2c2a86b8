//! Faults at random times, which may overlap; the same seed gives the same.

use std::time::Duration;

use super::matrix::{Cell, Component, Fault};
use crate::draw::Draw;

/// One fault of a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// When, since the storm began.
    pub at: Duration,
    /// What.
    pub cell: Cell,
    /// How long it lasts.
    pub lasts: Duration,
}

/// What a storm strikes.
const STRUCK: [Component; 9] = [
    Component::WorkerA,
    Component::WorkerB,
    Component::Server1,
    Component::Server2,
    Component::Discovery,
    Component::Reporter,
    Component::Origin1,
    Component::Origin2,
    Component::Supervisor,
];

/// A part that came back is left alone for so long: a viewer's own patience is for one death of its server.
const RESPITE: Duration = Duration::from_secs(15);
/// From the end of a fault until a part does again what it is for.
const RECOVERY: Duration = Duration::from_secs(6);

/// The seeds of so many storms: the first, and those that follow it.
pub fn seeds(first: u64, storms: u64) -> impl Iterator<Item = u64> {
    (0..storms).map(move |index| first.wrapping_add(index))
}

/// Up to `count` faults within `time`, in order of time; fewer if there is no room for so many.
pub fn draw(count: usize, seed: u64, time: Duration) -> Vec<Strike> {
    let mut draw = Draw::new(seed);
    let mut strikes: Vec<Strike> = Vec::new();
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    // Draws that find their part struck too lately are made again, so many times at most.
    for _ in 0..count.saturating_mul(20) {
        if strikes.len() == count {
            break;
        }
        let strike = one(&mut draw, whole);
        let clear = |other: &Strike| {
            let (first, second) = if other.at < strike.at { (other, &strike) } else { (&strike, other) };
            other.cell.component != strike.cell.component || first.at + first.lasts + RESPITE <= second.at
        };
        if strikes.iter().all(clear) {
            strikes.push(strike);
        }
    }
    strikes.sort_by_key(|strike| strike.at);
    strikes
}

fn one(draw: &mut Draw, whole: u64) -> Strike {
    let at = draw.millis(0, whole);
    let component = draw.one(&STRUCK);
    let cell = loop {
        let cell = Cell { fault: draw.one(&Fault::ALL), component };
        if cell.fault.is_of_storms() && cell.senseless().is_none() {
            break cell;
        }
    };
    let lasts = match cell.lasts() {
        Duration::ZERO => Duration::ZERO,
        _ if component == Component::Supervisor => draw.millis(200, 1500),
        _ => draw.millis(500, 3000),
    };
    Strike { at, cell, lasts }
}

/// For how long no path from an encoder to the origins may be left; none if there is always one.
///
/// Each encoder feeds each packager, so a path is left while one of either kind works. A part that is struck
/// while nobody supervises is away until somebody does.
pub fn pathless(strikes: &[Strike]) -> Option<Duration> {
    let kinds = [[Component::WorkerA, Component::WorkerB], [Component::Server1, Component::Server2]];
    let overlap = |[one, two]: [Component; 2]| {
        let (one, two) = (away(strikes, one), away(strikes, two));
        let pairs = one.iter().flat_map(|one| two.iter().map(move |two| (*one, *two)));
        pairs.map(|(one, two)| one.1.min(two.1).saturating_sub(one.0.max(two.0))).sum::<Duration>()
    };
    let time: Duration = kinds.into_iter().map(overlap).sum();
    (!time.is_zero()).then_some(time)
}

/// For how long the server that is worst off may be without a programme; none if none is.
pub fn starved(strikes: &[Strike]) -> Option<Duration> {
    let alone = |server: &Component| {
        let of = strikes.iter().filter(|strike| strike.cell.starves() && strike.cell.component == *server);
        of.map(|strike| strike.lasts + RECOVERY).sum::<Duration>()
    };
    let servers = [Component::Server1, Component::Server2, Component::Origin1, Component::Origin2];
    servers.iter().map(alone).max().filter(|time| !time.is_zero())
}

/// When a component may be away.
fn away(strikes: &[Strike], component: Component) -> Vec<(Duration, Duration)> {
    let of = |component| strikes.iter().filter(move |strike| strike.cell.component == component);
    let supervised = |at: Duration| {
        let unsupervised = of(Component::Supervisor).filter(|s| s.at <= at && at < s.at + s.lasts + RECOVERY);
        unsupervised.map(|strike| strike.at + strike.lasts + RECOVERY).max().unwrap_or(at)
    };
    let away = of(component).filter(|strike| !strike.cell.fault.leaves_a_path());
    away.map(|s| (s.at, (s.at + s.lasts).max(supervised(s.at)) + RECOVERY)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Duration = Duration::from_secs(600);

    fn strike(seconds: u64, component: Component) -> Strike {
        let cell = Cell { fault: Fault::Kill, component };
        Strike { at: Duration::from_secs(seconds), cell, lasts: Duration::ZERO }
    }

    #[test]
    fn a_seed_gives_one_storm() {
        let storm = draw(50, 20_261_124, MINUTES);
        assert_eq!(storm, draw(50, 20_261_124, MINUTES));
        assert_ne!(storm, draw(50, 20_261_125, MINUTES));
        assert_eq!(storm.len(), 50);
        assert!(storm.iter().all(|strike| strike.at < MINUTES && strike.cell.senseless().is_none()));
        assert!(storm.iter().all(|strike| strike.cell.fault.is_of_storms()));
        assert!(STRUCK.iter().all(|one| storm.iter().any(|strike| strike.cell.component == *one)));
    }

    #[test]
    fn short_storms_of_neighbouring_seeds_differ_and_their_faults_overlap() {
        let storms: Vec<_> = seeds(u64::MAX, 20).map(|seed| draw(4, seed, Duration::from_secs(20))).collect();
        assert!(storms.iter().all(|storm| storm.len() == 4));
        assert!((1..storms.len()).all(|later| !storms[..later].contains(&storms[later])));
        let is_met = |storm: &Vec<Strike>| {
            storm.windows(2).any(|pair| pair[1].at < pair[0].at + pair[0].lasts + RECOVERY)
        };
        assert!(storms.iter().filter(|storm| is_met(storm)).count() >= 15);
    }

    #[test]
    fn a_part_is_left_alone_after_a_fault_and_others_are_not() {
        for seed in 0..50 {
            let storm = draw(50, seed, MINUTES);
            let gaps = storm.windows(2).map(|pair| pair[1].at - pair[0].at);
            assert!(gaps.min() < Some(RECOVERY), "faults overlap");
            for component in STRUCK {
                let of: Vec<_> = storm.iter().filter(|s| s.cell.component == component).collect();
                assert!(of.windows(2).all(|pair| pair[0].at + pair[0].lasts + RESPITE <= pair[1].at));
            }
        }
    }

    #[test]
    fn a_storm_without_room_has_fewer_faults() {
        let storm = draw(500, 1, Duration::from_secs(20));
        assert!(storm.len() < 20 && storm.len() >= STRUCK.len(), "{}", storm.len());
    }

    #[test]
    fn a_path_is_left_unless_both_of_a_kind_are_away() {
        use Component::{Origin1, Server1, Supervisor, WorkerA, WorkerB};
        let pathless = |strikes: &[(u64, Component)]| {
            let strikes: Vec<_> = strikes.iter().map(|(at, component)| strike(*at, *component)).collect();
            pathless(&strikes)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pathless(&[(0, WorkerA), (1, Server1), (2, Origin1)]), None);
        assert_eq!(pathless(&[(0, WorkerA), (6, WorkerB)]), None);
        assert_eq!(pathless(&[(0, WorkerA), (2, WorkerB)]), seconds(4));
        // Nobody starts the first again before the supervisor is back.
        assert_eq!(pathless(&[(0, Supervisor), (1, WorkerA), (7, WorkerB)]), seconds(5));
    }

    #[test]
    fn a_server_is_starved_while_nothing_reaches_it() {
        let cut = |seconds, fault, component| {
            let lasts = Duration::from_secs(2);
            Strike { lasts, cell: Cell { fault, component }, ..strike(seconds, component) }
        };
        let storm = [cut(0, Fault::Partition, Component::Origin1), cut(30, Fault::Slow, Component::Origin1)];
        assert_eq!(starved(&storm), Some(2 * (Duration::from_secs(2) + RECOVERY)));
        assert_eq!(starved(&[cut(0, Fault::Latency, Component::Origin1)]), None);
        assert_eq!(starved(&[cut(0, Fault::Partition, Component::WorkerA)]), None);
    }
}
